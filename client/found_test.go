package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// What these tests look at was found by internal/model: histories that broke a bound, cut down to what matters.

// interrupted is a funding key in whose first signature something else happens.
type interrupted struct {
	voucher.TransactionSigner
	meanwhile func()
}

func (k *interrupted) SignTransaction(ctx context.Context, tx voucher.Transaction) ([]byte, error) {
	if do := k.meanwhile; do != nil {
		k.meanwhile = nil
		do()
	}
	return k.TransactionSigner.SignTransaction(ctx, tx)
}

// TestTwoSessionsTopUpOnce: while one session signs a top-up another fills the channel up to Limits.Deposit. The first
// looks again instead.
func TestTwoSessionsTopUpOnce(t *testing.T) {
	for _, rail := range bothRails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv, func(c *client.Config) { c.Limits.Deposit = u(10_000) })
		p.get(rail + "/data?deposit=250")
		p.get(rail + "/data?deposit=250")
		p.restart()
		other := p.session
		key := &interrupted{TransactionSigner: p.cfg.Payer}
		p.cfg.Payer = key
		p.restart()
		first := p.session
		key.meanwhile = func() {
			p.session = other
			p.get(rail + "/data") // puts in all that is allowed
			p.session = first
		}
		p.get(rail + "/data")
		assert.Nil(t, key.meanwhile)
		assert.Equal(t, u(10_000), srv.Chain.Channel(p.only().ID).Deposit, "not above Limits.Deposit")
	}
}

// TestOpeningGoesWithOnePrice: an opening is refused with a fresh challenge whose price is above the limit. It is not
// presented for that.
func TestOpeningGoesWithOnePrice(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	srv.Lie(lies.PriceRaised)
	resp, err := p.do(http.MethodGet, "/data?price=1000", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
	require.Len(t, l.paid(""), 1)
	r, err := l.paid("")[0].Paid.Challenge.SessionRequest()
	require.NoError(t, err)
	assert.Equal(t, u(1000), r.Amount)
}

// TestTopUpAgreesToNoPrice: the answer to a top-up names another price. The request pays what it was to cost, and is asked
// about the other when it is refused for it.
func TestTopUpAgreesToNoPrice(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data?deposit=100")
	l := p.liedToTheEnd()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if s.action() != "topUp" || len(l.paid("topUp")) > 1 {
			return nil, nil
		}
		asked := p.unpaid("/data")
		l.forge(asked, func(_ *wire.Challenge, request map[string]any) { request["amount"] = "500" })
		resp := reply(http.StatusPaymentRequired, "")
		refuseWith(resp, asked, "payment-expired")
		return resp, nil
	}
	p.get("/data?deposit=100")
	require.Len(t, l.paid("topUp"), 2)
	assert.Equal(t, u(200), p.only().Authorized)
}

// TestTopUpIsNotPresentedUnderOtherTerms: the challenge that comes with the refusal of a top-up has
// another unit, or others pay the fee. The top-up does not answer it.
func TestTopUpIsNotPresentedUnderOtherTerms(t *testing.T) {
	for name, change := range map[string]demand{
		"unit": unitIs("byte"), "fee token": feeTokenIs(stranger(1)), "sponsor": sponsorIs(true),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, clienttest.New(t, clienttest.Config{}))
			p.get("/data?deposit=100")
			l := p.liedToTheEnd()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.action() != "topUp" {
					return nil, nil
				}
				asked := p.unpaid("/data")
				l.forge(asked, func(_ *wire.Challenge, request map[string]any) { change(request) })
				resp := reply(http.StatusPaymentRequired, "")
				refuseWith(resp, asked, "payment-expired")
				return resp, nil
			}
			p.refused(p.do(http.MethodGet, "/data?deposit=100", nil))
			assert.Len(t, l.paid("topUp"), 1)
		})
	}
}

// TestRedirectsAreOneRequest: a server refuses each voucher as used up, takes the next, and redirects without a receipt,
// again and again. All of it is one request, and gives its price away once.
func TestRedirectsAreOneRequest(t *testing.T) {
	for _, rail := range bothRails {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		p.get(rail + "/data")
		l := p.lied()
		refuse := true
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Paid == nil {
				return nil, nil
			}
			if refuse = !refuse; refuse {
				resp := reply(http.StatusPaymentRequired, "")
				refuseWith(resp, p.unpaid(rail+"/data"), "session/insufficient-balance")
				return resp, nil
			}
			return reply(http.StatusFound, "", "Location", strings.TrimPrefix(s.URL, srv.URL)), nil
		}
		for range 3 {
			before := p.only().Authorized
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			if err == nil {
				resp.Body.Close()
			}
			assert.False(t, before.AddCapped(u(100)).Less(p.only().Authorized), "%s after %s", p.only().Authorized, before)
		}
		l.answer = nil
		for p.only().Claimed.Less(p.only().Authorized) {
			p.get(rail + "/data")
		}
	}
}
