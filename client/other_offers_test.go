package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// stripe is an offer that this module cannot pay.
const stripe = `Payment id="x", realm="r", method="stripe", intent="charge", request="e30"`

// TestOffersOfOthersComeBack: a 402 that offers something this session cannot pay, beside something
// that it refuses, goes back to the caller as it is, so that another transport can pay it. The
// reason of the refusal is available, and nothing is signed. Without the other offer it is an
// error.
func TestOffersOfOthersComeBack(t *testing.T) {
	insecure := "http://paid.example/data"
	for name, c := range map[string]struct {
		config func(*client.Config)
		demand demand
		run    uint64 // a budget; zero means none
		url    string
		body   io.Reader
		want   error
	}{
		"another chain":  {demand: chainIs(4217), want: escrow.ErrChainID},
		"unknown escrow": {demand: escrowIs(stranger(1)), want: client.ErrEscrow},
		"unknown token": {
			demand: func(r map[string]any) { r["currency"] = stranger(1).Hex() }, want: channel.ErrAsset,
		},
		"unknown protocol": {demand: protocolIs("v9"), want: channel.ErrOffer},
		"the price":        {demand: priceIs("1001"), want: channel.ErrLimit},
		"no limits": {
			config: func(c *client.Config) { c.Limits = channel.Limits{} }, want: channel.ErrLimit,
		},
		"no deposit": {
			config: func(c *client.Config) { c.Limits.Deposit = u(50) }, want: channel.ErrLimit,
		},
		"an hour": {
			config: func(c *client.Config) { c.Limits.All.Hour = u(50) }, want: channel.ErrLimit,
		},
		"a budget": {run: 99, want: channel.ErrLimit},
		"a policy": {
			config: func(c *client.Config) { c.Policy = client.DenyHosts("127.0.0.1") },
			want:   client.ErrPolicy,
		},
		"an owner": {
			config: func(c *client.Config) {
				c.Limits.Ask = u(1)
				c.Approve = func(context.Context, client.Quote) error { return errOwner }
			},
			want: errOwner,
		},
		"no chain connection": {
			config: func(c *client.Config) { c.Chain = nil }, want: client.ErrNoChain,
		},
		"no funding key": {
			config: func(c *client.Config) { c.Payer = nil }, want: client.ErrNoPayer,
		},
		"a connection in the clear": {url: insecure, want: client.ErrInsecure},
		"a body that cannot be sent again": {
			config: func(c *client.Config) { c.Spool = -1 }, body: oneShot(3), want: client.ErrBody,
		},
	} {
		for where, others := range map[string]func(ours string) []string{
			"after":       func(ours string) []string { return []string{ours, stripe} },
			"before":      func(ours string) []string { return []string{stripe, ours} },
			"in one line": func(ours string) []string { return []string{stripe + ", " + ours} },
			"another kind": func(ours string) []string {
				return []string{
					`Bearer realm="x"`, ours,
				}
			},
			"alone": func(ours string) []string { return []string{ours} },
		} {
			for _, rail := range rails {
				t.Run(name+", "+where+rail, func(t *testing.T) {
					srv := clienttest.New(t, clienttest.Config{})
					var n pen
					p := newPayer(t, srv, n.counted, func(cfg *client.Config) {
						if c.config != nil {
							c.config(cfg)
						}
					})
					l := p.lied()
					var offers []string
					l.answer = func(int, sent) (*http.Response, error) {
						asked := p.unpaid(rail + "/data")
						if c.demand != nil {
							l.forge(
								asked,
								func(_ *wire.Challenge, r map[string]any) { c.demand(r) },
							)
						}
						resp := reply(http.StatusPaymentRequired, "as it was")
						offers = others(asked.Header.Get("WWW-Authenticate"))
						resp.Header["Www-Authenticate"] = offers
						return resp, nil
					}
					ctx := t.Context()
					if c.run > 0 {
						ctx = client.WithBudget(ctx, client.NewBudget(asset(srv), u(c.run)))
					}
					req := p.request(ctx, http.MethodPost, defaulted(c.url, rail+"/data"), c.body)
					resp, err := p.send(req)
					assert.Zero(
						t, n.vouchers.Load()+n.transactions.Load()+n.proofs.Load(), "signatures",
					)
					assert.Empty(t, l.paid(""))
					want := c.want
					if errors.Is(want, escrow.ErrChainID) && rail == "/v1" {
						want = client.ErrEscrow // there is no canonical one on that chain
					}
					if told := p.events.of(client.EventRefused); assert.Len(t, told, 1, "it is told once") {
						assert.ErrorIs(t, told[0].Err, want)
						assert.Equal(t, http.StatusPaymentRequired, told[0].Status)
						assert.True(t, told[0].Cumulative.IsZero())
					}
					if where == "alone" {
						e := p.refused(resp, err)
						require.ErrorIs(t, e, want)
						assert.Equal(t, client.OutcomeRefused, e.Outcome)
						return
					}
					require.NoError(t, err)
					body, err := io.ReadAll(resp.Body)
					require.NoError(t, err)
					resp.Body.Close()
					assert.Equal(t, "as it was", string(body))
					assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
					assert.Equal(t, offers, resp.Header.Values("WWW-Authenticate"))
					assert.ErrorIs(t, client.PaymentOf(resp).Err, want)
				})
			}
		}
	}
}

// TestOffersOfOthersAfterAPayment come back too, and the outcome shows that a voucher left.
func TestOffersOfOthersAfterAPayment(t *testing.T) {
	for name, c := range map[string]struct {
		demand demand
		want   error
	}{
		"nothing of ours":         {},
		"a price above limits":    {priceIs("1001"), channel.ErrLimit},
		"another payee":           {payeeIs(stranger(1)), client.ErrPolicy},
		"an escrow of its own":    {escrowIs(stranger(1)), client.ErrEscrow},
		"a version of the future": {protocolIs("v9"), channel.ErrOffer},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				p.get(rail + "/data")
				p.follow(serves, func(p *payer, l *liar, s sent) *http.Response {
					resp := reply(
						http.StatusPaymentRequired, "as it was", "WWW-Authenticate", stripe,
					)
					if c.demand != nil {
						ours := wants("", rail+"/data", c.demand)(p, l, s)
						resp.Header.Add("WWW-Authenticate", ours.Header.Get("WWW-Authenticate"))
					}
					return resp
				})
				resp, err := p.do(http.MethodGet, rail+"/data", nil)
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, "as it was", string(body))
				info := client.PaymentOf(resp)
				assert.Equal(t, client.OutcomeRejected, info.Outcome)
				assert.Equal(t, u(200), info.Cumulative)
				assert.ErrorIs(t, info.Err, c.want)
			})
		}
	}
}
