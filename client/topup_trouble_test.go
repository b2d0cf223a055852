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
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestStaleTopUp: the fresh challenge gets the same transaction.
func TestStaleTopUp(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=100")
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() != "topUp" || len(l.paid("topUp")) > 1 {
				return nil, nil
			}
			resp := reply(402, "")
			refuseWith(resp, p.unpaid(rail+"/data"), "payment-expired")
			return resp, nil
		}
		p.get(rail + "/data?deposit=100")
		twice := l.paid("topUp")
		require.Len(t, twice, 2)
		assert.Equal(t, twice[0].Paid.Payload, twice[1].Paid.Payload)
		assert.NotEqual(t, twice[0].Paid.Challenge.ID, twice[1].Paid.Challenge.ID)
		assert.Equal(t, u(200), p.agree().Deposit)
		assert.EqualValues(t, 2, n.transactions.Load())
	}
}

// TestLostAnswerToATopUp: the chain has it, so it is not made again.
func TestLostAnswerToATopUp(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=100")
		once(srv, "topUp", clienttest.Fault{LoseAnswer: true})
		p.get(rail + "/data?deposit=100")
		assert.Equal(t, u(200), p.agree().Deposit)
		assert.EqualValues(t, 2, n.transactions.Load())
	}
}

// TestRefusedTopUp: while it can be mined the same one is presented again, and what it moves is counted
// once, and as long as it may be mined.
func TestRefusedTopUp(t *testing.T) {
	for _, rail := range rails {
		for _, restart := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{})
			var n pen
			p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Total = u(300) })
			p.get(rail + "/data?deposit=100")
			l := p.lied()
			down := l.down("topUp")
			for range 2 {
				e := p.refused(p.do(http.MethodGet, rail+"/data?deposit=100", nil))
				require.ErrorIs(t, e, client.ErrPending)
				require.ErrorIs(t, e, client.ErrRejected)
				assert.Equal(t, client.OutcomeUnknown, e.Outcome, "a transaction is signed, and the payee has it")
				assert.Equal(t, u(100), p.only().Authorized, "nothing was signed beyond the deposit")
				if restart {
					p.restart()
				}
			}
			pending := l.paid("topUp")
			require.Len(t, pending, 2)
			assert.Equal(t, pending[0].Paid.Payload, pending[1].Paid.Payload)
			down.Store(false)
			p.get(rail + "/data?deposit=100")
			assert.Equal(t, u(200), p.agree().Deposit)
			assert.EqualValues(t, 2, n.transactions.Load())
			if !restart {
				p.get(rail + "/data?deposit=100") // the last 100 of Total
				require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data?deposit=100", nil)), channel.ErrLimit)
				assert.Equal(t, u(300), p.agree().Deposit)
			}
		}
	}
}

// TestTopUpThatIsSentLater by a server that said it had failed: it counts against Total.
func TestTopUpThatIsSentLater(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Limits.Total = u(300) })
	p.get("/data?deposit=100")
	l := p.lied()
	var held *http.Request
	p.base = catch{l, func(r *http.Request) *http.Response {
		c, err := wire.ParseCredential(r.Header.Get("Authorization"))
		if err != nil || c.Payload.Action != "topUp" {
			return nil
		}
		held = r.Clone(t.Context())
		return reply(http.StatusInternalServerError, "")
	}}
	require.ErrorIs(t, p.refused(p.do(http.MethodGet, "/data?deposit=100", nil)), client.ErrPending)
	p.base = l
	resp, err := l.base.RoundTrip(held)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	p.get("/data?deposit=100")
	assert.Equal(t, u(200), p.agree().Deposit)
	p.get("/v1/data?deposit=200") // which is more than the 100 that are left
	assert.Len(t, p.channels(), 2)
	var total voucher.Amount
	for _, s := range p.channels() {
		total = total.AddCapped(srv.Chain.Channel(s.ID).Deposit)
	}
	assert.Equal(t, u(300), total)
}

// catch lets a function answer before the rest.
type catch struct {
	http.RoundTripper
	answer func(*http.Request) *http.Response
}

func (c catch) RoundTrip(r *http.Request) (*http.Response, error) {
	if resp := c.answer(r); resp != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return resp, nil
	}
	return c.RoundTripper.RoundTrip(r)
}

// TestTopUpSurvivesAFailingRequest that it was made for.
func TestTopUpSurvivesAFailingRequest(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=100")
		once(srv, "voucher", clienttest.Fault{Refuse: http.StatusBadGateway})
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=100", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, u(200), p.only().Deposit)
		p.restart()
		assert.Equal(t, u(200), p.only().Deposit)
		assert.Equal(t, u(200), srv.Chain.Channel(p.only().ID).Deposit)
	}
}

// TestTopUpThatWasNotMade: a server that says it made the top-up, and then asks for another, gets the same
// transaction until it cannot be mined any more.
func TestTopUpThatWasNotMade(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for _, rail := range rails {
		var n pen
		p := newPayer(t, srv, n.counted)
		p.get(rail + "/data?deposit=100")
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.action() == "topUp" {
				return reply(http.StatusNoContent, ""), nil
			}
			return nil, nil
		}
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=100", nil) // the honest half refuses: above the deposit
		if err == nil {
			resp.Body.Close()
		}
		assert.EqualValues(t, 2, n.transactions.Load(), "one opening and one top-up")
		raws := map[string]bool{}
		for _, s := range l.paid("topUp") {
			raws[string(s.Paid.Payload.Transaction)] = true
		}
		assert.Len(t, raws, 1, "never a second one for the same need")
		assert.False(t, u(200).Less(p.only().Authorized))

		l.answer = nil
		p.get(rail + "/data?deposit=100")
		s := p.agree()
		assert.Equal(t, u(200), s.Deposit)
		assert.Equal(t, u(200), s.Signed)
	}
}

// TestTopUpAfterItExpired: one that can no longer be mined makes way for another.
func TestTopUpAfterItExpired(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var n pen
		p := newPayer(t, srv, n.counted, func(c *client.Config) { c.Limits.Total = u(200) })
		p.get(rail + "/data?deposit=100")
		once(srv, "topUp", clienttest.Fault{Refuse: http.StatusInternalServerError})
		require.ErrorIs(t, p.refused(p.do(http.MethodGet, rail+"/data?deposit=100", nil)), client.ErrPending)
		srv.Chain.Advance(time.Minute)
		p.get(rail + "/data?deposit=100")
		assert.Equal(t, u(200), p.agree().Deposit, "the one that never was does not count against Total")
		assert.EqualValues(t, 3, n.transactions.Load())
	}
}

// TestFullDepositBehindThePayee: all of the deposit is signed, and the payee has charged more than we counted. The
// next request makes room for itself.
func TestFullDepositBehindThePayee(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		l := p.lied()
		l.after = func(_ int, s sent, resp *http.Response) {
			if s.action() == "open" {
				refuseWith(resp, nil, "verification-failed") // charged, and refused all the same
			}
		}
		resp, err := p.do(http.MethodGet, rail+"/data?deposit=100", nil)
		require.NoError(t, err)
		resp.Body.Close()
		assert.True(t, p.only().Claimed.IsZero())
		l.after = nil
		p.get(rail + "/data?deposit=100")
		s := p.agree()
		assert.Equal(t, u(200), s.Signed)
		assert.Equal(t, u(200), s.Deposit)
	}
}
