package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// topUp asks for a top-up by hand.
func (p *payer) topUp(amount uint64) (channel.Info, error) {
	p.t.Helper()
	return p.session.Channels().TopUp(p.t.Context(), p.only().ID, u(amount))
}

// TestTopUpByHand puts in what it was asked for, by one transaction, and agrees to no price.
func TestTopUpByHand(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	for _, path := range []string{"/data", "/v1/data", "/sponsored", "/v1/sponsored"} {
		t.Run(path, func(t *testing.T) {
			var n pen
			var lines diary
			p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Journal, c.Limits.Fees.Transaction = &lines, u(60_000) })
			p.get(path + "?deposit=250")
			l := p.liedToTheEnd()
			before, spent := p.only(), p.gone()
			for i := range uint64(2) { // the second is no repetition of the first
				after, err := p.topUp(300)
				require.NoError(t, err)
				assert.Equal(t, u(250+300*(i+1)), after.Deposit)
			}
			s := p.agree()
			assert.Equal(t, before.Authorized, s.Authorized)
			assert.EqualValues(t, 3, n.transactions.Load())
			assert.EqualValues(t, 1, n.vouchers.Load())
			if path == "/sponsored" || path == "/v1/sponsored" {
				assert.Equal(t, u(600), p.gone().SubFloor(spent), "the sponsor paid the fees")
			}
			for _, one := range l.paid("") {
				assert.Equal(t, "topUp", one.action())
				assert.Equal(t, srv.URL+path, one.URL)
				assert.Empty(t, one.Body)
			}
			assert.Len(t, p.events.of(client.EventToppedUp), 2)
			if begun := p.events.of(client.EventToppingUp); assert.Len(t, begun, 2) {
				assert.Equal(t, u(550), begun[0].Deposit)
				assert.Equal(t, u(850), begun[1].Deposit)
			}
			var noted int
			for _, e := range lines.of(journal.KindTopUp) {
				if e.Outcome == string(client.OutcomeAccepted) {
					noted++
					assert.Equal(t, u(300), e.Amount)
				}
			}
			assert.Equal(t, 2, noted)
			for range 7 {
				p.get(path)
			}
			assert.EqualValues(t, 3, n.transactions.Load(), "the requests use it up")
			assert.Equal(t, u(800), p.agree().Signed)
		})
	}
}

// TestTopUpByHandIsRefused before anything is signed. What is known to be refused is not asked about.
func TestTopUpByHandIsRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	never := errors.New("never")
	for name, c := range map[string]struct {
		amount uint64
		change func(*client.Config)
		err    error
		limit  string
		asks   bool // the payee is asked for a challenge
	}{
		"above Deposit": {amount: 751, err: channel.ErrLimit, limit: "Deposit"},
		"above Total": {
			amount: 201, change: func(c *client.Config) { c.Limits.Total = u(200) }, err: channel.ErrLimit, limit: "Total",
		},
		"nothing set": {
			amount: 1, change: func(c *client.Config) { c.Limits = channel.Limits{Price: u(100)} }, err: channel.ErrLimit, limit: "Deposit",
		},
		"nothing":  {amount: 0, err: channel.ErrDeposit},
		"no chain": {amount: 1, change: func(c *client.Config) { c.Chain = nil }, err: client.ErrNoChain},
		"no payer": {amount: 1, change: func(c *client.Config) { c.Payer = nil }, err: client.ErrNoPayer},
		"the policy": {
			amount: 1, change: func(c *client.Config) {
				c.Policy = func(_ context.Context, p client.Proposal) error {
					if p.Funding {
						return never
					}
					return nil
				}
			}, err: never, asks: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, rail := range rails {
				var n pen
				p := newPayer(t, srv, func(c *client.Config) { c.Limits.Deposit = u(1000) })
				p.get(rail + "/data?deposit=250")
				n.counted(&p.cfg)
				if c.change != nil {
					c.change(&p.cfg)
				}
				l := p.liedToTheEnd()
				before := p.only()
				_, err := p.topUp(c.amount)
				e := p.refused(nil, err)
				require.ErrorIs(t, e, c.err)
				assert.Equal(t, "top up", e.Op)
				assert.Equal(t, client.OutcomeRefused, e.Outcome)
				var over *channel.LimitError
				if c.limit != "" && assert.ErrorAs(t, e, &over) {
					assert.Equal(t, c.limit, over.Limit)
				}
				assert.Empty(t, l.paid(""))
				assert.Equal(t, c.asks, len(l.all()) > 0)
				assert.Zero(t, n.transactions.Load()+n.vouchers.Load())
				assert.Equal(t, before, p.only())
			}
		})
	}
}

// TestTopUpByHandOfOtherChannels than open ones is refused.
func TestTopUpByHandOfOtherChannels(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted)
		_, err := p.session.Channels().TopUp(t.Context(), common.Hash{1}, u(1))
		require.ErrorIs(t, err, store.ErrNotFound)

		once(srv, "open", clienttest.Fault{Refuse: 503})
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		_, err = p.topUp(100)
		require.ErrorIs(t, err, channel.ErrNotPayable, "it is opening")
		p.get(rail + "/data")

		l := p.liedToTheEnd()
		l.after = func(_ int, _ sent, resp *http.Response) {
			l.forge(resp, func(_ *wire.Challenge, r map[string]any) { r["recipient"] = common.HexToAddress("0xaa").Hex() })
		}
		_, err = p.topUp(100)
		require.ErrorIs(t, err, channel.ErrOffer, "its payee names another one")
		l.after = nil
		l.answer = func(int, sent) (*http.Response, error) { return reply(200, ""), nil }
		_, err = p.topUp(100)
		require.ErrorIs(t, err, client.ErrRejected, "its payee asks for nothing")
		l.answer = nil

		require.NoError(t, p.session.Channels().RequestClose(t.Context(), p.only().ID))
		transactions := n.transactions.Load()
		_, err = p.topUp(100)
		require.ErrorIs(t, err, channel.ErrNotPayable, "a top-up would cancel the close request")
		transactions++
		srv.Chain.Advance(escrow.GracePeriod)
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), p.only().ID))
		require.Equal(t, channel.Closed, p.only().Phase)
		_, err = p.topUp(100)
		require.ErrorIs(t, err, channel.ErrNotPayable)
		assert.Equal(t, transactions, n.transactions.Load())
		assert.Empty(t, l.paid("topUp"))
	}
}

// TestTopUpByHandIsResumed: the same call again presents what is recorded, whether the payee never had it, the
// chain has it by now, or the program was started again; nothing is added twice.
func TestTopUpByHandIsResumed(t *testing.T) {
	for _, rail := range rails {
		for _, restart := range []bool{false, true} {
			for _, mined := range []bool{false, true} {
				srv := clienttest.New(t, clienttest.Config{})
				var n pen
				p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Total = u(600) })
				p.get(rail + "/data?deposit=250")
				l := p.liedToTheEnd()
				l.answer = func(_ int, s sent) (*http.Response, error) {
					if s.action() == "topUp" && len(l.paid("topUp")) <= 2 { // by two methods
						return reply(http.StatusInternalServerError, ""), nil
					}
					return nil, nil
				}
				_, err := p.topUp(300)
				e := p.refused(nil, err)
				require.ErrorIs(t, e, client.ErrPending)
				assert.Equal(t, client.OutcomeUnknown, e.Outcome)
				assert.False(t, e.Retryable())
				assert.Equal(t, u(250), p.only().Deposit)
				raw := p.stored(p.only().ID).ToppingUp.Raw
				if restart {
					p.restart()
				}
				if mined {
					p.broadcast(raw)
				}
				sent := len(l.paid("topUp"))
				after, err := p.topUp(300)
				require.NoError(t, err)
				assert.Equal(t, u(550), after.Deposit)
				assert.Equal(t, u(550), p.agree().Deposit)
				assert.EqualValues(t, 2, n.transactions.Load())
				assert.Equal(t, mined, len(l.paid("topUp")) == sent)
			}
		}
	}
}

// TestTopUpByHandAfterALostAnswer: the chain has it.
func TestTopUpByHandAfterALostAnswer(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=250")
		once(srv, "topUp", clienttest.Fault{LoseAnswer: true})
		after, err := p.topUp(300)
		require.NoError(t, err)
		assert.Equal(t, u(550), after.Deposit)
		assert.Equal(t, u(550), p.agree().Deposit)
		assert.EqualValues(t, 2, n.transactions.Load())
	}
}

// TestTopUpByHandBesideARequests: a recorded one of another amount is completed first.
func TestTopUpByHandBesideARequests(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=100")
		down := p.liedToTheEnd().down("topUp")
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data?deposit=100", nil)), client.ErrPending)
		down.Store(false)
		after, err := p.topUp(1000)
		require.NoError(t, err)
		assert.Equal(t, u(1200), after.Deposit)
		assert.Equal(t, u(1200), p.agree().Deposit)
		assert.EqualValues(t, 3, n.transactions.Load())
	}
}

// TestTopUpByHandBehindANode that does not show the last one yet: the next is not taken for it, and adds its amount.
func TestTopUpByHandBehindANode(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, path := range []string{"/sponsored", "/v1/sponsored"} { // a hash that only the sponsor knows has no receipt
		p := newPayer(t, srv)
		node := p.through()
		p.get(path + "?deposit=250")
		id, old := p.only().ID, json.RawMessage(nil)
		node.lie(func(call rpcCall, result json.RawMessage) any {
			if call.stateOf(id) {
				old = bytes.Clone(result)
			}
			return nil
		})
		_, err := p.session.Channels().Sync(t.Context(), id)
		require.NoError(t, err)
		node.lie(nil)
		_, err = p.topUp(300)
		require.NoError(t, err)
		lags := true
		node.lie(func(call rpcCall, _ json.RawMessage) any {
			if lags && call.stateOf(id) {
				lags = false
				return old
			}
			return nil
		})
		after, err := p.topUp(300)
		require.NoError(t, err)
		assert.False(t, lags)
		assert.Equal(t, u(850), after.Deposit)
		assert.Equal(t, u(850), p.agree().Deposit)
	}
}

// TestTopUpByHandAtOnce by two programs that share a store: each adds its amount once, and no record is lost.
func TestTopUpByHandAtOnce(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=250")
		other, err := client.New(p.cfg)
		require.NoError(t, err)
		id := p.only().ID
		var wg sync.WaitGroup
		for i, s := range []*client.Session{p.session, other} {
			wg.Go(func() {
				_, err := s.Channels().TopUp(t.Context(), id, u(uint64(100*(i+1))))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		_, err = p.session.Channels().Sync(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, u(550), p.only().Deposit)
		assert.Equal(t, u(550), srv.Chain.Channel(id).Deposit)
	}
}

// TestBrokenWritesOfATopUpByHand: nothing that left is forgotten, and the same call again, unless the error says that
// the payee accepted it, ends with the amount added once.
func TestBrokenWritesOfATopUpByHand(t *testing.T) {
	var accepted bool
	breakEveryWrite(t, func(p *payer, rail string) {
		p.get(rail + "/data?deposit=250")
	}, func(p *payer, _ string) error {
		_, err := p.topUp(300)
		var e *client.Error
		accepted = errors.As(err, &e) && e.Outcome == client.OutcomeAccepted
		return err
	}, func(t *testing.T, p *payer, _ string, broke bool) {
		p.noneForgotten()
		if broke && !accepted {
			_, err := p.topUp(300)
			require.NoError(t, err)
		}
		_, err := p.session.Channels().Sync(t.Context(), p.only().ID)
		require.NoError(t, err)
		assert.Equal(t, u(550), p.agree().Deposit)
	})
}

// TestTopUpByHandCostsItsFee: limits on fees and the budgets of the context bind it before it is signed.
func TestTopUpByHandCostsItsFee(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{BaseFee: realFee})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits = feeLimits })
		p.get(rail + "/data?deposit=250")
		asset := channel.Asset{ChainID: srv.ChainID, Token: srv.Token}
		over := func(ctx context.Context, limit string) {
			t.Helper()
			_, err := p.session.Channels().TopUp(ctx, p.only().ID, u(300))
			var refused *channel.LimitError
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, limit, refused.Limit)
			assert.EqualValues(t, 1, n.transactions.Load())
		}
		over(client.WithLimits(t.Context(), channel.Limits{Fees: channel.FeeLimits{Transaction: u(10)}}), "Fees.Transaction")
		over(client.WithBudget(t.Context(), client.NewBudget(asset, u(100))), channel.LimitBudget)
		run := client.NewBudget(asset, u(100_000))
		_, err := p.session.Channels().TopUp(client.WithBudget(t.Context(), run), p.only().ID, u(300))
		require.NoError(t, err)
		spent := u(100_000).SubFloor(run.Left())
		assert.False(t, spent.IsZero())
		assert.True(t, spent.Less(u(50_000)), "its fee, and not its amount beside it: %s", spent)
		assert.Equal(t, u(550), p.agree().Deposit)
	}
}
