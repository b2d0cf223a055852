package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// by splits the channels on record into the one with the id and the other.
func (p *payer) by(id [32]byte) (one, other channel.Info) {
	p.t.Helper()
	all := p.channels()
	require.Len(p.t, all, 2)
	if all[0].ID == id {
		return all[0], all[1]
	}
	require.Equal(p.t, id, [32]byte(all[1].ID))
	return all[1], all[0]
}

// TestForgottenChannel: the payee does not know it any more. One more is opened, and the first stays listed until
// its money is back.
func TestForgottenChannel(t *testing.T) {
	for _, bare := range []bool{false, true} {
		for _, rail := range rails {
			srv := clienttest.New(t, clienttest.Config{BareGone: bare})
			p := newPayer(t, srv)
			p.get(rail + "/data")
			p.get(rail + "/data")
			old := p.only()
			srv.Forget(old.ID)

			l := p.lied()
			p.get(rail + "/data")
			first, second := p.by(old.ID)
			assert.True(t, first.Gone)
			assert.Equal(t, channel.Open, first.Phase)
			assert.True(t, first.HoldsMoney())
			assert.Equal(t, u(300), first.Signed, "the voucher that was refused is out all the same")
			assert.Equal(t, u(200), first.Claimed)
			assert.Equal(t, u(100), second.Signed)
			assert.Len(t, p.events.of(client.EventGone), 1)
			assert.Len(t, p.events.of(client.EventPaid), 3)
			require.Len(t, l.all(), 3, "refused, unpaid, opening")
			assert.Empty(t, l.all()[1].Header["Payment-Session"], "the old channel is not announced")
			p.get(rail + "/data")
			_, second = p.by(old.ID)
			assert.Equal(t, u(200), second.Signed)

			p.restart()
			p.get(rail + "/data")
			require.NoError(t, p.session.Channels().RequestClose(t.Context(), old.ID))
			first, _ = p.by(old.ID)
			assert.Equal(t, channel.Closing, first.Phase)
			require.ErrorIs(t, p.session.Channels().Withdraw(t.Context(), old.ID), escrow.ErrWouldRevert)
			srv.Chain.Advance(escrow.GracePeriod)
			before := srv.Chain.Balance(p.key.Address)
			require.NoError(t, p.session.Channels().Withdraw(t.Context(), old.ID))
			first, second = p.by(old.ID)
			assert.Equal(t, channel.Closed, first.Phase)
			assert.Equal(t, u(300), second.Signed)
			back := srv.Chain.Balance(p.key.Address).SubFloor(before)
			assert.True(t, u(7000).Less(back), "%s of 10000 came back, the rest is the fee", back)
			p.get(rail + "/data")
			_, second = p.by(old.ID)
			assert.Equal(t, u(400), second.Signed)
		}
	}
}

// TestAlwaysGone: a payee that knows no channel gets one second payment, and no third deposit.
func TestAlwaysGone(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Total = u(100_000) })
		p.get(rail + "/data")
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Paid == nil {
				return nil, nil
			}
			return reply(http.StatusGone, "gone"), nil
		}
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, http.StatusGone, resp.StatusCode, "the second one is the answer")
		assert.Equal(t, client.OutcomeRejected, client.PaymentOf(resp).Outcome)
		for range 4 {
			e := p.refused(p.do(http.MethodGet, rail+"/data", nil))
			require.ErrorIs(t, e, client.ErrTwice)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.False(t, e.Retryable())
		}
		assert.EqualValues(t, 2, n.transactions.Load())
		var signed voucher.Amount
		for _, s := range p.channels() {
			assert.True(t, s.Gone)
			signed = signed.AddCapped(s.Authorized)
		}
		assert.Equal(t, u(300), signed, "what was served, and one price twice")
	}
}

// TestClosedByAnotherProcess: the known channel is closed, and a new one opened.
func TestClosedByAnotherProcess(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		old := p.only()
		here := p.session
		p.restart()
		require.NoError(t, p.session.Channels().Close(t.Context(), old.ID))
		p.session = here
		p.get(rail + "/data")
		first, second := p.by(old.ID)
		assert.Equal(t, channel.Closed, first.Phase)
		assert.False(t, first.HoldsMoney())
		assert.Equal(t, u(100), second.Signed)
	}
}

// TestCloseRequestedByAnotherProcess: no voucher follows it.
func TestCloseRequestedByAnotherProcess(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		old := p.only()
		here := p.session
		p.restart()
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), old.ID))
		p.session = here
		p.get(rail + "/data")
		p.get(rail + "/data")
		first, second := p.by(old.ID)
		assert.Equal(t, channel.Closing, first.Phase)
		assert.False(t, u(200).Less(first.Authorized))
		assert.Equal(t, u(200), second.Signed)
	}
}

// TestOpeningThatWasHeldBack: a payee says that it opened, then that the channel is gone, and only then opens it.
// The money is not forgotten.
func TestOpeningThatWasHeldBack(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		l := p.lied()
		var held *http.Request
		p.base = catch{l, func(r *http.Request) *http.Response {
			if r.Header.Get("Authorization") == "" {
				return nil
			}
			if held == nil {
				held = r.Clone(t.Context())
				held.Body = nil
				return reply(http.StatusOK, "content", "Payment-Receipt", baseReceipt)
			}
			return reply(http.StatusGone, "gone")
		}}
		p.get(rail + "/data")
		first := p.only()
		assert.Equal(t, channel.Open, first.Phase)
		resp, err := p.do(http.MethodGet, rail+"/data", nil)
		require.NoError(t, err)
		resp.Body.Close()

		resp, err = l.base.RoundTrip(held)
		require.NoError(t, err)
		resp.Body.Close()
		require.True(t, srv.Chain.Channel(first.ID).Exists)
		after, err := p.session.Channels().Sync(t.Context(), first.ID)
		require.NoError(t, err)
		assert.True(t, after.HoldsMoney())
		assert.Equal(t, u(10_000), after.Deposit)
		require.NoError(t, p.session.Channels().RequestClose(t.Context(), first.ID))
		srv.Chain.Advance(escrow.GracePeriod)
		require.NoError(t, p.session.Channels().Withdraw(t.Context(), first.ID))
		assert.False(t, srv.Chain.Channel(first.ID).Exists)
	}
}

// baseReceipt acknowledges and says no more: {"method":"tempo","status":"success","reference":"x","timestamp":"2026-01-01T00:00:00Z"}.
const baseReceipt = "eyJtZXRob2QiOiJ0ZW1wbyIsInN0YXR1cyI6InN1Y2Nlc3MiLCJyZWZlcmVuY2UiOiJ4IiwidGltZXN0YW1wIjoiMjAyNi0wMS0wMVQwMDowMDowMFoifQ"

// TestNotYetKnown: a channel that another session opened a moment ago may be on chain before its payee has written it
// down. It is asked again, not given up for another deposit.
func TestNotYetKnown(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{Receipts: clienttest.NoReceipts})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		q := *p
		q.restart()
		l, early := q.lied(), 3
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() != "voucher" || early == 0 {
				return nil, nil
			}
			early--
			return &http.Response{StatusCode: http.StatusGone, Header: http.Header{}, Body: http.NoBody, Request: &http.Request{}}, nil
		}
		q.get(rail + "/data")
		assert.Zero(t, early)
		require.Len(t, q.channels(), 1)
		assert.Equal(t, u(200), q.only().Signed)

		// One that stays unknown is given up in the end.
		q.restart()
		srv.Forget(q.only().ID)
		q.get(rail + "/data")
		assert.Len(t, q.channels(), 2)
	}
}
