package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// The clients that are compared, by the names in the tables.
const (
	unpaid = "unpaid"
	ours   = "Tallystick"
	ahead  = "Tallystick, Ahead"
	fetch  = "Node's fetch, unpaid"
	mppx   = "mppx"
)

// aheadRequests is for how many requests Limits.Ahead allows to sign ahead.
const aheadRequests = 256

// bench runs cells and keeps the processes that serve more than one. The caller must close it.
type bench struct {
	rig    string // folder of the programs around mppx
	noMppx error  // why mppx is skipped; nil if it is not
	cert   certificate
	client *peer // mppx's client
	mppx   map[voucher.Protocol]*mppxServer
}

func newBench(mppx string) (*bench, error) {
	cert, err := newCertificate()
	if err != nil {
		return nil, err
	}
	b := &bench{cert: cert, mppx: map[voucher.Protocol]*mppxServer{}}
	b.rig, b.noMppx, err = findRig(mppx)
	if err == nil && b.noMppx == nil {
		b.client, err = startPeer(b.rig, "node", "loadclient.mjs")
	}
	return b, err
}

func (b *bench) close() {
	if b.client != nil {
		b.client.close()
	}
	for _, s := range b.mppx {
		s.close()
	}
}

// report is the result of a cell.
type report struct {
	cell
	Figures []figures
	Skipped string // why there are no figures at all
}

// contender is one client in one cell.
type contender struct {
	name    string
	paid    bool
	ahead   uint64
	payer   common.Address
	runner  runner
	skipped string
	bought  uint64 // price of everything that was served, warm-up included
	failed  int    // requests that ended with an error, likewise
	rounds  []sample
	ended   string // the failure that ended a round early
}

// run measures a cell. An error means that it could not be measured, or that the books of our
// client are wrong.
func (b *bench) run(ctx context.Context, c cell) (r report, err error) {
	r.cell = c
	if c.Server == serverMppx && b.noMppx != nil {
		r.Skipped = b.noMppx.Error()
		return r, nil
	}
	s, done, err := b.server(ctx, c)
	if err != nil {
		return r, err
	}
	defer done()
	origin, undo, err := delayed(s.url(c.Major), c)
	if err != nil {
		return r, err
	}
	defer undo()
	all, err := b.contenders(ctx, c, s)
	defer func() {
		for _, one := range all {
			if one.runner != nil {
				_, _ = one.runner.close(context.WithoutCancel(ctx))
			}
		}
	}()
	if err != nil {
		return r, err
	}
	m := &measuring{cell: c, server: s, origin: origin, all: all}
	if err := m.measure(ctx); err != nil {
		return r, err
	}
	r.Figures = m.figures()
	return r, m.settle(ctx)
}

// server returns the server of a cell. The caller calls done.
func (b *bench) server(ctx context.Context, c cell) (s server, done func(), err error) {
	if c.Server == serverTest {
		one, err := startTestServer(c, b.cert)
		if err != nil {
			return nil, nil, err
		}
		return one, one.close, nil
	}
	one := b.mppx[c.Protocol]
	if one == nil {
		if one, err = startMppxServer(ctx, b.rig, c.Protocol, b.cert); err != nil {
			return nil, nil, err
		}
		b.mppx[c.Protocol] = one
	}
	return one, func() {}, nil
}

// delayed puts the proxy before an origin if the cell has a round trip.
func delayed(origin string, c cell) (string, func(), error) {
	if c.RTT == 0 {
		return origin, func() {}, nil
	}
	u, err := url.Parse(origin)
	if err != nil {
		return "", nil, err
	}
	p, err := startProxy(u.Host, c.RTT/2)
	if err != nil {
		return "", nil, err
	}
	u.Host = p.address()
	return u.String(), p.close, nil
}

// contenders returns the clients of a cell. Those that were made come back with an error, too.
func (b *bench) contenders(ctx context.Context, c cell, s server) (all []*contender, err error) {
	all = []*contender{
		{
			name: unpaid,
		},
		{name: ours, paid: true},
		{name: ahead, paid: true, ahead: aheadRequests * pricePlain},
		{name: fetch},
		{name: mppx, paid: true},
	}
	for _, one := range all {
		if one.name == fetch || one.name == mppx {
			err = b.nodeClient(ctx, c, s, one)
		} else {
			err = b.goClient(ctx, c, s, one)
		}
		if err != nil {
			return all, fmt.Errorf("load: %s: %w", one.name, err)
		}
	}
	return all, nil
}

// goClient makes the unpaid client or one of ours.
func (b *bench) goClient(ctx context.Context, c cell, s server, one *contender) (err error) {
	sp := spec{Paid: one.paid, RPC: s.rpc(), CA: b.cert.cert, Ahead: one.ahead}
	if one.paid {
		if sp.Key, one.payer, err = s.payer(); err != nil {
			return err
		}
	}
	if c.File && one.paid {
		if sp.Dir, err = os.MkdirTemp("", "load"); err != nil {
			return err
		}
	}
	if c.Processes > 1 {
		var p *processes
		if p, err = newProcesses(ctx, sp, c.Processes); err == nil {
			one.runner = p
		}
	} else {
		var l *local
		if l, err = newLocal(ctx, sp); err == nil {
			one.runner = l
		}
	}
	if sp.Dir != "" {
		if err != nil {
			_ = os.RemoveAll(sp.Dir)
		} else {
			one.runner = inFolder{one.runner, sp.Dir}
		}
	}
	return err
}

// inFolder removes the folder of a store after the client's end.
type inFolder struct {
	runner
	dir string
}

func (f inFolder) close(ctx context.Context) (ledger, error) {
	l, err := f.runner.close(ctx)
	return l, errors.Join(err, os.RemoveAll(f.dir))
}

// nodeClient makes one of the two clients in Node, or notes why there is none.
func (b *bench) nodeClient(ctx context.Context, c cell, s server, one *contender) error {
	switch {
	case b.noMppx != nil:
		one.skipped = b.noMppx.Error()
	case c.Major == 2:
		one.skipped = "Node's fetch speaks HTTP/1 only"
	case c.Processes > 1:
		one.skipped = "its processes do not share a channel"
	case c.File:
		one.skipped = "it has no such store"
	case c.Pieces > 0 && c.Protocol == voucher.V1 && one.paid:
		one.skipped = "its v1 payment method reads no streams"
	}
	if one.skipped != "" {
		return nil
	}
	if one.paid {
		key, address, err := s.payer()
		if err != nil {
			return err
		}
		one.payer = address
		err = b.client.call(ctx, "start", map[string]any{
			"v1": c.Protocol == voucher.V1, "key": key, "rpcUrl": s.rpc(),
		}, nil)
		if err != nil {
			return err
		}
	}
	one.runner = node{b.client, one.paid}
	return nil
}

// measuring is a cell that is being measured.
type measuring struct {
	cell
	server server
	origin string
	all    []*contender
}

// measure opens the channels and connections, and lets the clients take turns.
func (m *measuring) measure(ctx context.Context) error {
	for _, one := range m.all {
		if one.skipped != "" {
			continue
		}
		for _, workers := range []int{m.Processes, m.Goroutines} { // channels, then connections
			if one.ended != "" {
				break
			}
			if _, _, err := m.do(ctx, one, m.warmUp(one, workers)); err != nil {
				return err
			}
		}
	}
	for i := range m.Rounds {
		if err := m.round(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// round measures every client once. Each round has another order.
func (m *measuring) round(ctx context.Context, i int) error {
	order := slices.Clone(m.all)
	for range i % len(order) {
		order = append(order[1:], order[0])
	}
	results, counts := map[*contender]tally{}, map[*contender]int{}
	for _, one := range order {
		if one.skipped != "" || one.ended != "" {
			continue
		}
		t, n, err := m.do(ctx, one, m.job(one, m.Goroutines, m.requests(one)))
		if err != nil {
			return err
		}
		results[one], counts[one] = t, n
	}
	base := rate(results[m.all[0]])
	for one, t := range results {
		one.rounds = append(one.rounds, measure(t, counts[one], base))
	}
	return nil
}

// requests is how many a client makes in a round: fewer if JavaScript signs or verifies each.
func (m *measuring) requests(one *contender) int {
	if m.Server == serverMppx || one.name == mppx {
		return min(m.Requests, max(100, 2*m.Goroutines))
	}
	return m.Requests
}

// warmUp is one request of each worker, without the slow one and with short streams.
func (m *measuring) warmUp(one *contender, workers int) job {
	short := *m
	short.Pieces, short.Think = min(m.Pieces, 5), 0
	return short.job(one, workers, workers)
}

// job is a round of a client.
func (m *measuring) job(one *contender, workers, requests int) job {
	j := job{
		URL:     m.origin + m.server.path(m.route(), one.paid),
		Workers: workers, Requests: requests, Pieces: m.Pieces, Major: m.Major,
		Patience: 50 + 10*requests, Limit: m.Limit.Milliseconds(), Deadline: 6 * m.Limit.Milliseconds(),
	}
	if m.Think > 0 {
		j.Slow = m.origin + m.server.path(fmt.Sprintf("/slow/%d", m.Think.Milliseconds()), one.paid)
	}
	return j
}

// do does a job and counts the requests that the server received meanwhile. Our clients must end
// it; others are out of the race if they do not.
func (m *measuring) do(ctx context.Context, one *contender, j job) (t tally, sent int, err error) {
	before, err := m.server.count(ctx)
	if err != nil {
		return t, 0, err
	}
	if t, err = one.runner.load(ctx, j); err != nil {
		return t, 0, fmt.Errorf("load: %s: %w", one.name, err)
	}
	after, err := m.server.count(ctx)
	if err != nil {
		return t, 0, err
	}
	one.bought += uint64(t.Served)*price(j.Pieces) + uint64(t.Slow)*pricePlain
	one.failed += t.Failed
	if t.Served != j.Requests {
		one.ended = fmt.Sprintf(
			"served %d of %d, then gave up: %s",
			t.Served,
			j.Requests,
			t.Failure,
		)
		if one.name != mppx {
			return t, 0, fmt.Errorf("load: %s: %s", one.name, one.ended)
		}
	}
	return t, after - before, nil
}

func (m *measuring) figures() (out []figures) {
	for _, one := range m.all {
		f := summarize(one.name, m.requests(one)*len(one.rounds), one.rounds)
		f.Skipped = one.skipped
		if one.ended != "" {
			f.Skipped = one.ended
		}
		out = append(out, f)
	}
	return out
}

// settle closes our clients and compares their books.
func (m *measuring) settle(ctx context.Context) error {
	var errs []error
	for _, one := range m.all {
		if one.runner == nil {
			continue
		}
		l, err := one.runner.close(ctx)
		one.runner = nil
		if err == nil && (one.name == ours || one.name == ahead) {
			var a account
			if a, err = m.server.books(ctx, one.payer); err == nil {
				err = compare(a, l, one.bought, one.ahead, one.failed == 0)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("load: %s: %s: %w", m.name(), one.name, err))
		}
	}
	return errors.Join(errs...)
}

// compare compares the books: the server's account, our ledger, and the sum of what was served.
// They are equal if no request ended with an error; after an error, part of a stream may have been
// charged that the sum does not have, and the ledger claims at least what was charged.
func compare(a account, l ledger, bought, ahead uint64, exact bool) error {
	want := voucher.Units(bought)
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(
		a.Channels == 1 && l.Channels == 1,
		"the server has %d channels, the ledger %d, want 1",
		a.Channels,
		l.Channels,
	)
	if exact {
		check(a.Spent == want, "the server charged %s, the client was served for %s", a.Spent, want)
		check(
			l.Claimed == want,
			"the ledger has claims of %s, the client was served for %s",
			l.Claimed,
			want,
		)
		check(
			a.Accepted == l.Signed,
			"the server accepted %s, the ledger has signed %s",
			a.Accepted,
			l.Signed,
		)
	}
	check(!a.Spent.Less(want), "the server charged %s, less than the %s it served", a.Spent, want)
	check(
		!l.Claimed.Less(a.Spent),
		"the ledger has claims of %s, the server charged %s",
		l.Claimed,
		a.Spent,
	)
	check(
		!l.Signed.Less(a.Accepted),
		"the server accepted %s, the ledger has signed %s",
		a.Accepted,
		l.Signed,
	)
	check(
		!l.Authorized.Less(l.Signed),
		"signed %s, above the authorized %s",
		l.Signed,
		l.Authorized,
	)
	most := l.Asked.AddCapped(voucher.Units(ahead))
	check(
		!most.Less(l.Authorized),
		"authorized %s, above the %s that callers requested and Ahead allows",
		l.Authorized,
		most,
	)
	check(!voucher.Units(maxDeposit).Less(l.Put), "deposited %s, above Limits.Deposit", l.Put)
	check(!l.Put.Less(l.Authorized), "authorized %s, above the deposit of %s", l.Authorized, l.Put)
	return errors.Join(errs...)
}
