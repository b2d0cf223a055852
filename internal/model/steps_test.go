package model_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// patience is how long a call may take, on the clock of the bubble.
const patience = 5 * time.Minute

var (
	routes = []string{"/data", "/data", "/data", "/v1/data", "/hinted", "/boot", "/flat", "/sponsored", "/min-delta", "/v1/flat"}
	prices = []string{"", "", "", "price=1", "price=37", "price=1000", "price=1001"}
	funds  = []string{"", "deposit=0", "deposit=250", "deposit=250"}
	waits  = []time.Duration{time.Second, 31 * time.Second, 5 * time.Minute, 16 * time.Minute}
)

// quickLies are the lies that a history may tell: all but a few that take megabytes, which have a test
// of their own.
var quickLies = func() (all []lies.Lie) {
	large := []lies.Lie{
		lies.HugeHeader, lies.StreamLine, lies.StreamName, lies.NeedHuge, lies.ChallengeHuge,
		lies.ManyChallenges, lies.ContentBeside, lies.EndlessRefusal, lies.StreamReceiptFlood,
		lies.StreamRepeats, lies.RequestHuge,
	}
	for _, l := range lies.All() {
		if !slices.Contains(large, l) {
			all = append(all, l)
		}
	}
	return all
}()

// step does one thing.
func (w *world) step() {
	switch n := w.draw(32, "step"); {
	case n < 12:
		w.request()
	case n < 17:
		w.stream()
	case n < 20:
		w.lie()
	case n < 22:
		w.trouble()
	case n < 24:
		w.rebirth(w.draw(2, "life"))
	case n == 24:
		l := w.lives[w.draw(2, "life")]
		w.note("life %d ends well", w.index(l))
		w.lived(l, func() { _ = l.session.Close(l.ctx) })
		w.rebirth(w.index(l))
	case n < 27:
		d := waits[w.draw(len(waits), "wait")]
		w.note("the chain is %s on", d)
		w.srv.Chain.Advance(d)
	case n == 27:
		d := waits[w.draw(len(waits), "wait")]
		w.note("%s pass", d)
		time.Sleep(d)
	case n == 28:
		if id, ok := w.one(); ok {
			w.note("the server forgets %s", id)
			w.srv.Forget(id)
		}
	case n == 29:
		if id, ok := w.one(); ok {
			w.note("the server settles %s", id)
			_, _ = w.srv.Settle(id)
		}
	default:
		w.ending(n == 30)
	}
}

func (w *world) index(l *life) int {
	if w.lives[0] == l {
		return 0
	}
	return 1
}

func (w *world) one() (common.Hash, bool) {
	known := w.known()
	if len(known) == 0 {
		return common.Hash{}, false
	}
	return known[w.draw(len(known), "channel")], true
}

// lie makes the server tell up to three lies, or none.
func (w *world) lie() {
	if !w.hostile {
		return
	}
	var told []lies.Lie
	for range w.draw(4, "how many") {
		told = append(told, quickLies[w.draw(len(quickLies), "lie")])
	}
	w.note("the server lies: %s", told)
	w.srv.Lie(told...)
}

// trouble lets something of a life break soon.
func (w *world) trouble() {
	l := w.lives[w.draw(2, "life")]
	kind, soon := w.draw(7, "trouble"), 1+w.draw(6, "soon")
	if w.sound {
		return
	}
	l.afterwards, l.stored = kind&1 == 0, kind&1 == 0
	w.note("life %d gets trouble %d in %d", w.index(l), kind, soon)
	switch kind {
	case 0, 1:
		l.diesAtPut = l.puts + soon
	case 2, 3:
		l.diesAtSend = l.sends + soon
	case 4, 5:
		l.failsAtPut = l.puts + soon
	case 6:
		l.failsAtGet, l.failsAtSignature = l.gets+soon, l.signatures+soon
	}
}

// request is one call for something that costs a price.
func (w *world) request() {
	w.get(routes[w.draw(len(routes), "route")], 0)
}

// stream is a call for an event stream, which the caller may leave early.
func (w *world) stream() {
	path := fmt.Sprintf("%s/stream/%d/%d", []string{"", "", "/v1", "/hinted", "/sponsored"}[w.draw(5, "route")], 1+w.draw(12, "events"), []int{10, 10, 1, 25}[w.draw(4, "unit")])
	w.get(path, []int64{0, 0, 40, 100}[w.draw(4, "leaves")])
}

// get asks for a path and reads its answer, up to so many bytes where most is not zero.
func (w *world) get(path string, most int64) {
	l := w.lives[w.draw(2, "life")]
	query := prices[w.draw(len(prices), "price")] + "&" + funds[w.draw(len(funds), "deposit")]
	if strings.Contains(path, "/stream") {
		query = funds[w.draw(len(funds), "deposit")]
	}
	if strings.Contains(path, "hinted") || strings.Contains(path, "flat") {
		query += "&payer=" + w.k.Address().Hex()
	}
	method, body := http.MethodGet, io.Reader(nil)
	if w.draw(6, "method") == 5 && most == 0 && !strings.Contains(path, "/stream") {
		method, body = http.MethodPost, strings.NewReader("hello")
	}
	c := &call{channels: map[common.Hash]bool{}, risen: map[common.Hash]voucher.Amount{}, run: w.draw(2, "run") == 1, stream: strings.Contains(path, "/stream")}
	w.calls = append(w.calls, c)
	w.under = append(w.under, c)
	under := len(w.under)
	w.note("life %d: %s %s?%s", w.index(l), method, path, query)
	signatures, began := l.signatures, time.Now()
	defer func() { w.under = w.under[:under-1] }()
	w.lived(l, func() {
		ctx, cancel := context.WithTimeout(l.within(c.run), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, w.srv.URL+path+"?"+query, body)
		if err != nil {
			w.t.Fatal(err)
		}
		if c.stream {
			req.Header.Set("Accept", "text/event-stream")
		}
		resp, err := w.http(l).Do(req)
		if err != nil {
			w.note("  life %d: %s", w.index(l), err)
			return
		}
		defer resp.Body.Close()
		if most == 0 {
			most = 1 << 20
		}
		got, err := io.ReadAll(io.LimitReader(resp.Body, most))
		c.events = uint64(bytes.Count(got, []byte("\n\n")))
		c.clean = err == nil
		w.note("  life %d: %s, %d events, %v", w.index(l), resp.Status, c.events, err)
	})
	if took := time.Since(began) - c.nested; took > patience+time.Second {
		w.broken("a call that goes on after its context", "%s", took)
	}
	if n := l.signatures - signatures; n > maxSends {
		w.broken("more signatures than a call may have", "%d", n)
	}
}

// ending closes a channel, with the server or without.
func (w *world) ending(together bool) {
	l := w.lives[w.draw(2, "life")]
	records := w.records()
	if len(records) == 0 {
		return
	}
	id := records[w.draw(len(records), "channel")].ID
	began := time.Now()
	w.note("life %d closes %s, together: %t", w.index(l), id, together)
	w.lived(l, func() {
		ctx, cancel := context.WithTimeout(l.ctx, patience)
		defer cancel()
		switch {
		case together:
			_ = l.session.Channels().Close(ctx, id)
		case l.session.Channels().RequestClose(ctx, id) == nil && w.draw(2, "withdraw") == 1:
			w.srv.Chain.Advance(16 * time.Minute)
			_ = l.session.Channels().Withdraw(ctx, id)
		}
	})
	if took := time.Since(began); took > patience+time.Second {
		w.broken("a close that goes on after its context", "%s", took)
	}
}
