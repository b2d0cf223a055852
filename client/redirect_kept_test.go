package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// signedInAll is the sum of the highest vouchers of all channels.
func (p *payer) signedInAll() (sum voucher.Amount) {
	for _, c := range p.channels() {
		sum = sum.AddCapped(c.Signed)
	}
	return sum
}

// bounced sends two requests to a payee that redirects and refuses in turn.
func (p *payer) bounced() {
	p.srv.Lie(lies.BounceFound, lies.ProblemDelta)
	for range 2 {
		if resp, err := p.do(http.MethodGet, "/data", nil); err == nil {
			resp.Body.Close()
		}
	}
}

// alien answers with another request than the one that was sent, as caches and fakes do.
type alien struct {
	base http.RoundTripper
	of   func(*http.Request) *http.Request
}

func (f alien) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.base.RoundTrip(r)
	if resp != nil {
		resp.Request = f.of(r)
	}
	return resp, err
}

// TestRedirectsOverForeignRoundTrippers: redirects without a charge cost one price, whatever request
// the round tripper below names in its responses.
func TestRedirectsOverForeignRoundTrippers(t *testing.T) {
	var first *http.Request
	for name, of := range map[string]func(*http.Request) *http.Request{
		"none":  func(*http.Request) *http.Request { return nil },
		"alien": func(r *http.Request) *http.Request { return r.Clone(context.Background()) },
		"old": func(r *http.Request) *http.Request {
			if first == nil {
				first = r
			}
			return first
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			p.base = alien{p.base, of}
			for range 2 {
				resp, err := p.do(http.MethodGet, "/free", nil)
				p.ok(resp, err)
				if assert.NotNil(t, client.PaymentOf(resp)) {
					assert.Equal(t, client.OutcomeNone, client.PaymentOf(resp).Outcome)
				}
			}
			p.bounced()
			assert.Equal(t, u(300), p.signedInAll())
		})
	}
}

// TestRedirectThatIsFollowedTwice: one follower goes on with the purchase, the others make new ones.
func TestRedirectThatIsFollowedTwice(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) {
		switch {
		case !strings.HasSuffix(s.URL, "/old"):
			return nil, nil
		case s.Paid == nil:
			return p.unpaid("/data"), nil
		}
		return reply(http.StatusFound, "", "Location", srv.URL+"/data"), nil
	}
	transport := &client.Transport{Session: p.session, Base: p.base}
	redirect, err := transport.RoundTrip(p.request(t.Context(), http.MethodGet, "/old", nil))
	require.NoError(t, err)
	redirect.Body.Close()

	const followers = 4
	var all sync.WaitGroup
	for range followers {
		all.Go(func() {
			req := p.request(t.Context(), http.MethodGet, "/data", nil)
			req.Response = redirect
			resp, err := transport.RoundTrip(req)
			if !assert.NoError(t, err) {
				return
			}
			_, err = io.Copy(io.Discard, resp.Body)
			assert.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
	all.Wait()
	assert.Equal(t, u(100+followers*100), p.agree().Signed)
}

// TestJournalOverRedirects: each rise of a ceiling has one line, however often the request was refused,
// redirected, and sent to other terms.
func TestJournalOverRedirects(t *testing.T) {
	for _, tell := range [][]lies.Lie{
		{lies.BounceFound},
		{lies.RedirectToll},
		{lies.BounceFound, lies.ProblemDelta},
		{lies.BounceFound, lies.FlipProtocol},
		{lies.BounceFound, lies.FlipPayeeOnce},
		{lies.BounceFound, lies.GoneAgain},
		{lies.BounceFound, lies.PriceClimbs},
		{lies.FlipErratic},
		{lies.FlipProtocolOnce},
	} {
		t.Run(fmt.Sprint(tell), func(t *testing.T) {
			var d diary
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv, d.kept, func(c *client.Config) {
				c.Policy = client.AllowHosts(srv.URL)
			})
			p.get("/data")
			srv.Lie(tell...)
			for range 3 {
				if resp, err := p.do(http.MethodGet, "/data", nil); err == nil {
					resp.Body.Close()
				}
			}
			srv.Lie()
			srv.Chain.Advance(time.Hour) // what was not mined never will be
			p.sync()
			d.reconciles(p)
		})
	}
}
