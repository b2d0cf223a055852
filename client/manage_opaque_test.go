package client_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestOpaqueURL: some clients put the path, as it is to be sent, into URL.Opaque. What names a host
// there is not dialed, so vouchers and proofs go where the request goes, and nowhere else.
func TestOpaqueURL(t *testing.T) {
	for _, host := range []string{"//127.0.0.1:1", ""} {
		p := newPayer(t, clienttest.New(t, clienttest.Config{}), bootstrapping)
		l := p.lied()
		own, err := url.Parse(p.srv.URL)
		require.NoError(t, err)
		for _, path := range []string{"/boot", "/stream/3/10"} {
			req := p.request(t.Context(), http.MethodGet, path, nil)
			req.URL.Opaque = host + req.URL.Path
			resp, err := p.send(req)
			p.ok(resp, err)
		}
		for _, s := range l.all() {
			assert.Equal(t, own.Host, s.Host, s)
		}
		assert.Len(t, l.paid("proof"), 1)
		assert.NotEmpty(t, l.paid("voucher"))
		p.agree()
	}
}

// TestOpaqueURLIsAPlace: what is in URL.Opaque is the path and the query of the request, for its route,
// for how its vouchers go, and for the place where its channel is closed.
func TestOpaqueURLIsAPlace(t *testing.T) {
	for _, host := range []string{"//other.example", ""} {
		srv := clienttest.New(t, clienttest.Config{})
		p := newPayer(t, srv)
		paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(1000)}, http.HandlerFunc(sayOK))
		dear := srv.Paid(clienttest.Terms{Price: u(300), Deposit: u(1000)}, http.HandlerFunc(sayOK))
		stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 9) })
		var seen []string
		front := serve(t, func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Method+" "+r.URL.EscapedPath()+" "+r.URL.RawQuery)
			switch r.URL.EscapedPath() {
			case "/models/org%2Fone":
				paid.ServeHTTP(w, r)
			case "/dear":
				dear.ServeHTTP(w, r)
			case "/stream":
				stream.ServeHTTP(w, r)
			default:
				http.NotFound(w, r)
			}
		})
		get := func(method, target string) *http.Response {
			req := p.request(t.Context(), method, front.URL, nil)
			req.URL.Opaque = host + target
			resp, err := p.send(req)
			require.NoError(t, err)
			return resp
		}
		for range 2 {
			p.ok(get(http.MethodGet, "/models/org%2Fone?token=secret"), nil)
			p.ok(get(http.MethodGet, "/dear"), nil)
		}
		assert.Equal(t, []string{
			"GET /models/org%2Fone token=secret", "GET /models/org%2Fone token=secret", // opened
			"GET /dear ", "GET /dear ", // another route: it is asked for its price
			"GET /models/org%2Fone token=secret", "GET /dear ", // both are known
		}, seen)
		seen = nil
		p.delivered(9, get(http.MethodPost, "/stream?x=1"), nil)
		assert.Contains(t, seen, "HEAD /stream x=1")
		assert.Equal(t, 2, strings.Count(strings.Join(seen, ","), "POST"), "an empty POST to a query is content")
		s := p.only()
		assert.Equal(t, front.URL+"/models/org%2Fone", s.URL)
		require.NoError(t, p.session.Channels().Close(t.Context(), s.ID))
		p.paidOut(p.only(), 890)
	}
}
