package clienttest

import (
	"encoding/json"
	"net/http"
	"reflect"
)

// This file is where the server comes to its hooks, and counts which of them made a difference.

// Told is how often the server has really lied so since [Server.Lie]: it had the occasion, and what it did
// was not what it would have done. Zero after a test means that the test did not try the lie.
func (s *Server) Told(l Lie) int {
	s.deceit.mu.Lock()
	defer s.deceit.mu.Unlock()
	return s.deceit.told[l]
}

// acted counts the lie that is being told.
func (v *visit) acted() {
	v.s.deceit.mu.Lock()
	defer v.s.deceit.mu.Unlock()
	v.s.deceit.told[v.telling]++
}

// hang waits for the client to go away, and cuts the connection.
func (v *visit) hang() {
	v.acted()
	<-v.r.Context().Done()
	panic(http.ErrAbortHandler)
}

// cut cuts the connection.
func (v *visit) cut() {
	v.acted()
	panic(http.ErrAbortHandler)
}

// tell runs the hook that pick finds in each lie. Where it returns true it has made a difference.
func tell[F any](v *visit, pick func(*deed) (F, bool), run func(F) bool) {
	for _, l := range v.lies {
		hook, ok := pick(l.deed)
		if !ok {
			continue
		}
		v.telling = l
		if run(hook) {
			v.telling = l // which a hook inside the hook has changed
			v.acted()
		}
	}
}

// edited reports whether f changes what is written of the value.
func edited(value any, f func()) bool {
	before, _ := json.Marshal(value)
	f()
	after, _ := json.Marshal(value)
	return string(before) != string(after)
}

func (v *visit) tellInstead() (done bool) {
	tell(v, func(d *deed) (func(*visit) bool, bool) { return d.instead, d.instead != nil }, func(f func(*visit) bool) bool {
		if done {
			return false
		}
		done = f(v)
		return done
	})
	return done
}

func (v *visit) tellAfter() {
	tell(v, func(d *deed) (func(*visit), bool) { return d.after, d.after != nil }, func(f func(*visit)) bool {
		f(v)
		return false // it counts itself
	})
}

func (v *visit) tellTerms(t *Terms) {
	tell(v, func(d *deed) (func(*visit, *Terms), bool) { return d.terms, d.terms != nil }, func(f func(*visit, *Terms)) bool {
		before := *t
		f(v, t)
		return before.Price != t.Price || before.Operator != t.Operator || before.FeeToken != t.FeeToken
	})
}

func (v *visit) tellRequest(request document) {
	tell(v, func(d *deed) (func(*visit, document), bool) { return d.request, d.request != nil }, func(f func(*visit, document)) bool {
		return edited(request, func() { f(v, request) })
	})
}

func (v *visit) tellChallenge(c *challenge) {
	tell(v, func(d *deed) (func(*visit, *challenge), bool) { return d.challenge, d.challenge != nil }, func(f func(*visit, *challenge)) bool {
		before := *c
		f(v, c)
		return before != *c
	})
}

func (v *visit) tellSpelling(c *challenge) []string {
	lines := []string{c.String()}
	tell(v, func(d *deed) (func(*visit, *challenge) []string, bool) { return d.spell, d.spell != nil }, func(f func(*visit, *challenge) []string) bool {
		before := lines
		lines = f(v, c)
		return !reflect.DeepEqual(before, lines)
	})
	return lines
}

func (v *visit) tellSnapshot(a *account, snapshot document) {
	tell(v, func(d *deed) (func(*visit, *account, document), bool) { return d.snapshot, d.snapshot != nil }, func(f func(*visit, *account, document)) bool {
		return edited(snapshot, func() { f(v, a, snapshot) })
	})
}

func (v *visit) tellReceipt(receipt document) {
	tell(v, func(d *deed) (func(*visit, document), bool) { return d.receipt, d.receipt != nil }, func(f func(*visit, document)) bool {
		return edited(receipt, func() { f(v, receipt) })
	})
}

func (v *visit) tellAnswer(status int, h http.Header) int {
	tell(v, func(d *deed) (func(*visit, int, http.Header) int, bool) { return d.answer, d.answer != nil }, func(f func(*visit, int, http.Header) int) bool {
		before, was := h.Clone(), status
		status = f(v, status, h)
		return was != status || !reflect.DeepEqual(before, h)
	})
	return status
}

func (x *exchange) tellTaking(p *payload) (done, content bool, err error) {
	tell(&x.visit, func(d *deed) (func(*exchange, *payload) (bool, bool, error), bool) { return d.take, d.take != nil }, func(f func(*exchange, *payload) (bool, bool, error)) bool {
		if done {
			return false
		}
		done, content, err = f(x, p)
		return done
	})
	return done, content, err
}

func (m *Meter) tellStream() (err error) {
	tell(&m.x.visit, func(d *deed) (func(*Meter) error, bool) { return d.stream, d.stream != nil }, func(f func(*Meter) error) bool {
		if err == nil {
			m.x.acted()
			err = f(m)
		}
		return false
	})
	return err
}

func (m *Meter) tellPieces(frame string) []string {
	pieces := []string{frame}
	if frame == "" {
		return pieces // only what was written before is to leave
	}
	tell(&m.x.visit, func(d *deed) (func(string) []string, bool) { return d.pieces, d.pieces != nil }, func(f func(string) []string) bool {
		pieces = f(frame)
		return len(pieces) > 1 || pieces[0] != frame
	})
	return pieces
}

func (m *Meter) tellNeed(frame document) {
	tell(&m.x.visit, func(d *deed) (func(*Meter, document), bool) { return d.need, d.need != nil }, func(f func(*Meter, document)) bool {
		return edited(frame, func() { f(m, frame) })
	})
}
