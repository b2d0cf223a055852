package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// owner decides about what is above Limits.Ask, and keeps what was asked.
type owner struct {
	mu     sync.Mutex // guards quotes
	quotes []client.Quote
	decide func(client.Quote) error // nil approves
}

// asks returns a config whose owner is asked about what costs more than above.
func (o *owner) asks(above uint64) func(*client.Config) {
	return func(c *client.Config) {
		c.Limits.Ask = u(above)
		c.Approve = func(_ context.Context, q client.Quote) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.quotes = append(o.quotes, q)
			if o.decide == nil {
				return nil
			}
			return o.decide(q)
		}
	}
}

// sums are the amounts that the owner was asked about.
func (o *owner) sums() (all []voucher.Amount) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.quotes {
		all = append(all, q.Decision.Wanted)
	}
	return all
}

var errOwner = errors.New("the owner says no")

// TestApprovalNamesTheTerms: the owner approves to pay one payee. What a retry or a redirect wants
// instead is another question; if the owner says no, it is not paid, and nothing is opened for it.
func TestApprovalNamesTheTerms(t *testing.T) {
	const refused, found = "payment-required", http.StatusFound
	other := payeeIs(stranger(1))
	for name, turns := range map[string][]turn{
		"payee":                     {wants(refused, "/data", other)},
		"payee, no problem":         {wants("", "/data", other)},
		"payee, stale":              {wants("invalid-challenge", "/data", other)},
		"payee and protocol":        {wants(refused, "/v1/data", other)},
		"payee and lower price":     {wants(refused, "/data", other, priceIs("60"))},
		"payee and gone":            {unknown(""), wants(refused, "/data", other)},
		"operator":                  {wants(refused, "/data", operatorIs(stranger(2)))},
		"unit":                      {wants(refused, "/data", unitIs("chunk"))},
		"token":                     {wants(refused, "/data", tokenIs(stranger(3)))},
		"after a redirect":          {leads(found, "/data"), wants(refused, "/data", other)},
		"protocol after a redirect": {leads(found, "/v1/data"), wants(refused, "/v1/data", other)},
		"after three redirects": {
			leads(found, "/data"), leads(http.StatusSeeOther, "/v1/data"),
			leads(http.StatusTemporaryRedirect, "/data"), wants(refused, "/v1/data", other),
		},
		"back and forth over three redirects": {
			wants(refused, "/v1/data"), leads(found, "/data"), wants(refused, "/data", other),
			leads(found, "/data"), wants(refused, "/v1/data"), leads(found, "/data"),
			wants(refused, "/data", operatorIs(stranger(2))),
		},
	} {
		for _, policy := range []string{"pin", "hosts"} {
			for _, warm := range []bool{false, true} {
				t.Run(name+", "+policy+map[bool]string{true: ", warm"}[warm], func(t *testing.T) {
					srv := clienttest.New(t, clienttest.Config{})
					var o owner
					o.decide = func(q client.Quote) error {
						if plain := q.Offer; plain.Payee != srv.Payee || plain.Token != srv.Token ||
							plain.UnitType != "request" || plain.Operator == stranger(2) {
							return errOwner
						}
						return nil
					}
					p := newPayer(t, srv, o.asks(50), func(c *client.Config) {
						if policy == "hosts" {
							c.Policy = client.AllowHosts(srv.URL)
						}
					})
					if warm {
						p.get("/data")
						p.get("/v1/data")
					}
					l := p.follow(wants("", "/data"), turns...)
					resp, err := p.do(http.MethodGet, "/data", nil)
					outcome, _, err := finish(t, resp, err)
					assert.Contains(t, []client.Outcome{
						client.OutcomeRejected, client.OutcomeUnknown,
					}, outcome, "%v", err)
					require.NotEmpty(t, l.spenders())
					for _, s := range p.channels() {
						assert.Equal(
							t, srv.Payee, s.Descriptor.Payee, "a channel for another payee",
						)
						assert.Equal(t, srv.Token, s.Descriptor.Token)
						assert.NotEqual(t, stranger(2), s.Descriptor.Operator)
					}
					for _, s := range l.spenders() {
						assert.NotContains(t, s.unitPaid(t), "chunk")
					}
				})
			}
		}
	}
}

// TestUnitOfARetryIsAnotherOffer: a stream is agreed to at one price for all of it. A refusal that
// brings a challenge with a price for each event does not make it cost that.
func TestUnitOfARetryIsAnotherOffer(t *testing.T) {
	for _, rail := range rails {
		for name, c := range map[string]struct {
			problem string
			owners  bool // a policy of the owner accepts everything that it is asked about
			signed  uint64
		}{
			"stale":                    {problem: "invalid-challenge", signed: 10},
			"expired":                  {problem: "payment-expired", signed: 10},
			"no problem":               {signed: 10},
			"too low":                  {problem: "session/insufficient-balance", signed: 10},
			"required":                 {problem: "payment-required", signed: 10},
			"stale, and the policy":    {problem: "invalid-challenge", owners: true, signed: 1000},
			"required, and the policy": {problem: "payment-required", owners: true, signed: 1000},
		} {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv, func(c *client.Config) {
					c.Limits.Stream, c.Limits.PieceByPiece = u(5000), true
				})
				accept := client.PinFirstUse(p.store)
				if c.owners {
					accept = func(context.Context, client.Proposal) error { return nil }
				}
				var units []string
				p.cfg.Policy = func(ctx context.Context, q client.Proposal) error {
					units = append(units, q.Offer.UnitType)
					return accept(ctx, q)
				}
				p.restart()
				path := rail + "/stream"
				l := p.follow(
					wants("", path, unitIs("request")), wants(c.problem, path), serves,
				)
				resp, err := p.do(http.MethodGet, path+"?n=100&price=10", nil)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				assert.Equal(
					t, []string{"request", "chunk"}, units, "the policy is asked about both",
				)
				assert.NotEmpty(t, l.spenders())
				assert.Equal(t, u(c.signed), p.only().Signed)
			})
		}
	}
}
