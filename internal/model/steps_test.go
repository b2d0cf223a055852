package model_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// patience bounds the time of a call on the clock of the bubble.
const patience = 5 * time.Minute

var (
	routes = []string{
		"/data", "/data", "/data", "/v1/data", "/hinted", "/boot", "/flat", "/sponsored",
		"/min-delta", "/v1/flat",
	}
	prices = []string{"", "", "", "price=1", "price=37", "price=1000", "price=1001"}
	funds  = []string{"", "deposit=0", "deposit=250", "deposit=250"}
	waits  = []time.Duration{time.Second, 31 * time.Second, 5 * time.Minute, 16 * time.Minute}
)

// quickLies lists the lies of a history: all but a few that send megabytes, which have their own
// tests.
var quickLies = func() (all []lies.Lie) {
	large := []lies.Lie{
		lies.HugeHeader, lies.StreamLine, lies.StreamName, lies.NeedHuge, lies.ChallengeHuge,
		lies.ManyChallenges, lies.ContentBeside, lies.EndlessRefusal, lies.StreamReceiptFlood,
		lies.StreamRepeats, lies.RequestHuge,
	}
	for _, proc := range lies.All() {
		if !slices.Contains(large, proc) {
			all = append(all, proc)
		}
	}
	return all
}()

// Lies that change the terms within one call, that redirect it and that refuse it. They are half of
// all lies, so that they often meet.
var (
	flips = []lies.Lie{
		lies.FlipProtocol, lies.FlipProtocolOnce, lies.FlipPayee, lies.FlipPayeeOnce,
		lies.FlipErratic, lies.FlipStrangers, lies.FlipEscrow, lies.UnitBecomesChunk,
		lies.FeeTokenFlips, lies.SponsorVanishes, lies.SponsorAppears, lies.PriceClimbs,
	}
	bounces = []lies.Lie{
		lies.BounceFound, lies.BounceSeeOther, lies.BounceTemporary, lies.BouncePermanent,
		lies.RedirectToll, lies.RedirectDrip,
	}
	refusals = []lies.Lie{
		lies.RefuseAfterCharge, lies.GoneAgain, lies.GoneAlways, lies.GoneAfterVoucher,
		lies.ProblemRequired, lies.ProblemChallenge, lies.ProblemNone,
	}
	fickle = [][]lies.Lie{flips, flips, bounces, refusals}
)

// step runs a random step.
func (w *world) step() {
	switch n := w.even(32, "step"); {
	case n < 12:
		w.request()
	case n < 17:
		w.stream()
	case n < 20:
		w.lie()
	case n < 22:
		w.fault()
	case n < 24:
		w.restart(w.draw(2, "process"))
	case n == 24:
		proc := w.processes[w.draw(2, "process")]
		w.logf("process %d closes its session", w.index(proc))
		w.guard(proc, func() { _ = proc.session.Close(proc.ctx) })
		w.restart(w.index(proc))
	case n < 27:
		d := waits[w.draw(len(waits), "wait")]
		w.logf("the chain advances by %s", d)
		w.srv.Chain.Advance(d)
	case n == 27:
		d := waits[w.draw(len(waits), "wait")]
		w.logf("%s pass", d)
		time.Sleep(d)
	case n == 28:
		if id, ok := w.oneChannel(); ok {
			w.logf("the server forgets %s", id)
			w.srv.Forget(id)
		}
	case n == 29:
		if id, ok := w.oneChannel(); ok {
			w.logf("the server settles %s", id)
			_, _ = w.srv.Settle(id)
		}
	default:
		w.closeChannel(n == 30)
	}
}

func (w *world) index(proc *process) int {
	if w.processes[0] == proc {
		return 0
	}
	return 1
}

func (w *world) oneChannel() (common.Hash, bool) {
	known := w.knownChannels()
	if len(known) == 0 {
		return common.Hash{}, false
	}
	return known[w.draw(len(known), "channel")], true
}

// lie makes the server tell up to three lies.
func (w *world) lie() {
	if !w.hostile {
		return
	}
	var chosen []lies.Lie
	for range w.even(4, "how many") {
		from := quickLies
		if w.even(2, "fickle") == 1 {
			from = fickle[w.even(len(fickle), "which of them")]
		}
		chosen = append(chosen, from[w.even(len(from), "lie")])
	}
	w.logf("the server lies: %s", chosen)
	w.srv.Lie(chosen...)
}

// fault plans a fault of a process.
func (w *world) fault() {
	proc := w.processes[w.draw(2, "process")]
	kind, soon := w.draw(7, "fault"), 1+w.draw(6, "soon")
	if w.noFaults {
		return
	}
	proc.after, proc.stored = kind&1 == 0, kind&1 == 0
	w.logf("process %d: fault %d in %d", w.index(proc), kind, soon)
	switch kind {
	case 0, 1:
		proc.crashesAtPut = proc.puts + soon
	case 2, 3:
		proc.crashesAtSend = proc.sends + soon
	case 4, 5:
		proc.failsAtPut = proc.puts + soon
	case 6:
		proc.failsAtGet, proc.failsAtSignature = proc.gets+soon, proc.signatures+soon
	}
}

// request makes a call for content with a price.
func (w *world) request() {
	w.get(routes[w.draw(len(routes), "route")], 0)
}

// stream makes a call for an event stream, which the caller may leave early.
func (w *world) stream() {
	path := fmt.Sprintf(
		"%s/stream/%d/%d", []string{"", "", "/v1", "/hinted", "/sponsored"}[w.draw(5, "route")],
		1+w.draw(12, "events"), []int{10, 10, 1, 25}[w.draw(4, "unit")],
	)
	w.get(path, []int64{0, 0, 40, 100}[w.draw(4, "leaves")])
}

// get requests a path and reads the response, up to most bytes if most is not zero.
func (w *world) get(path string, most int64) {
	proc := w.processes[w.draw(2, "process")]
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
	c := &call{
		channels:  map[common.Hash]bool{},
		protocols: map[voucher.Protocol]bool{},
		cost:      map[common.Hash]voucher.Amount{},
		run:       w.even(2, "run") == 1,
		stream:    strings.Contains(path, "/stream"),
	}
	w.calls = append(w.calls, c)
	w.inFlight = append(w.inFlight, c)
	inFlight := len(w.inFlight)
	w.logf("process %d: %s %s?%s", w.index(proc), method, path, query)
	signatures, began := proc.signatures, time.Now()
	defer func() { w.inFlight = w.inFlight[:inFlight-1] }()
	w.guard(proc, func() {
		ctx, cancel := context.WithTimeout(proc.within(c.run), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, method, w.srv.URL+path+"?"+query, body)
		if err != nil {
			w.t.Fatal(err)
		}
		if c.stream {
			req.Header.Set("Accept", "text/event-stream")
		}
		resp, err := w.http(proc).Do(req)
		if err != nil {
			w.logf("  process %d: %s", w.index(proc), err)
			var limit *channel.LimitError
			if errors.As(err, &limit) {
				driven[refusedBy(limit.Limit)]++
			}
			return
		}
		defer resp.Body.Close()
		if most == 0 {
			most = 1 << 20
		}
		got, err := io.ReadAll(io.LimitReader(resp.Body, most))
		c.events = uint64(bytes.Count(got, []byte("\n\n")))
		c.completed = err == nil
		w.logf("  process %d: %s, %d events, %v", w.index(proc), resp.Status, c.events, err)
	})
	if took := time.Since(began) - c.nested; took > patience+time.Second {
		w.fail("a call that outlives its context", "%s", took)
	}
	if n := proc.signatures - signatures; n > maxSends {
		w.fail("too many signatures in a call", "%d", n)
	}
}

// closeChannel closes a channel, with the server or without.
func (w *world) closeChannel(withServer bool) {
	proc := w.processes[w.draw(2, "process")]
	records := w.records()
	if len(records) == 0 {
		return
	}
	id := records[w.draw(len(records), "channel")].ID
	began := time.Now()
	w.logf("process %d closes %s, with the server: %t", w.index(proc), id, withServer)
	w.guard(proc, func() {
		ctx, cancel := context.WithTimeout(proc.ctx, patience)
		defer cancel()
		switch {
		case withServer:
			_ = proc.session.Channels().Close(ctx, id)
		case proc.session.Channels().RequestClose(ctx, id) == nil && w.draw(2, "withdraw") == 1:
			w.srv.Chain.Advance(16 * time.Minute)
			_ = proc.session.Channels().Withdraw(ctx, id)
		}
	})
	if took := time.Since(began); took > patience+time.Second {
		w.fail("a close that outlives its context", "%s", took)
	}
}
