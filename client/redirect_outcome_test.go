package client_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestOutcomeAfterATolledRedirect: what a redirect charged stays accepted, however its target answers.
func TestOutcomeAfterATolledRedirect(t *testing.T) {
	lost := errors.New("connection lost")
	for name, c := range map[string]struct {
		target string
		answer func(p *payer, paid bool) (*http.Response, error)
		want   client.Outcome
		err    error
	}{
		"free": {target: "/free", want: client.OutcomeAccepted},
		"free, and not there": {
			target: "/nowhere", want: client.OutcomeAcceptedNoContent,
		},
		"paid": {target: "/data", want: client.OutcomeAccepted},
		"lost": {
			target: "/data", want: client.OutcomeAcceptedNoContent, err: lost,
			answer: func(*payer, bool) (*http.Response, error) { return nil, lost },
		},
		"too expensive": {
			target: "/data?price=5000", want: client.OutcomeAcceptedNoContent, err: channel.ErrLimit,
		},
		"for others to pay": {
			target: "/data", want: client.OutcomeAcceptedNoContent,
			answer: func(*payer, bool) (*http.Response, error) {
				return reply(http.StatusPaymentRequired, "", "WWW-Authenticate", "Other x=y"), nil
			},
		},
		"refused": {
			target: "/data", want: client.OutcomeAcceptedNoContent,
			answer: func(p *payer, paid bool) (*http.Response, error) {
				if !paid {
					return nil, nil
				}
				return reply(http.StatusPaymentRequired, ""), nil
			},
		},
	} {
		for _, stale := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				srv.Handle("/toll", srv.Paid(
					clienttest.Terms{Price: u(30), Deposit: u(10_000)},
					http.RedirectHandler(c.target, http.StatusFound),
				))
				p := newPayer(t, srv)
				l := p.lied()
				l.answer = func(_ int, s sent) (*http.Response, error) {
					switch {
					case !strings.HasSuffix(s.URL, "/toll"):
						if c.answer != nil {
							return c.answer(p, s.Paid != nil)
						}
					case s.Paid != nil && stale: // a refusal before the charge changes nothing
						stale = false
						return p.unpaid("/toll"), nil
					}
					return nil, nil
				}
				resp, err := p.do(http.MethodGet, "/toll", nil)
				if c.err != nil {
					e := p.refused(resp, err)
					require.ErrorIs(t, e, c.err)
					assert.Equal(t, c.want, e.Outcome)
					assert.False(t, e.Retryable(), "the toll would be paid again")
					return
				}
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, c.want, client.PaymentOf(resp).Outcome)
			})
		}
	}
}

// TestOutcomeAfterATopUpThatLeft: the deposit may be there, so the request does not end as if nothing had
// left.
func TestOutcomeAfterATopUpThatLeft(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	broken := errors.New("the key is locked")
	locked := false
	p := newPayer(t, srv, func(c *client.Config) {
		c.Signer = signerFunc{c.Signer, func(context.Context) error {
			if locked {
				return broken
			}
			return nil
		}}
	})
	p.get("/data?deposit=100")
	locked = true
	e := p.refused(p.do(http.MethodGet, "/data?deposit=100", nil))
	require.ErrorIs(t, e, broken)
	assert.Equal(t, client.OutcomeUnknown, e.Outcome)
	assert.True(t, u(100).Less(srv.Chain.Channel(p.only().ID).Deposit), "the top-up was mined")
	locked = false
	p.get("/data?deposit=100")
	assert.Equal(t, u(200), p.agree().Signed)
}
