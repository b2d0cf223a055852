package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestProofThatDidNotLeave: a proof that certainly was not sent does not count, so that the next
// request gives one. One that may have left does, and so does the answer to the question for one.
func TestProofThatDidNotLeave(t *testing.T) {
	const again = "GET 402, GET proof 402, GET open 200"
	for name, c := range map[string]struct {
		first func(t *testing.T, p *payer, n *pen) error // the error of the first request
		want  string                                     // what the second one sends
	}{
		"the signer refuses": {func(_ *testing.T, p *payer, n *pen) error {
			locked := errors.New("the key is locked")
			n.broken.Store(&locked)
			defer n.broken.Store(nil)
			return p.payment(t, "/who")
		}, again},
		"no connection": {func(t *testing.T, p *payer, _ *pen) error {
			var dials atomic.Int32
			base := p.base
			p.base = &http.Transport{
				DisableKeepAlives: true,
				DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if dials.Add(1) > 1 {
						return nil, errors.New("no route to host")
					}
					return (&net.Dialer{}).DialContext(ctx, network, addr)
				},
			}
			defer func() { p.base = base }()
			return p.payment(t, "/who")
		}, again},
		"canceled after it was sent": {func(t *testing.T, p *payer, _ *pen) error {
			ctx, cancel := context.WithCancel(t.Context())
			p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				if r.Action == "proof" {
					cancel()
				}
				return clienttest.Fault{Hang: r.Action == "proof"}
			})
			defer p.srv.OnRequest(nil)
			_, err := p.send(p.request(ctx, http.MethodGet, "/who", nil))
			return err
		}, "GET 402"},
		"lost, and nobody says when": {func(t *testing.T, p *payer, _ *pen) error {
			base := p.base
			defer func() { p.base = base }()
			p.base = tripper(func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") != "" {
					return nil, errors.New("lost")
				}
				return base.RoundTrip(r)
			})
			return p.payment(t, "/who")
		}, "GET 402"},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, clienttest.New(t, clienttest.Config{}), n.counted)
			require.Error(t, c.first(t, p, &n))
			p.exchanges()
			resp, err := p.do(http.MethodGet, "/who", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, c.want, p.exchanges())
		})
	}
}

// payment returns why a request was not served.
func (p *payer) payment(t *testing.T, path string) error {
	t.Helper()
	resp, err := p.do(http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	return client.PaymentOf(resp).Err
}

// TestBootstrapThatWasCanceled: a question for a proof that the caller canceled says nothing of the
// origin. One that was not answered in time does: it would hold up every request.
func TestBootstrapThatWasCanceled(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		for canceled, heads := range map[bool]int{true: 2, false: 0} {
			var n pen
			p := inMemory(t, bootstrapping, n.counted)
			ctx, cancel := context.WithTimeout(t.Context(), brief)
			defer cancel()
			p.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
				if r.Method == http.MethodHead && canceled {
					cancel()
				}
				return clienttest.Fault{Hang: r.Method == http.MethodHead}
			})
			_, err := p.send(p.request(ctx, http.MethodGet, "/boot", nil))
			require.Error(t, err)
			p.srv.OnRequest(nil)
			l := p.lied()
			p.get("/boot")
			assert.Len(t, l.heads(), heads)
			assert.EqualValues(t, heads/2, n.proofs.Load())
		}
	})
}
