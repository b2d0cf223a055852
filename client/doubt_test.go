package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// twin is another program of the same payer: the same key, another store.
func (p *payer) twin() *payer {
	t := newPayer(p.t, p.srv)
	k, err := voucher.ParseKey(p.key.Hex)
	require.NoError(p.t, err)
	t.cfg.Signer, t.cfg.Payer, t.key = judge{k, p.t, t.store}, k, p.key
	t.cfg.Limits.Deposit = u(1_000_000)
	t.restart()
	return t
}

// leave lets a program spend so much that at most this is left in the wallet.
func (p *payer) leave(most uint64) {
	p.get("/data?deposit=" + p.srv.Chain.Balance(p.key.Address).SubFloor(u(most)).String())
}

// TestRevertedOpening: an opening was mined and moved nothing, because another program of the same payer had spent what
// it needed. Its receipt says so, by the hash that we computed, so that the next request does not wait until it
// would have expired.
func TestRevertedOpening(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{Funds: u(300_000)})
		p := newPayer(t, srv)
		l := p.lied()
		other := p.twin()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "open" && len(other.channels()) == 0 {
				other.leave(95_000)
			}
			return nil, nil
		}
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=100000", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
		p.restart()
		srv.Chain.Fund(p.key.Address, u(100_000))
		p.get(rail + "/data?deposit=200")
		all := p.channels()
		require.Len(t, all, 2)
		for _, s := range all {
			if s.Phase == channel.Closed {
				assert.True(t, s.Deposit.IsZero(), "nothing left the wallet")
			} else {
				assert.Equal(t, u(200), s.Deposit)
				assert.Equal(t, u(100), s.Signed)
			}
		}
	}
}

// TestRevertedTopUp: the same with a top-up.
func TestRevertedTopUp(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{Funds: u(300_000)})
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Fund = u(100) })
		p.get(rail + "/data")
		p.cfg.Limits.Fund = u(99_000)
		p.restart()
		l := p.lied()
		other := p.twin()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "topUp" && len(other.channels()) == 0 {
				other.leave(95_000)
			}
			return nil, nil
		}
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data", nil)), client.ErrPending)
		assert.False(t, p.only().ToppingUp.Pending(), "the receipt has decided it")
		p.cfg.Limits.Fund = u(300)
		p.restart()
		srv.Chain.Fund(p.key.Address, u(100_000))
		p.get(rail + "/data")
		assert.Equal(t, u(400), p.agree().Deposit)
	}
}

// TestOpenedAndClosedMeanwhile: the answer to an opening was lost, and when we look the channel is closed already. The
// receipt says that it was there, so another one is opened at once.
func TestOpenedAndClosedMeanwhile(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		once(srv, "open", clienttest.Fault{LoseAnswer: true})
		p.refused(p.do(http.MethodGet, rail+"/data", nil))
		first := p.only()
		require.Equal(t, channel.Opening, first.Phase)
		closer := p.twin()
		for e, err := range p.store.List(t.Context(), "") {
			require.NoError(t, err)
			_, err = closer.store.Put(t.Context(), e.Key, e.Data, 0)
			require.NoError(t, err)
		}
		require.NoError(t, closer.session.Channels().Close(t.Context(), first.ID))
		p.get(rail + "/data")
		all := p.channels()
		require.Len(t, all, 2)
		for _, s := range all {
			if s.ID == first.ID {
				assert.Equal(t, channel.Closed, s.Phase)
				assert.False(t, s.Deposit.IsZero(), "it was there")
			} else {
				assert.Equal(t, channel.Open, s.Phase)
			}
		}
	}
}

// TestSponsoredOpeningInDoubt: its hash is only its sponsor's, so the escrow's state decides, and in the end the
// time that it is valid for.
func TestSponsoredOpeningInDoubt(t *testing.T) {
	for name, fault := range map[string]clienttest.Fault{
		"mined":         {LoseAnswer: true},
		"never arrived": {Refuse: http.StatusServiceUnavailable},
	} {
		for _, expired := range []bool{false, true} {
			for _, rail := range rails {
				srv := clienttest.New(t, clienttest.Config{})
				var n pen
				p := newPayer(t, srv, n.counted)
				once(srv, "open", fault)
				if resp, err := p.do(http.MethodGet, rail+"/sponsored", nil); err == nil {
					resp.Body.Close()
				}
				first := p.only()
				require.Equal(t, channel.Opening, first.Phase, name)
				require.Zero(t, first.Opening.Hash)
				p.restart()
				if expired {
					srv.Chain.Advance(time.Minute)
				}
				p.get(rail + "/sponsored")
				again := int64(1)
				if expired && name == "never arrived" {
					again = 2
				}
				assert.Equal(t, again, n.transactions.Load(), "%s, expired: %t", name, expired)
				require.Len(t, srv.Accounts(), 1, "one deposit")
				assert.Equal(t, u(10_000), srv.Chain.Channel(srv.Accounts()[0].ChannelID).Deposit)
			}
		}
	}
}
