package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// trial is one meeting with a server that lies: what the caller does, how each request has to end,
// and how much money may be at risk. The zero value of a field is said with it.
type trial struct {
	lies []lies.Lie

	// before is how many honest requests for 100 go first, at from (/data).
	before int
	from   string
	// neighbor lets somebody else pay the server first.
	neighbor bool
	// lost forgets the store before the lies begin.
	lost         bool
	method, path string // GET, /data
	// times is how often it is asked while the server lies (3); none asks never.
	times int
	none  bool
	// tls asks over TLS.
	tls bool
	// close closes the first channel while the server lies.
	close bool
	// bootstrap is Config.Bootstrap.
	bootstrap bool
	// patience is the context of each request (20 s).
	patience time.Duration

	// want is how every request ends: served, an error, or what the caller is handed.
	want end
	// first and last are how those requests end, where that is not as want. closes is how the close
	// ends.
	first, last, closes end
	// after is how one more request for 100 at from ends, a minute after the server has come to its
	// senses.
	after end

	// most is the highest signature that may exist on any one channel before that last request
	// (nil: 100 for each request), and sum that of all channels together (nil: most).
	most, sum *uint64
}

// hostileLimits hold in every trial.
var hostileLimits = channel.Limits{
	Price:   u(1000),
	Deposit: u(10_000),
	Total:   u(25_000),
	Stream:  u(200),
}

// TestHostileServer tries every lie of package lies. One without a row, here or in the table of
// TestHostileMindChanges, fails the test.
func TestHostileServer(t *testing.T) {
	tried := map[lies.Lie]bool{}
	for _, tr := range trials() {
		names := make([]string, len(tr.lies))
		for i, l := range tr.lies {
			tried[l], names[i] = true, string(l)
		}
		t.Run(strings.Join(names, "+"), tr.run)
	}
	for _, m := range mindChanges() {
		for _, l := range m.lies {
			tried[l] = true
		}
	}
	// These have tests of their own: TestChallengeExpiresDuringApproval and TestReceiptFloodIsBounded.
	tried[lies.ExpirySoon], tried[lies.StreamReceiptFlood] = true, true
	for _, l := range lies.All() {
		assert.True(t, tried[l], "no trial for %s", l)
	}
	assert.GreaterOrEqual(t, len(tried), 60)
}

// victim is the caller of a trial.
type victim struct {
	trial
	*payer
	wire *liar  // what left, unchanged
	home string // the origin that is asked
}

func (tr trial) run(t *testing.T) {
	t.Parallel()
	srv := clienttest.New(t, clienttest.Config{})
	p := &victim{trial: tr, home: srv.URL, payer: newPayer(t, srv, func(c *client.Config) {
		c.Limits, c.Bootstrap = hostileLimits, tr.bootstrap
		if errors.Is(tr.want.err, client.ErrStalled) {
			c.Stall = brief
		}
	})}
	if tr.tls {
		front := httptest.NewTLSServer(srv.Handler())
		t.Cleanup(front.Close)
		p.base, p.home = front.Client().Transport, front.URL
	}
	p.wire, p.patience = p.lied(), 0 // an honest request has all its time
	from := defaulted(tr.from, "/data")
	if tr.neighbor {
		newPayer(t, srv).get(from)
	}
	ask := func() end { return p.ask(http.MethodGet, from) }
	for range tr.before {
		require.Equal(t, end{}, ask(), "an honest request")
	}
	var opened common.Hash
	if tr.before > 0 {
		opened = p.only().ID
	}
	if tr.lost {
		p.store = store.NewMem()
		k, err := voucher.ParseKey(p.key.Hex)
		require.NoError(t, err)
		p.cfg.Store, p.cfg.Signer = p.store, judge{k, t, p.store}
		p.restart()
	}

	srv.Lie(tr.lies...)
	p.patience = tr.patience
	times := tr.times
	if times == 0 && !tr.none {
		times = 3
	}
	for i := range times {
		want := tr.want
		switch {
		case i == 0 && tr.first != (end{}):
			want = tr.first
		case i == times-1 && tr.last != (end{}):
			want = tr.last
		}
		want.matched(
			t, p.ask(defaulted(tr.method, http.MethodGet), defaulted(tr.path, from)), "request %d",
			i+1,
		)
	}
	if tr.close {
		ctx, cancel := context.WithTimeout(t.Context(), defaulted(tr.patience, 20*time.Second))
		defer cancel()
		p.cfg.Base = p.base
		p.restart()
		tr.closes.matched(t, end{err: p.session.Channels().Close(ctx, opened)}, "the close")
	}
	p.atRisk(100 * (tr.before + times))
	for _, l := range tr.lies {
		assert.NotZero(t, srv.Lied(l), "the trial does not try %s", l)
	}

	srv.Lie()
	p.patience = 0
	srv.Chain.Advance(time.Minute) // a transaction that was kept back is void by then
	tr.after.matched(t, ask(), "the honest request after")
	p.atRisk(100*(tr.before+times), 100)
	for _, r := range srv.Requests() {
		assert.False(t, r.Strayed && r.Action != "", "a %s came to the other origin", r.Action)
	}
}

// ask sends one request and reads its whole answer.
func (p *victim) ask(method, path string) end {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), defaulted(p.patience, 20*time.Second))
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("hello")
	}
	began := time.Now()
	defer func() {
		assert.Less(p.t, time.Since(began), 15*time.Second, "a request that waits without end")
	}()
	path = strings.ReplaceAll(path, "PAYER", p.key.Address.Hex())
	req := p.request(ctx, method, p.home+path, body)
	if strings.Contains(path, "stream") {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := p.send(req)
	if err != nil {
		return end{err: err}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 32<<20)); err != nil {
		return end{err: err}
	}
	if o := client.PaymentOf(resp).Outcome; resp.StatusCode != http.StatusOK ||
		o != client.OutcomeAccepted {
		return end{status: resp.StatusCode, outcome: o}
	}
	return end{}
}

func defaulted[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
