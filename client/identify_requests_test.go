package client_test

import (
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestPayerProvesInAnyRequest: whatever request a payee answers with the question who pays, and
// whatever is before it, one proof is given, one channel is opened, and one price is paid.
func TestPayerProvesInAnyRequest(t *testing.T) {
	asks := clienttest.Terms{
		Price: u(100), Deposit: u(10_000), Identify: clienttest.IdentifyFirst, Hints: clienttest.SnapshotHints,
	}
	key := func(r *http.Request) { r.Header.Set("Idempotency-Key", rand.Text()) }
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer k") }
	for name, c := range map[string]struct {
		method, path, body, credential string
		change                         func(*http.Request)
		front                          func(http.Handler) http.Handler
		tls                            bool
	}{
		"HEAD":            {method: http.MethodHead},
		"OPTIONS":         {method: http.MethodOptions},
		"PUT":             {method: http.MethodPut, body: "x"},
		"DELETE":          {method: http.MethodDelete},
		"a query":         {method: http.MethodGet, path: "?a=b&c"},
		"an encoded path": {method: http.MethodGet, path: "org%2Fmodel/a%20b"},
		"a key of its own": {
			method: http.MethodPost, body: "x", change: key,
		},
		"a virtual host": {method: http.MethodGet, change: func(r *http.Request) { r.Host = "api.example" }},
		"HTTP/2":         {method: http.MethodPost, body: "x", tls: true},
		"a key for the gateway": {
			method: http.MethodGet, credential: "Payment-Authorization", change: bearer,
			front: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") != "Bearer k" {
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					h.ServeHTTP(w, r)
				})
			},
		},
		"a redirect before": {
			method: http.MethodGet, path: "old",
			front: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/old" {
						http.Redirect(w, r, "/new", http.StatusTemporaryRedirect)
						return
					}
					h.ServeHTTP(w, r)
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{Header: c.credential})
			var n pen
			p := newPayer(t, srv, n.counted)
			h := srv.Paid(asks, http.HandlerFunc(sayOK))
			if c.front != nil {
				h = c.front(h)
			}
			front := overTCP(t, h)
			if c.tls {
				front = overTLS(t, h)
				p.base = front.Client().Transport
			}
			for try := range uint64(2) {
				var body io.Reader
				if c.body != "" {
					body = strings.NewReader(c.body)
				}
				req := p.request(t.Context(), c.method, front.URL+"/"+c.path, body)
				if c.change != nil {
					c.change(req)
				}
				resp, err := p.send(req)
				require.NoError(t, err)
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				require.Less(t, resp.StatusCode, 300, "%v", client.PaymentOf(resp).Err)
				if c.method != http.MethodHead { // which this payee takes for a voucher alone
					assert.Equal(t, u(100*(try+1)), p.only().Claimed)
				}
			}
			assert.EqualValues(t, 1, n.proofs.Load())
			assert.EqualValues(t, 1, n.transactions.Load())
			p.agree()
		})
	}
}
