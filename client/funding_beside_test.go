package client_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// gatedChain holds top-ups up until the gate opens or their context ends.
type gatedChain struct {
	client.Chain
	entered, gate chan struct{}
	left          chan struct{} // has a value for each that ended
}

func newGate(c *client.Config) *gatedChain {
	g := &gatedChain{Chain: c.Chain, entered: make(chan struct{}, 8), gate: make(chan struct{}), left: make(chan struct{}, 8)}
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

// steady is a payer whose deposits of 1000 each pay for five requests of fivefold, so that a top-up is
// due after the first.
func steady(t *testing.T, srv *clienttest.Server, change ...func(*client.Config)) *payer {
	plain := func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(1000), Deposit: u(100_000), Fund: u(1000)}
	}
	return newPayer(t, srv, append([]func(*client.Config){plain}, change...)...)
}

const fivefold = "/data?price=200"

// TestTopUpBesideRequests: requests are served from what is left while the next top-up is prepared, which
// is one, consented to, recorded before it leaves, and of the size that the owner wants.
func TestTopUpBesideRequests(t *testing.T) {
	for _, rail := range rails {
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
		p.get(rail + fivefold)
		<-g.entered
		for range 4 {
			p.get(rail + fivefold) // none of them waits: the gate is shut
		}
		assert.Equal(t, u(1000), p.agree().Deposit)
		close(g.gate)
		assert.Equal(t, u(2000), (<-toppedUp).Deposit)
		assert.True(t, recorded.Load(), "the payee saw a top-up that is not on record")
		require.NoError(t, p.session.Close(t.Context()))
		assert.Equal(t, u(2000), p.agree().Deposit)
		assert.Len(t, g.left, 1)
		assert.EqualValues(t, 2, asked.Load(), "for the opening and for the top-up")
	}
}

// TestNoTopUpBesideRequests where the owner, a limit, the payee or the end of the session is in the way.
// One that failed is not tried again for a while, and the requests go on.
func TestNoTopUpBesideRequests(t *testing.T) {
	refuse := func(f clienttest.Fault) func(*clienttest.Server) {
		return func(srv *clienttest.Server) {
			srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				if r.Action == "topUp" {
					return f
				}
				return clienttest.Fault{}
			})
		}
	}
	for name, c := range map[string]struct {
		set    func(*client.Config)
		payee  func(*clienttest.Server)
		closed bool
		signed int64 // transactions, with the opening
		asked  int32 // how often the policy was asked about funding
	}{
		"as needed":               {set: func(c *client.Config) { c.FundAsNeeded = true }, signed: 1, asked: 1},
		"no room in the hour":     {set: func(c *client.Config) { c.Limits.All.Hour = u(1000) }, signed: 1, asked: 2},
		"no room in the total":    {set: func(c *client.Config) { c.Limits.Total = u(1000) }, signed: 1, asked: 2},
		"no room in the channel":  {set: func(c *client.Config) { c.Limits.Deposit = u(1000) }, signed: 1, asked: 1},
		"the policy refuses":      {set: func(c *client.Config) { c.Policy = nil }, signed: 1, asked: 2},
		"the payee refuses":       {payee: refuse(clienttest.Fault{Refuse: http.StatusBadRequest}), signed: 2, asked: 2},
		"the session was closed":  {closed: true, signed: 1, asked: 1},
		"the payee serves errors": {payee: failing, signed: 1, asked: 1},
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
					if q.Funding && asked.Add(1) > 1 && refuses {
						return errors.New("not more")
					}
					return nil
				}
			})
			if c.closed {
				require.NoError(t, p.session.Close(t.Context()))
			}
			for range 4 {
				resp, err := p.do(http.MethodGet, fivefold, nil)
				require.NoError(t, err)
				resp.Body.Close()
			}
			require.NoError(t, p.session.Close(t.Context()))
			assert.Equal(t, u(1000), p.only().Deposit)
			assert.EqualValues(t, c.signed, n.transactions.Load())
			assert.Equal(t, c.asked, asked.Load())
		})
	}
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

// TestCloseEndsTopUps: a top-up that hangs ends with the context of Session.Close.
func TestCloseEndsTopUps(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var g *gatedChain
	p := steady(t, srv, func(c *client.Config) { g = newGate(c) })
	p.get(fivefold)
	<-g.entered
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.session.Close(ended)
	<-g.left
	p.get(fivefold)
	assert.Equal(t, u(1000), p.agree().Deposit)
}

// TestFeesOfASteadyClient: with nothing set but Price and Deposit, fees beyond the opening are a small
// part of what is paid, and no limit is passed.
func TestFeesOfASteadyClient(t *testing.T) {
	const price, n = 20_000, 40
	srv := clienttest.New(t, clienttest.Config{})
	var signed pen
	p := newPayer(t, srv, signed.counted, func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(price), Deposit: u(n * price)}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/data?price=20000&deposit=20000", nil)
	require.NoError(t, err)
	q, _, err := p.session.Quote(req)
	require.NoError(t, err)
	assert.Equal(t, []any{u(20 * price), uint64(20)}, []any{q.Locked, q.Requests})
	p.get("/data?price=20000&deposit=20000")
	left := srv.Chain.Balance(p.key.Address)
	opening, err := p.began.SubFloor(left).Sub(u(20 * price))
	require.NoError(t, err)
	assert.False(t, q.Fee.Less(opening), "the quote says %s, the fee is %s", q.Fee, opening)
	q, _, err = p.session.Quote(req)
	require.NoError(t, err)
	assert.Equal(t, []any{u(0), u(0), uint64(19)}, []any{q.Locked, q.Fee, q.Requests})
	for range n - 1 {
		p.get("/data?price=20000&deposit=20000")
	}
	require.NoError(t, p.session.Close(t.Context()))
	assert.Equal(t, u(n*price), p.agree().Deposit)
	fees, err := p.began.SubFloor(srv.Chain.Balance(p.key.Address)).SubFloor(opening).Sub(u(n * price))
	require.NoError(t, err)
	assert.False(t, u(n*price/50).Less(fees), "%s is more than 2%% of %d", fees, n*price)
	assert.EqualValues(t, 2, signed.transactions.Load(), "the opening and one top-up")
	assert.Empty(t, p.events.of(client.EventCostly))
}

// TestCostlyLimitsAreTold once, with the arithmetic.
func TestCostlyLimitsAreTold(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) {
		c.FundAsNeeded = false
		c.Limits = channel.Limits{Price: u(1000), Deposit: u(100_000), Fund: u(100)}
	})
	for range 3 {
		p.get("/data")
	}
	require.NoError(t, p.session.Close(t.Context()))
	told := p.events.of(client.EventCostly)
	require.Len(t, told, 1)
	assert.Equal(t, []any{u(100), u(100)}, []any{told[0].Price, told[0].Deposit})
	assert.ErrorContains(t, told[0].Err, "a deposit of 100 base units, which is less than 20 requests of 100, and the fee of each such deposit is about ")
}
