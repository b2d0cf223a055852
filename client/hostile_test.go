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
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// trial tests a server that lies: what the caller does, how each request must end, and how much
// money may be at risk. Defaults of zero fields are in parentheses.
type trial struct {
	lies []lies.Lie

	// before is the number of honest requests for 100 before the lies, for the path from (/data).
	before int
	from   string
	// neighbor makes another payer pay the server first.
	neighbor bool
	// lost replaces the store by an empty one before the lies.
	lost         bool
	method, path string // GET, /data
	// times is the number of requests while the server lies (3); none sends no request.
	times int
	none  bool
	// tls uses TLS.
	tls bool
	// close closes the first channel while the server lies.
	close bool
	// bootstrap is Config.Bootstrap.
	bootstrap bool
	// patience is the timeout of each request while the server lies (20 s).
	patience time.Duration
	// sockets are used although requests end by time: the lie is one about them.
	sockets bool

	// want is how each request ends: served, with an error, or with another response.
	want end
	// first and last replace want for the first and the last request. closes is how the close ends.
	first, last, closes end
	// after is how a request for 100 at from ends a minute after the last lie.
	after end

	// most is the highest voucher that may be signed on one channel before that request (nil: 100
	// for each request), and sum the highest sum over all channels (nil: most).
	most, sum *uint64
}

// hostileLimits are the limits of all trials.
var hostileLimits = channel.Limits{
	Price:   u(1000),
	Deposit: u(10_000),
	Total:   u(25_000),
	Stream:  u(200),
}

// TestHostileServer tests each lie of package lies. A lie without a row, here or in
// TestHostilePurchases, fails the test.
func TestHostileServer(t *testing.T) {
	tried := map[lies.Lie]bool{}
	for _, tr := range trials() {
		names := make([]string, len(tr.lies))
		for i, l := range tr.lies {
			tried[l], names[i] = true, string(l)
		}
		t.Run(strings.Join(names, "+"), tr.run)
	}
	for _, m := range purchaseTrials() {
		for _, l := range m.lies {
			tried[l] = true
		}
	}
	// TestChallengeExpiresDuringApproval and TestReceiptFloodIsBounded test these.
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
	wire *liar  // records what was sent
	home string // the origin of the requests
}

// run plays a trial: on a fake clock if its requests end by time, and otherwise over sockets, beside others.
func (tr trial) run(t *testing.T) {
	change := func(c *client.Config) {
		c.Limits, c.Bootstrap = hostileLimits, tr.bootstrap
		if errors.Is(tr.want.err, client.ErrStalled) {
			c.Stall = brief
		}
	}
	if !tr.sockets && (tr.patience > 0 || errors.Is(tr.want.err, client.ErrStalled)) {
		bubble.Run(t, func(t *testing.T) { tr.play(t, inMemory(t, change)) })
		return
	}
	t.Parallel()
	tr.play(t, newPayer(t, clienttest.New(t, clienttest.Config{}), change))
}

func (tr trial) play(t *testing.T, payer *payer) {
	srv := payer.srv
	p := &victim{trial: tr, home: srv.URL, payer: payer}
	if tr.tls {
		front := httptest.NewTLSServer(srv.Handler())
		t.Cleanup(front.Close)
		p.base, p.home = front.Client().Transport, front.URL
	}
	p.wire, p.patience = p.lied(), 0 // honest requests have the default timeout
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

	honest := len(srv.Requests())
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
	proofs := 0
	for _, r := range srv.Requests()[honest:] {
		if r.Action == "proof" {
			proofs++
		}
	}
	assert.LessOrEqual(t, proofs, times, "at most one proof for each request")
	for _, l := range tr.lies {
		assert.NotZero(t, srv.Lied(l), "the trial does not try %s", l)
	}

	srv.Lie()
	p.patience = 0
	srv.Chain.Advance(time.Minute) // transactions that the server withheld expire
	tr.after.matched(t, ask(), "the honest request after")
	p.atRisk(100*(tr.before+times), 100)
	for _, r := range srv.Requests() {
		assert.False(t, r.Strayed && r.Action != "", "a %s came to the other origin", r.Action)
	}
}

// ask sends one request and reads its whole response.
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
