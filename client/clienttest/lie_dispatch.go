package clienttest

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// eachLie runs run with each lie that is told. It counts the lie if run returns true: then the lie
// made a difference.
func (v *incoming) eachLie(run func(*hook.Hooks) bool) {
	for _, l := range v.lies {
		v.lying = l.name
		if run(l.hooks) {
			v.lying = l.name // a hook within the hook may have changed it
			v.Acted()
		}
	}
}

// edited reports whether f changes the JSON of the value.
func edited(value any, f func()) bool {
	before, _ := json.Marshal(value)
	f()
	after, _ := json.Marshal(value)
	return string(before) != string(after)
}

func (v *incoming) lieInstead() (done bool) {
	v.eachLie(func(h *hook.Hooks) bool {
		if done || h.Instead == nil {
			return false
		}
		done = h.Instead(v)
		return done
	})
	return done
}

func (v *incoming) lieAfter() {
	v.eachLie(func(h *hook.Hooks) bool {
		if h.After != nil {
			h.After(v) // counts itself
		}
		return false
	})
}

func (v *incoming) lieInTerms(t *Terms) {
	v.eachLie(func(h *hook.Hooks) bool { return v.changed(t, h.Terms) })
}

func (v *incoming) lieInFresh(t *Terms) {
	v.eachLie(func(h *hook.Hooks) bool { return v.changed(t, h.Fresh) })
}

// anyTerms reports whether a lie accepts credentials for terms that are not the route's.
func (v *incoming) anyTerms() bool {
	return slices.ContainsFunc(v.lies, func(l lie) bool { return l.hooks.AnyTerms })
}

// changed applies a hook to the terms and reports whether they are others now.
func (v *incoming) changed(t *Terms, change func(hook.Request, *hook.Terms)) bool {
	if change == nil {
		return false
	}
	before := hook.Terms{
		Price: t.Price, Unit: t.Unit, Protocol: t.Protocol, Sponsored: t.Sponsored,
		Operator: t.Operator, FeeToken: t.FeeToken, Payee: t.Payee, Hints: hook.Hints(t.Hints),
	}
	after := before
	change(v, &after)
	t.Price, t.Unit, t.Protocol = after.Price, after.Unit, after.Protocol
	t.Operator, t.FeeToken, t.Payee = after.Operator, after.FeeToken, after.Payee
	t.Sponsored, t.Hints = after.Sponsored, Hints(after.Hints)
	t.Bootstrap = t.Bootstrap && t.Protocol == voucher.V2
	before.Hints = after.Hints // sending hints is not a lie by itself
	return before != after
}

func (v *incoming) lieInRequest(request message.Document) {
	v.eachLie(func(h *hook.Hooks) bool {
		return h.Request != nil && edited(request, func() { h.Request(v, request) })
	})
}

func (v *incoming) lieInChallenge(c *message.Challenge) {
	v.eachLie(func(h *hook.Hooks) bool {
		if h.Challenge == nil {
			return false
		}
		before := *c
		h.Challenge(v, c)
		return before != *c
	})
}

func (v *incoming) lieInSpelling(c *message.Challenge) []string {
	lines := []string{c.String()}
	v.eachLie(func(h *hook.Hooks) bool {
		if h.Spell == nil {
			return false
		}
		before := lines
		lines = h.Spell(v, c)
		return !reflect.DeepEqual(before, lines)
	})
	return lines
}

func (v *incoming) lieInSnapshot(a *account, snapshot message.Document) {
	v.eachLie(func(h *hook.Hooks) bool {
		return h.Snapshot != nil &&
			edited(snapshot, func() { h.Snapshot(hookChannel{v, a}, snapshot) })
	})
}

func (v *incoming) lieInReceipt(receipt message.Document) {
	v.eachLie(func(h *hook.Hooks) bool {
		return h.Receipt != nil && edited(receipt, func() { h.Receipt(v, receipt) })
	})
}

func (v *incoming) lieInAnswer(status int, h http.Header) int {
	v.eachLie(func(hooks *hook.Hooks) bool {
		if hooks.Answer == nil {
			return false
		}
		before, was := h.Clone(), status
		status = hooks.Answer(v, status, h)
		return was != status || !reflect.DeepEqual(before, h)
	})
	return status
}

func (x *paidRequest) lieInTaking(p *message.Payload) (done, content bool, err error) {
	x.eachLie(func(h *hook.Hooks) bool {
		if done || h.Take == nil {
			return false
		}
		done, content, err = h.Take(x, p)
		return done
	})
	return done, content, err
}

func (m *Meter) lieInStream() (err error) {
	m.x.eachLie(func(h *hook.Hooks) bool {
		if h.Stream != nil && err == nil {
			m.x.Acted()
			err = h.Stream(hookStream{&m.x.incoming, m})
		}
		return false
	})
	return err
}

func (m *Meter) lieInPieces(frame string) []string {
	pieces := []string{frame}
	if frame == "" {
		return pieces // nothing new to write
	}
	m.x.eachLie(func(h *hook.Hooks) bool {
		if h.Pieces == nil {
			return false
		}
		pieces = h.Pieces(frame)
		return len(pieces) > 1 || pieces[0] != frame
	})
	return pieces
}

func (m *Meter) lieInNeed(frame message.Document) {
	m.x.eachLie(func(h *hook.Hooks) bool {
		return h.Need != nil &&
			edited(frame, func() { h.Need(hookStream{&m.x.incoming, m}, frame) })
	})
}
