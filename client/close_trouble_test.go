package client_test

import (
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
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestCloseClimbs: where the payee has charged more than we counted it gets the voucher that exists, not more.
func TestCloseClimbs(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		l := p.liedToTheEnd()
		l.after = func(_ int, s sent, resp *http.Response) {
			if s.action() == "voucher" {
				refuseWith(resp, nil, "verification-failed") // charged, and refused all the same
			}
		}
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		s := p.only()
		assert.Equal(t, u(100), s.Claimed)
		assert.Equal(t, u(200), s.Signed)
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		closes := l.paid("close")
		require.NotEmpty(t, closes)
		assert.LessOrEqual(t, len(closes), 4) // each once more against a fresh challenge
		assert.Equal(t, u(100), closes[0].Paid.Payload.CumulativeAmount)
		assert.Equal(t, u(200), closes[len(closes)-1].Paid.Payload.CumulativeAmount)
		p.paidOut(s, 200)
	}
}

// TestCloseAfterACrash: requests that Limits.Ahead covers are not written down one by one, so a program that starts again
// knows less than was spent. The payee says so, and the close goes up to what may have been signed.
func TestCloseAfterACrash(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, func(cfg *client.Config) { cfg.Limits.Ahead = u(300) })
		for range 7 {
			p.get(rail + "/data")
		}
		p.restart()
		s := p.only()
		require.Equal(t, u(500), s.Claimed, "the last two were not written down")
		require.Equal(t, u(800), s.Authorized)
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		if rail == "" {
			p.paidOut(s, 700)
		} else {
			p.paidOut(s, 800) // v1 captures the whole voucher
		}
	}
}

// TestCloseOfNothingIsRefused: a payee that refuses to close a channel of which nothing was used is not asked for ever.
func TestCloseOfNothingIsRefused(t *testing.T) {
	p := newPayer(t, clienttest.New(t, clienttest.Config{}))
	p.get("/data")
	s := p.only()
	k := p.cfg.Signer.(judge)
	p.store = store.NewMem()
	k.store = p.store
	p.cfg.Signer, p.cfg.Store = k, p.store
	p.restart()
	require.NoError(t, p.session.Channels().Import(t.Context(), p.srv.URL+"/data", channel.Identity{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor}))
	require.True(t, p.only().Claimed.IsZero())
	l := p.liedToTheEnd()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.action() != "close" {
			return nil, nil
		}
		require.Less(t, len(l.paid("close")), 10)
		resp := reply(402, "")
		refuseWith(resp, p.unpaid("/data"), "verification-failed")
		return resp, nil
	}
	require.ErrorIs(t, p.refused(nil, p.session.Channels().Close(t.Context(), s.ID)), client.ErrRejected)
	assert.Len(t, l.paid("close"), 2, "once more against a fresh challenge")
}

// TestRefusedClose: the channel is as before.
func TestRefusedClose(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		for _, status := range []int{400, 402, 410, 500} {
			p := newPayer(t, srv)
			p.get(rail + "/data")
			l := p.liedToTheEnd()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.action() != "close" {
					return nil, nil
				}
				resp := reply(402, "")
				refuseWith(resp, p.unpaid(rail+"/data"), "verification-failed")
				resp.StatusCode = status
				return resp, nil
			}
			e := p.refused(nil, p.session.Channels().Close(t.Context(), p.only().ID))
			require.ErrorIs(t, e, client.ErrRejected)
			assert.Equal(t, client.OutcomeRejected, e.Outcome)
			assert.ErrorContains(t, e, "verification-failed", "the payee's own words")
			assert.LessOrEqual(t, len(l.paid("close")), 4)
			assert.Equal(t, u(100), p.only().Authorized)
			assert.Equal(t, channel.Open, p.only().Phase)
			l.answer = nil
			p.get(rail + "/data")
			assert.Equal(t, u(200), p.agree().Signed)
			require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
			p.paidOut(p.only(), 200)
		}
	}
}

// TestLostAnswerToAClose: the chain has it.
func TestLostAnswerToAClose(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		once(srv, "close", clienttest.Fault{LoseAnswer: true})
		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
		p.paidOut(p.only(), 100)
		assert.Len(t, p.events.of(client.EventClosed), 1)
	}
}

// TestCloseThatDidNotArrive stays closing until it did: no voucher follows it, and the channel stays listed.
func TestCloseThatDidNotArrive(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		s := p.only()
		l := p.liedToTheEnd()
		cut := errors.New("the line is cut")
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "close" {
				return nil, cut
			}
			return nil, nil
		}
		e := p.refused(nil, p.session.Channels().Close(t.Context(), s.ID))
		require.ErrorIs(t, e, cut)
		assert.Equal(t, client.OutcomeUnknown, e.Outcome)
		assert.Equal(t, channel.Closing, p.only().Phase)
		assert.True(t, p.only().HoldsMoney())
		p.restart()
		p.get(rail + "/data")
		first, second := p.by(s.ID)
		assert.Equal(t, u(100), first.Authorized)
		assert.Equal(t, u(100), second.Authorized)
		l.answer = nil
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		p.paidOut(s, 100)
	}
}

// TestCloseReceipts: where one does not fit, the chain is asked.
func TestCloseReceipts(t *testing.T) {
	for name, lie := range map[string]func(l *liar, resp *http.Response){
		"none":       func(_ *liar, resp *http.Response) { resp.Header.Del("Payment-Receipt") },
		"unreadable": func(_ *liar, resp *http.Response) { resp.Header.Set("Payment-Receipt", "%") },
		"base":       func(_ *liar, resp *http.Response) { resp.Header.Set("Payment-Receipt", baseReceipt) },
		"no transaction": func(l *liar, resp *http.Response) {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.TxHash = common.Hash{} })
		},
		"another channel": func(l *liar, resp *http.Response) {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.ChannelID[0] ^= 1 })
		},
		"another challenge": func(l *liar, resp *http.Response) {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.ChallengeID = "x" })
		},
		"less accepted": func(l *liar, resp *http.Response) {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.Accepted, r.Spent = u(99), u(99) })
		},
		"more spent": func(l *liar, resp *http.Response) {
			l.misreceipt(resp, func(r *receipt.Receipt) { r.Spent = u(10_000) })
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				p.get(rail + "/data")
				s := p.only()
				l := p.liedToTheEnd()
				l.after = func(_ int, sent sent, resp *http.Response) {
					if sent.action() == "close" {
						lie(l, resp)
					}
				}
				require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
				p.paidOut(s, 100)
				assert.Equal(t, common.Hash{}, p.only().CloseTx, "of a receipt that does not fit nothing is kept")
			})
		}
	}
}

// TestCloseThatWasNotMade: a fine receipt, and nothing on chain. The money comes back by force.
func TestCloseThatWasNotMade(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		s := p.only()
		l := p.liedToTheEnd()
		l.answer = func(_ int, sent sent) (*http.Response, error) {
			if sent.action() != "close" {
				return nil, nil
			}
			r := receipt.Receipt{
				Method: "tempo", Intent: "session", Status: "success", Timestamp: time.Now(), Reference: s.ID.Hex(), Session: true,
				ChallengeID: sent.Paid.Challenge.ID, ChannelID: s.ID, Accepted: u(100), Spent: u(100), Units: 1, TxHash: common.Hash{1},
			}
			text, err := r.Header()
			return reply(http.StatusNoContent, "", "Payment-Receipt", text), err
		}
		e := p.refused(nil, p.session.Channels().Close(t.Context(), s.ID))
		require.ErrorIs(t, e, client.ErrClose)
		assert.Equal(t, channel.Closing, p.only().Phase)
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), s.ID))
		srv.Chain.Advance(escrow.GracePeriod)
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), s.ID))
		assert.Equal(t, channel.Closed, p.only().Phase)
		assert.False(t, srv.Chain.Channel(s.ID).Exists)
	}
}

// TestCloseSignerFails: the channel takes vouchers as before.
func TestCloseSignerFails(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var n pen
	p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Ahead = u(50) })
	p.get("/data")
	locked := errors.New("the key is locked")
	n.broken.Store(&locked)
	require.ErrorIs(t, p.session.Channels().Close(t.Context(), p.only().ID), locked)
	n.broken.Store(nil)
	p.get("/data")
	assert.Len(t, p.channels(), 1)
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
	p.paidOut(p.only(), 200)
}

// TestStaleClose gets one more try against the fresh challenge, for the same amount.
func TestStaleClose(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		p := newPayer(t, srv)
		p.get(rail + "/data")
		l := p.liedToTheEnd()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() != "close" || len(l.paid("close")) > 1 {
				return nil, nil
			}
			resp := reply(402, "")
			refuseWith(resp, p.unpaid(rail+"/data"), "payment-expired")
			return resp, nil
		}
		require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
		twice := l.paid("close")
		require.Len(t, twice, 2)
		assert.Equal(t, twice[0].Paid.Payload, twice[1].Paid.Payload)
		p.paidOut(p.only(), 100)
	}
}

// TestForgedSnapshotAtTheClose: what the payee says it spent does not become the close.
func TestForgedSnapshotAtTheClose(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	s := p.only()
	l := p.liedToTheEnd()
	l.hinting(func(d map[string]any) {
		snapshot := p.snapshotOf(s)
		snapshot["acceptedCumulative"], snapshot["spent"], snapshot["requiredCumulative"] = "10000", "10000", "10000"
		d["sessionSnapshot"] = snapshot
	})
	require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
	assert.Equal(t, u(100), l.paid("close")[0].Paid.Payload.CumulativeAmount)
	assert.NotEmpty(t, p.events.of(client.EventViolation))
	p.paidOut(s, 100)
}

// TestCloseObeysTheContext while it waits for the chain.
func TestCloseObeysTheContext(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	ctx, cancel := context.WithCancel(t.Context())
	var asked atomic.Bool
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if r.Action == "close" {
			asked.Store(true)
			cancel()
			return clienttest.Fault{Hang: true}
		}
		return clienttest.Fault{}
	})
	e := p.refused(nil, p.session.Channels().Close(ctx, p.only().ID))
	require.ErrorIs(t, e, context.Canceled)
	assert.Equal(t, client.OutcomeUnknown, e.Outcome)
	assert.True(t, asked.Load())
	srv.OnRequest(nil)
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
}
