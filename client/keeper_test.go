package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// inTime runs a story in which time passes by itself, the chain's with it. The server is outside: no connection to it
// is kept, since time stands still while one is open.
func inTime(t *testing.T, story func(t *testing.T, p *payer, n *node)) {
	srv := clienttest.New(t, clienttest.Config{})
	bubble.Run(t, func(t *testing.T) {
		p := newPayer(t, srv)
		base := &http.Transport{DisableKeepAlives: true}
		n := p.through()
		n.base = base
		p.base, p.cfg.Base = base, base
		p.restart()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				select {
				case <-time.After(time.Second):
					srv.Chain.Advance(time.Second)
				case <-ctx.Done():
				}
			}
		}()
		story(t, p, n)
		cancel()
		<-done
	})
}

// onlyKept is a voucher key that nothing may ask.
type onlyKept struct {
	voucher.Signer
	t testing.TB
}

func (k onlyKept) SignVoucher(context.Context, *voucher.Domain, voucher.Voucher) ([]byte, error) {
	assert.Fail(k.t, "the keeper asked for a voucher")
	return nil, errors.New("no")
}

// keeping restarts with a voucher key that nothing may ask.
func (p *payer) keeping() {
	p.cfg.Signer = onlyKept{p.cfg.Signer, p.t}
	p.restart()
}

// tend is one pass.
func (p *payer) tend() (swept struct {
	Pending int
	Wait    time.Duration
},
) {
	p.t.Helper()
	var err error
	swept.Pending, swept.Wait, err = p.session.Channels().Sweep(p.t.Context())
	require.NoError(p.t, err)
	return swept
}

// TestKeepWithdraws when the grace period is over, through restarts, and not before.
func TestKeepWithdraws(t *testing.T) {
	for _, rail := range rails {
		t.Run("rail"+rail, func(t *testing.T) {
			inTime(t, func(t *testing.T, p *payer, _ *node) {
				p.get(rail + "/data")
				s := p.only()
				require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
				began := time.Now()
				before := p.srv.Chain.Balance(p.key.Address)
				p.keeping()
				for p.only().Phase != channel.Closed {
					require.Less(t, time.Since(began), 20*time.Minute)
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
					require.ErrorIs(t, p.session.Channels().SweepForever(ctx), context.DeadlineExceeded)
					cancel()
					p.restart()
				}
				_, err := p.srv.Account(s.ID)
				require.True(t, err)
				assert.False(t, p.srv.Chain.Channel(s.ID).Exists)
				back := p.srv.Chain.Balance(p.key.Address).SubFloor(before)
				assert.False(t, back.Less(u(5_000)), "the deposit less a fee: %s", back)
				closed := p.events.of(client.EventClosed)
				require.Len(t, closed, 1)
				assert.Equal(t, client.OutcomeRefunded, closed[0].Outcome)
				assert.Len(t, p.events.of(client.EventCloseRequested), 1)
				assert.Empty(t, p.events.of(client.EventDelayed))
			})
		})
	}
}

// TestFinish ends when the money is back, soon after it can be; at once where there is nothing to do.
func TestFinish(t *testing.T) {
	inTime(t, func(t *testing.T, p *payer, n *node) {
		p.get("/data")
		p.get("/v1/data")
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()), "open channels are not its business")
		for _, s := range p.channels() {
			require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
			time.Sleep(30 * time.Second)
		}
		p.keeping()
		n.since()
		began := time.Now()
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
		took := time.Since(began)
		assert.GreaterOrEqual(t, took, escrow.GracePeriod-31*time.Second)
		assert.Less(t, took, escrow.GracePeriod+10*time.Second)
		assert.Less(t, len(n.called("eth_getBlockByNumber")), 200, "the node is not asked all the time")
		for _, s := range p.channels() {
			assert.Equal(t, channel.Closed, s.Phase)
		}
		began = time.Now()
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
		assert.Zero(t, time.Since(began))
	})
}

// TestKeepWatchesCloses: one that the payee made is noticed, and one that it never makes is requested on chain.
func TestKeepWatchesCloses(t *testing.T) {
	for name, arrives := range map[string]bool{"made late": true, "never made": false} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				inTime(t, func(t *testing.T, p *payer, _ *node) {
					p.get(rail + "/data")
					s := p.only()
					cut := errors.New("the line is cut")
					var held sent
					l := p.liedToTheEnd()
					l.answer = func(_ int, s sent) (*http.Response, error) {
						if s.action() != "close" {
							return nil, nil
						}
						held = s
						return nil, cut
					}
					require.ErrorIs(t, p.session.Channels().Close(t.Context(), s.ID), cut)
					assert.Equal(t, channel.Closing, p.only().Phase)
					p.keeping()
					began := time.Now()
					answered := make(chan struct{})
					if arrives {
						go func() {
							defer close(answered)
							time.Sleep(time.Minute)
							r, err := http.NewRequestWithContext(t.Context(), held.Method, held.URL, nil)
							if assert.NoError(t, err) {
								r.Header = held.Header
								resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
								if assert.NoError(t, err) {
									assert.Less(t, resp.StatusCode, 300)
									resp.Body.Close()
								}
							}
						}()
					}
					require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
					took := time.Since(began)
					assert.Equal(t, channel.Closed, p.only().Phase)
					if arrives {
						<-answered
						assert.Less(t, took, 2*time.Minute)
						assert.Empty(t, p.events.of(client.EventCloseRequested))
						return
					}
					assert.GreaterOrEqual(t, took, 2*escrow.GracePeriod)
					assert.Less(t, took, 2*escrow.GracePeriod+time.Minute)
					assert.Len(t, p.events.of(client.EventCloseRequested), 1)
				})
			})
		}
	}
}

// TestKeepThroughOutages: it tells, waits longer each time, up to a minute, and goes on.
func TestKeepThroughOutages(t *testing.T) {
	inTime(t, func(t *testing.T, p *payer, n *node) {
		p.get("/data")
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), p.only().ID))
		p.keeping()
		n.lie(func(c rpcCall, r json.RawMessage) any {
			if c.Method == "eth_call" {
				return nodeRefusal{-32000, "out of memory"}
			}
			return r
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		require.ErrorIs(t, p.session.Channels().SweepForever(ctx), context.DeadlineExceeded)
		delayed := p.events.of(client.EventDelayed)
		assert.Greater(t, len(delayed), 25)
		assert.Less(t, len(delayed), 45)
		require.ErrorIs(t, delayed[0].Err, escrow.ErrRPC)
		assert.Equal(t, channel.Closing, p.only().Phase)
		n.lie(nil)
		require.NoError(t, p.session.Channels().SweepUntilDone(t.Context()))
		assert.Equal(t, channel.Closed, p.only().Phase)
	})
}

// TestKeepOfANodeThatLies: it cannot make the keeper sign a voucher, and fees only now and then. What it hides is there
// again with an honest node.
func TestKeepOfANodeThatLies(t *testing.T) {
	inTime(t, func(t *testing.T, p *payer, n *node) {
		var pens pen
		p.get("/data")
		id := p.only().ID
		pens.counted(&p.cfg)
		p.keeping()
		n.lie(func(c rpcCall, r json.RawMessage) any {
			switch {
			case c.stateOf(id): // a close request of long ago
				out := make(hexutil.Bytes, 96)
				out[62], out[63], out[95] = 0x27, 0x10, 1
				return out
			case c.Method == "eth_estimateGas":
				return hexutil.Uint64(300_000)
			}
			return r
		})
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Minute)
		defer cancel()
		require.ErrorIs(t, p.session.Channels().SweepForever(ctx), context.DeadlineExceeded)
		assert.Zero(t, pens.vouchers.Load())
		assert.Zero(t, pens.vouchers.Load())
		assert.LessOrEqual(t, pens.transactions.Load(), int64(3), "one try in a grace period")
		assert.GreaterOrEqual(t, pens.transactions.Load(), int64(2))
		n.lie(nil)
		assert.Zero(t, p.tend().Pending)
		assert.Equal(t, channel.Open, p.only().Phase)
		assert.Len(t, p.events.of(client.EventReopened), 1)
		assert.Equal(t, u(100), p.only().Authorized)
	})
}

// TestTendNotices what others did.
func TestTendNotices(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		s := p.only()
		p.keeping()
		assert.Zero(t, p.tend().Pending)
		kinds := len(p.events.all)
		p.tend()
		assert.Len(t, p.events.all, kinds, "no news is not told")

		_, err := srv.Settle(s.ID)
		require.NoError(t, err)
		p.tend()
		settled := p.events.of(client.EventSettled)
		require.Len(t, settled, 1)
		assert.Equal(t, u(100), settled[0].Cumulative)

		// Another program requests the close and a top-up takes the request back.
		p.requestClose(s)
		c := p.tend()
		assert.Equal(t, 1, c.Pending)
		assert.Len(t, p.events.of(client.EventCloseRequested), 1)
		assert.False(t, p.only().Payable())
		p.reopen(s)
		assert.Zero(t, p.tend().Pending)
		assert.Len(t, p.events.of(client.EventReopened), 1)
		assert.True(t, p.only().Payable())

		// Another program takes the money out.
		p.requestClose(s)
		srv.Chain.Advance(escrow.GracePeriod)
		p.withdraw(s)
		assert.Zero(t, p.tend().Pending)
		assert.Equal(t, channel.Closed, p.only().Phase)
		assert.Len(t, p.events.of(client.EventClosed), 1)
		assert.Empty(t, p.events.of(client.EventDelayed))
	}
}

// reopen is another program that tops up.
func (p *payer) reopen(s channel.Info) {
	p.t.Helper()
	up, err := p.cfg.Chain.PrepareTopUp(p.t.Context(), escrow.TopUpParams{
		Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, Payer: p.cfg.Payer, Descriptor: s.Descriptor, Additional: u(50),
	})
	require.NoError(p.t, err)
	p.broadcast(up.Raw)
}

func (p *payer) broadcast(raw []byte) {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": []any{hexutil.Encode(raw)}})
	require.NoError(p.t, err)
	resp, err := http.Post(p.srv.RPCURL, "application/json", strings.NewReader(string(body)))
	require.NoError(p.t, err)
	defer resp.Body.Close()
	var answer struct {
		Result common.Hash
		Error  any
	}
	require.NoError(p.t, json.NewDecoder(resp.Body).Decode(&answer))
	require.Nil(p.t, answer.Error)
}

// TestTendDecidesFundings: an opening and a top-up whose answers were lost, mined or not, are looked up.
func TestTendDecidesFundings(t *testing.T) {
	for name, mined := range map[string]bool{"mined": true, "never mined": false} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				fault := clienttest.Fault{LoseAnswer: true}
				if !mined {
					fault = clienttest.Fault{Refuse: http.StatusInternalServerError}
				}
				once(srv, "open", fault)
				resp, err := p.do(http.MethodGet, rail+"/data?deposit=100", nil)
				if err == nil {
					resp.Body.Close()
				}
				assert.Equal(t, channel.Opening, p.only().Phase)
				signer := p.cfg.Signer
				p.keeping()
				if mined {
					assert.Zero(t, p.tend().Pending)
					assert.Equal(t, channel.Open, p.only().Phase)
					assert.Len(t, p.events.of(client.EventOpened), 1)
				} else {
					c := p.tend()
					assert.Equal(t, 1, c.Pending, "it can still be mined")
					assert.LessOrEqual(t, c.Wait, 15*time.Second)
					srv.Chain.Advance(time.Minute)
					assert.Zero(t, p.tend().Pending)
					assert.Equal(t, channel.NotSeen, p.only().Phase, "no answer of a node proves that it never was")
					assert.Equal(t, u(100), p.only().Deposit)
					assert.Len(t, p.events.of(client.EventNotSeen), 1)
					return
				}

				p.cfg.Signer = signer
				p.restart()
				refuse := rail == "/v1"
				l := p.lied()
				l.answer = func(_ int, s sent) (*http.Response, error) {
					if s.action() == "topUp" && refuse {
						return reply(http.StatusInternalServerError, ""), nil
					}
					return nil, nil
				}
				if !refuse {
					once(srv, "topUp", clienttest.Fault{LoseAnswer: true})
				}
				resp, err = p.do(http.MethodGet, rail+"/data?deposit=100", nil)
				if err == nil {
					resp.Body.Close()
				}
				p.keeping()
				if !refuse {
					assert.Zero(t, p.tend().Pending)
					assert.Equal(t, u(200), p.only().Deposit)
					return
				}
				assert.Equal(t, 1, p.tend().Pending)
				srv.Chain.Advance(time.Minute)
				assert.Zero(t, p.tend().Pending)
				assert.False(t, p.only().ToppingUp.Pending())
				assert.Len(t, p.events.of(client.EventUnmined), 1)
			})
		}
	}
}

// TestTendNeeds a chain and the funding key; a record that cannot be read is said and does not stop the others; another
// payer's channels are left alone.
func TestTendNeeds(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	s := p.only()
	require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
	_, err := p.store.Put(t.Context(), rule.StateKey(common.Hash{1}), []byte(`{"version":99}`), 0)
	require.NoError(t, err)
	pending, _, err := p.session.Channels().Sweep(t.Context())
	require.ErrorIs(t, err, channel.ErrRecord)
	assert.Equal(t, 1, pending)

	chain, payer := p.cfg.Chain, p.cfg.Payer
	p.cfg.Chain = nil
	p.restart()
	_, _, err = p.session.Channels().Sweep(t.Context())
	require.ErrorIs(t, err, client.ErrNoChain)
	p.cfg.Chain, p.cfg.Payer = chain, nil
	p.restart()
	require.ErrorIs(t, p.session.Channels().SweepForever(t.Context()), client.ErrNoPayer)

	other := newPayer(t, srv)
	p.cfg.Payer = other.cfg.Payer
	p.restart()
	pending, _, _ = p.session.Channels().Sweep(t.Context())
	assert.Zero(t, pending)
	p.cfg.Payer = payer
	p.restart()
	srv.Chain.Advance(escrow.GracePeriod)
	require.ErrorIs(t, p.session.Channels().SweepUntilDone(t.Context()), channel.ErrRecord)
	assert.False(t, srv.Chain.Channel(s.ID).Exists)
}
