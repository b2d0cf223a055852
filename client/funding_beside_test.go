package client_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// gatedChain holds top-ups up until the gate opens or their context ends.
type gatedChain struct {
	client.Chain
	entered, gate chan struct{}
	left          chan struct{} // has a value for each that ended
	requested     chan struct{} // has a value for each close request
}

func newGate(c *client.Config) *gatedChain {
	g := &gatedChain{Chain: c.Chain, entered: make(chan struct{}, 8), gate: make(chan struct{}), left: make(chan struct{}, 8), requested: make(chan struct{}, 8)}
	c.Chain = g
	return g
}

func (g *gatedChain) PrepareTopUp(ctx context.Context, p escrow.TopUpParams) (*escrow.TopUp, error) {
	defer func() { g.left <- struct{}{} }()
	g.entered <- struct{}{}
	select {
	case <-g.gate:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return g.Chain.PrepareTopUp(ctx, p)
}

func (g *gatedChain) RequestClose(ctx context.Context, p escrow.CloseParams) (escrow.Receipt, error) {
	g.requested <- struct{}{}
	return g.Chain.RequestClose(ctx, p)
}

// steady is a payer whose deposits of 1000 each pay for ten requests. The eighth leaves less than a quarter,
// and the ninth begins a top-up.
func steady(t *testing.T, srv *clienttest.Server, change ...func(*client.Config)) *payer {
	plain := func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(1000), Deposit: u(100_000), Fund: u(1000), Stream: u(1000)}
	}
	return newPayer(t, srv, append([]func(*client.Config){plain}, change...)...)
}

// times expects n paid answers.
func (p *payer) times(n int, path string) {
	p.t.Helper()
	for range n {
		p.get(path)
	}
}

// TestTopUpBesideRequests: requests are served from what is left while the next top-up is prepared, which
// is one, consented to, recorded before it leaves, and of the size that the owner wants.
func TestTopUpBesideRequests(t *testing.T) {
	for _, path := range []string{"/data", "/v1/data", "/sponsored", "/v1/sponsored"} {
		srv := clienttest.New(t, clienttest.Config{})
		var g *gatedChain
		var asked atomic.Int32
		toppedUp := make(chan client.Event, 8)
		p := steady(t, srv, func(c *client.Config) {
			g = newGate(c)
			c.Policy = func(_ context.Context, q client.Proposal) error {
				if q.Funding {
					asked.Add(1)
				}
				return nil
			}
			c.OnEvent = func(e client.Event) {
				if e.Kind == client.EventToppedUp {
					toppedUp <- e
				}
			}
		})
		var recorded atomic.Bool
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Action == "topUp" {
				data, _, err := p.store.Get(context.Background(), rule.StateKey(r.ChannelID))
				s, decodeErr := rule.Decode(data)
				recorded.Store(err == nil && decodeErr == nil && s.ToppingUp.Pending())
			}
			return clienttest.Fault{}
		})
		p.times(9, path)
		<-g.entered
		p.get(path) // it does not wait: the gate is shut
		assert.Equal(t, u(1000), p.agree().Deposit)
		close(g.gate)
		assert.Equal(t, u(2000), (<-toppedUp).Deposit)
		assert.True(t, recorded.Load(), "the payee saw a top-up that is not on record")
		p.times(2, path)
		require.NoError(t, p.session.Close(t.Context()))
		assert.Equal(t, u(2000), p.agree().Deposit)
		assert.Len(t, g.left, 1)
		assert.EqualValues(t, 2, asked.Load(), "for the opening and for the top-up")
	}
}

// TestNoTopUpBesideRequests where the owner, a limit, the payee or the end of the session is in the way.
// One that failed is not tried again for a while, and the requests go on.
func TestNoTopUpBesideRequests(t *testing.T) {
	for name, c := range map[string]struct {
		set      func(*client.Config)
		payee    func(*clienttest.Server)
		lies     []lies.Lie // from the top-up on
		closed   bool
		requests int    // instead of ten
		signed   int64  // transactions, with the opening
		asked    int32  // how often the policy was asked about funding
		deposit  uint64 // on chain, instead of 1000
	}{
		"as needed":                    {set: func(c *client.Config) { c.FundAsNeeded = true }, signed: 1, asked: 1},
		"the first that leaves little": {requests: 8, signed: 1, asked: 1},
		"no room in the hour":          {set: func(c *client.Config) { c.Limits.All.Hour = u(1000) }, signed: 1, asked: 1},
		"no room in the total":         {set: func(c *client.Config) { c.Limits.Total = u(1000) }, signed: 1, asked: 1},
		"no room in the channel":       {set: func(c *client.Config) { c.Limits.Deposit = u(1000) }, signed: 1, asked: 1},
		"hardly room in the channel":   {set: func(c *client.Config) { c.Limits.Deposit = u(1099) }, signed: 1, asked: 1},
		"the policy refuses":           {set: func(c *client.Config) { c.Policy = nil }, signed: 1, asked: 2},
		"a person approves each": {set: func(c *client.Config) {
			c.Limits.Ask = u(99)
			c.Approve = func(context.Context, client.Quote) error { return nil }
		}, signed: 1, asked: 1},
		"the session was closed":    {closed: true, signed: 1, asked: 1},
		"the payee serves errors":   {payee: failing, signed: 1, asked: 1},
		"the payee refuses":         {lies: []lies.Lie{lies.TopUpRefused}, signed: 2, asked: 2},
		"the payee throws it away":  {lies: []lies.Lie{lies.TopUpNotMined}, requests: 20, signed: 2, asked: 2},
		"another escrow":            {lies: []lies.Lie{lies.TopUpRefused, lies.FlipEscrow}, requests: 9, signed: 2, asked: 2},
		"another payee":             {lies: []lies.Lie{lies.TopUpRefused, lies.FlipPayee}, requests: 9, signed: 2, asked: 2},
		"other fees":                {lies: []lies.Lie{lies.TopUpRefused, lies.FeeTokenFlips}, requests: 9, signed: 2, asked: 2},
		"it was mined all the same": {lies: []lies.Lie{lies.TopUpMined}, signed: 2, asked: 2, deposit: 2000},
		"five times the price":      {lies: []lies.Lie{lies.TopUpPriced}, signed: 2, asked: 2, deposit: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			if c.payee != nil {
				c.payee(srv)
			}
			var asked atomic.Int32
			var n pen
			p := steady(t, srv, n.counted, func(cfg *client.Config) {
				cfg.Policy = func(context.Context, client.Proposal) error { return nil }
				if c.set != nil {
					c.set(cfg)
				}
				refuses := cfg.Policy == nil
				cfg.Policy = func(_ context.Context, q client.Proposal) error {
					if q.Funding && asked.Add(1) > 1 {
						srv.Lie(c.lies...)
						if refuses {
							return errors.New("not more")
						}
					}
					return nil
				}
			})
			if c.closed {
				require.NoError(t, p.session.Close(t.Context()))
			}
			for i := range cmp.Or(c.requests, 10) {
				resp, err := p.do(http.MethodGet, "/data", nil)
				if i < 8 {
					require.NoError(t, err)
				}
				if err == nil {
					resp.Body.Close()
				}
				client.AwaitTopUps(p.session)
			}
			require.NoError(t, p.session.Close(t.Context()))
			assert.Equal(t, u(cmp.Or(c.deposit, 1000)), srv.Chain.Channel(p.channels()[0].ID).Deposit)
			assert.EqualValues(t, c.signed, n.transactions.Load())
			assert.Equal(t, c.asked, asked.Load())
		})
	}
}

// TestTopUpBesideStreams: what a stream leaves counts as what a request leaves.
func TestTopUpBesideStreams(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := steady(t, srv)
	p.get("/stream/80/10")
	p.get("/stream/5/10")
	require.NoError(t, p.session.Close(t.Context()))
	assert.Equal(t, u(2000), p.agree().Deposit)
}

// interposedChain calls before ahead of each reading of the state.
type interposedChain struct {
	client.Chain
	before func()
}

func (c interposedChain) State(ctx context.Context, ref escrow.Ref) (escrow.State, error) {
	c.before()
	return c.Chain.State(ctx, ref)
}

// TestTopUpBesideTwoSessions: a session that decided on a top-up drops it if another one was faster.
func TestTopUpBesideTwoSessions(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := steady(t, srv)
	p.times(7, "/data")
	first := p.session
	var faster atomic.Bool
	var n pen
	n.counted(&p.cfg)
	p.cfg.Chain = interposedChain{p.cfg.Chain, func() {
		if !faster.CompareAndSwap(false, true) {
			return
		}
		req := p.request(context.Background(), http.MethodGet, "/data", nil) // the second is about to read the chain
		for range 2 {
			resp, err := first.Client().Do(req)
			if assert.NoError(t, err) {
				resp.Body.Close()
			}
		}
		assert.NoError(t, first.Close(context.Background()))
	}}
	var err error
	p.session, err = client.New(p.cfg)
	require.NoError(t, err)
	p.times(2, "/data")
	require.NoError(t, p.session.Close(t.Context()))
	assert.True(t, faster.Load())
	assert.Equal(t, u(2000), srv.Chain.Channel(p.only().ID).Deposit)
	assert.Zero(t, n.transactions.Load())
}

// TestTotalIsTakenMeanwhile: a channel that was opened since the top-up was decided on counts.
func TestTotalIsTakenMeanwhile(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var p *payer
	var funded atomic.Int32
	p = steady(t, srv, func(c *client.Config) {
		c.Limits.Total = u(2000)
		c.Policy = func(_ context.Context, q client.Proposal) error {
			if q.Funding && funded.Add(1) == 2 {
				resp, err := p.session.Client().Do(p.request(context.Background(), http.MethodGet, "/v1/data", nil))
				if assert.NoError(t, err) {
					resp.Body.Close()
				}
			}
			return nil
		}
	})
	p.times(10, "/data")
	require.NoError(t, p.session.Close(t.Context()))
	for _, s := range p.channels() {
		assert.Equal(t, u(1000), s.Deposit)
	}
	assert.Len(t, p.channels(), 2)
}

// failing is a payee that takes payments and serves errors.
func failing(srv *clienttest.Server) {
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == "voucher" || r.Action == "open" {
			return clienttest.Fault{FailAfter: http.StatusInternalServerError}
		}
		return clienttest.Fault{}
	})
}

// TestCloseEndsTopUps: a top-up that hangs, here or at the payee, ends with the context of Session.Close.
func TestCloseEndsTopUps(t *testing.T) {
	for _, hangs := range []string{"node", "payee"} {
		srv := clienttest.New(t, clienttest.Config{})
		hung := make(chan struct{}, 8)
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Action == "topUp" {
				hung <- struct{}{}
			}
			return clienttest.Fault{Hang: r.Action == "topUp"}
		})
		var g *gatedChain
		p := steady(t, srv, func(c *client.Config) { g = newGate(c) })
		p.times(9, "/data")
		<-g.entered
		if hangs == "payee" {
			close(g.gate)
			<-hung
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = p.session.Close(ended)
		<-g.left
		p.get("/data")
		assert.Equal(t, u(1000), p.agree().Deposit)
		assert.Equal(t, hangs == "payee", p.only().ToppingUp.Pending(), "what left is on record")
	}
}

// TestCloseRequestWaitsForTopUps: one that was mined after the close request would cancel it.
func TestCloseRequestWaitsForTopUps(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var g *gatedChain
	p := steady(t, srv, func(c *client.Config) { g = newGate(c) })
	p.times(9, "/data")
	<-g.entered
	id := p.only().ID
	done := make(chan error, 1)
	go func() { done <- p.session.Channels().RequestClose(t.Context(), id) }()
	select {
	case <-g.requested:
		t.Error("the close was requested beside a top-up")
	case <-time.After(20 * time.Millisecond): // a little, for one that does not wait
	}
	close(g.gate)
	require.NoError(t, <-done)
	s := p.agree()
	assert.Equal(t, u(2000), s.Deposit)
	assert.NotZero(t, s.CloseRequestedAt)
}

// TestApproveSeesWhatIsLocked: the person who is asked about a price is shown the deposit and its fee, too.
func TestApproveSeesWhatIsLocked(t *testing.T) {
	var asked []client.Quote
	p := steady(t, clienttest.New(t, clienttest.Config{BaseFee: realFee}), func(c *client.Config) {
		c.Limits.Ask, c.Limits.Fees.Transaction = u(1), u(20_000)
		c.Approve = func(_ context.Context, q client.Quote) error {
			asked = append(asked, q)
			return nil
		}
	})
	p.times(2, "/data")
	require.Len(t, asked, 2)
	assert.Equal(t, []any{u(1000), uint64(10), false}, []any{asked[0].Locked, asked[0].Requests, asked[0].Fee.IsZero()})
	assert.Equal(t, []any{u(0), uint64(9), true}, []any{asked[1].Locked, asked[1].Requests, asked[1].Fee.IsZero()})
}

// TestFeesOfASteadyClient: with nothing set but Price and Deposit, the fees of a thousand requests beyond the
// opening are at most 2% of what is paid, and no limit is passed. The payee suggests the price of one request.
func TestFeesOfASteadyClient(t *testing.T) {
	const path = "/data?price=1000&deposit=1000"
	var price, n uint64 = 1000, 1000
	if raceDetector {
		n = 300
	}
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	var signed pen
	p := newPayer(t, srv, signed.counted, func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(price), Deposit: u(n * price), Total: u(2 * n * price)} // fees count in Total
	})
	quote := func() *client.Quote {
		q, _, err := p.session.Quote(p.request(t.Context(), http.MethodGet, path, nil))
		require.NoError(t, err)
		return q
	}
	q := quote()
	p.get(path)
	first := p.agree().Deposit
	assert.Equal(t, q.Locked, first)
	assert.Equal(t, first, u(q.Requests*price))
	opening, err := p.began.SubFloor(srv.Chain.Balance(p.key.Address)).Sub(first)
	require.NoError(t, err)
	assert.False(t, q.Fee.Less(opening), "the quote says %s, the fee is %s", q.Fee, opening)
	after := quote()
	assert.Equal(t, []any{u(0), u(0), q.Requests - 1}, []any{after.Locked, after.Fee, after.Requests})
	p.times(int(n)-1, path)
	require.NoError(t, p.session.Close(t.Context()))
	assert.Equal(t, u(n*price), p.agree().Deposit)
	fees, err := p.began.SubFloor(srv.Chain.Balance(p.key.Address)).SubFloor(opening).Sub(u(n * price))
	require.NoError(t, err)
	assert.False(t, u(n*price/50).Less(fees), "%s is more than 2%% of %d", fees, n*price)
	assert.Empty(t, p.events.of(client.EventCostly))
	t.Logf("%d transactions; the opening of %s cost %s, the top-ups %s", signed.transactions.Load(), first, opening, fees)
}

// TestCostlyLimitsAreTold once, with the arithmetic.
func TestCostlyLimitsAreTold(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	p := newPayer(t, srv, func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(1000), Deposit: u(100_000), Fund: u(100), Fees: channel.FeeLimits{Transaction: u(20_000), Month: u(50_000)}}
	})
	for range 3 {
		p.get("/data")
	}
	require.NoError(t, p.session.Close(t.Context()))
	told := p.events.of(client.EventCostly)
	require.Len(t, told, 1)
	assert.Equal(t, []any{u(100), u(100)}, []any{told[0].Price, told[0].Deposit})
	assert.ErrorContains(t, told[0].Err, "a deposit of 0.0001 pathUSD, less than 20 requests of 0.0001 pathUSD, and the fee of each such deposit is about ")
}

// TestQuoteTellsTheMostThatAFeeCanBe: as the limits of the fee token say; a sponsored transaction has none.
func TestQuoteTellsTheMostThatAFeeCanBe(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	fees := channel.FeeLimits{Transaction: u(77)}
	p := newPayer(t, srv, func(c *client.Config) {
		c.Origins = map[string]channel.Limits{twin(srv): {Deposit: u(500), Fees: fees}}
		c.Limits.Deposit = u(10_000)
	})
	in := func(token common.Address) string {
		path := "/in/" + token.Hex()
		srv.Handle(path, srv.Paid(clienttest.Terms{Price: u(1), Deposit: u(100), FeeToken: token}, http.NotFoundHandler()))
		return path
	}
	alpha := common.HexToAddress("0x20c0000000000000000000000000000000000001")
	for path, most := range map[string]uint64{
		"/data": 1000, "/v1/data": 1000, "/sponsored": 0, twin(srv) + "/data": 77, in(alpha): 1000, in(srv.OtherToken): 0,
	} {
		q, _, err := p.session.Quote(p.request(t.Context(), http.MethodGet, path, nil))
		require.NoError(t, err)
		assert.Equal(t, u(most), q.MaxFee, path)
	}
	p.get("/data")
	q, _, err := p.session.Quote(p.request(t.Context(), http.MethodGet, "/data", nil))
	require.NoError(t, err)
	assert.Zero(t, q.MaxFee, "no transaction is needed")
}
