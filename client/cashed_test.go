package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestClosedWithTheVoucherThatWasRefused: a payee closes the channel on chain with the voucher of a
// request, which it then refuses. The escrow does not remember what it paid out, so the voucher counts
// as paid: another channel is a second payment, and that is allowed once.
func TestClosedWithTheVoucherThatWasRefused(t *testing.T) {
	for name, refuse := range map[string]func(*payer, string) *http.Response{
		"gone": func(*payer, string) *http.Response { return reply(http.StatusGone, "gone") },
		"the balance is used up": func(p *payer, path string) *http.Response {
			resp := p.unpaid(path)
			const text = `{"type":"https://paymentauth.org/problems/session/insufficient-balance"}`
			resp.Header.Set("Content-Type", "application/problem+json")
			resp.Body = reply(resp.StatusCode, text).Body
			return resp
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				srv.Lie(lies.CloseAll)
				p := newPayer(t, srv)
				path := rail + "/data"
				p.get(path)
				p.sync()
				l := p.lied()
				l.answer = func(_ int, s sent) (*http.Response, error) {
					if s.action() != "voucher" {
						return nil, nil
					}
					l.cash(s)
					return refuse(p, path), nil
				}
				p.get(path) // the second payment
				p.sync()

				resp, err := p.do(http.MethodGet, path, nil)
				if err == nil {
					resp.Body.Close()
					err = client.PaymentOf(resp).Err
				}
				require.ErrorIs(t, err, client.ErrTwice)
				var signed voucher.Amount
				for _, c := range p.channels() {
					signed = signed.AddCapped(c.Signed)
				}
				assert.Len(t, p.channels(), 2)
				assert.Equal(t, u(400), signed, "three prices, and one twice")
			})
		}
	}
}

// sync reads all channels on chain, so that their openings are decided.
func (p *payer) sync() {
	for _, c := range p.channels() {
		_, err := p.session.Channels().Sync(p.t.Context(), c.ID)
		require.NoError(p.t, err)
	}
}

// cash closes a channel on chain with the voucher that was sent, as its payee can.
func (l *liar) cash(s sent) {
	c := *s.Paid
	c.Payload.Action = "close"
	value, err := c.Header()
	require.NoError(l.t, err)
	req, err := http.NewRequest(http.MethodPost, s.URL, http.NoBody)
	require.NoError(l.t, err)
	req.Header.Set("Authorization", value)
	resp, err := l.base.RoundTrip(req)
	require.NoError(l.t, err)
	resp.Body.Close()
	require.Equal(l.t, 2, resp.StatusCode/100)
}

// TestWhatCountsAsService: only content for a later request lets a payee be paid a second time before
// the hour is over.
func TestWhatCountsAsService(t *testing.T) {
	for name, c := range map[string]struct {
		between turn
		second  bool
	}{
		"content": {serves, true},
		"an error with a receipt": {func(*payer, *liar, sent) *http.Response {
			return reply(http.StatusInternalServerError, "", "Payment-Receipt", baseReceipt)
		}, false},
		"a redirect with a receipt": {func(p *payer, _ *liar, _ sent) *http.Response {
			return reply(http.StatusFound, "", "Payment-Receipt", baseReceipt, "Location", p.srv.URL+"/free")
		}, false},
		"nothing, with a receipt": {func(*payer, *liar, sent) *http.Response {
			return reply(http.StatusNoContent, "", "Payment-Receipt", baseReceipt)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := wary(t)
			before := p.signed()
			p.follow(serves, unknown(""), serves, c.between, unknown(""), serves)
			for range 3 {
				resp, err := p.do(http.MethodGet, "/data", nil)
				_, _, _ = finish(t, resp, err)
			}
			prices := uint64(4)
			if c.second {
				prices = 5
			}
			assert.Equal(t, u(prices*100), p.signedAbove(before))
		})
	}
}
