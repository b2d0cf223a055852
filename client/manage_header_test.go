package client_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// serve serves a handler until the test ends.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// gateway stands before a payee and answers 401 to what pass does not let through.
func gateway(t *testing.T, payee http.Handler, pass func(*http.Request) bool) *httptest.Server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !pass(r) {
			http.Error(w, `{"message":"no key"}`, http.StatusUnauthorized)
			return
		}
		payee.ServeHTTP(w, r)
	})
}

// data answers with content.
func data(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// delivered expects a stream of n events, read to its end.
func (p *payer) delivered(n int, resp *http.Response, err error) {
	p.t.Helper()
	require.NoError(p.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	assert.Equal(p.t, n, bytes.Count(got, []byte("\n\n")))
}

// needed are headers that a gateway may want to see with every request.
var needed = map[string]string{
	"X-Api-Key": "k", "Cookie": "session=1; theme=dark", "User-Agent": "mine/1",
	"Cf-Access-Client-Id": "a", "Api-Version": "2", "Proxy-Authorization": "Basic eDp5",
	"Accept": "application/vnd.example.v2+json", "Accept-Language": "mi", "Origin": "https://app.example",
	"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Prefer": "code=200",
}

// TestVouchersPassAGateway: what a caller has to send with every request goes with the vouchers of its
// stream, by HEAD and by POST, also if the caller wrote the name in lower case.
func TestVouchersPassAGateway(t *testing.T) {
	for name, value := range needed {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			for _, spelled := range []string{name, strings.ToLower(name)} {
				if name == "User-Agent" && spelled != name {
					continue // net/http adds its own to a name that is not canonical
				}
				t.Run(spelled+" "+method, func(t *testing.T) {
					srv := clienttest.New(t, clienttest.Config{})
					p := newPayer(t, srv)
					stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
					front := gateway(t, stream, func(r *http.Request) bool {
						return len(r.Header.Values(name)) == 1 && r.Header.Get(name) == value
					})
					var body io.Reader
					if method == http.MethodPost {
						body = strings.NewReader("{}")
					}
					req, err := http.NewRequestWithContext(t.Context(), method, front.URL, body)
					require.NoError(t, err)
					req.Header[spelled] = []string{value}
					resp, err := p.send(req)
					p.delivered(5, resp, err)
				})
			}
		}
	}
}

// TestTopUpsPassAGateway: and with top-ups. Otherwise every request fails once the first deposit is
// used up.
func TestTopUpsPassAGateway(t *testing.T) {
	for name, value := range needed {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(200)}, http.HandlerFunc(data))
			front := gateway(t, paid, func(r *http.Request) bool { return r.Header.Get(name) == value })
			for range 5 {
				p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil, name, value))
				srv.Chain.Advance(time.Minute)
			}
			assert.Equal(t, u(500), p.agree().Claimed)
		})
	}
}

// TestManagementCarriesNoMessageHeaders: what describes the caller's body, its connection or the one
// answer that it wants goes with no voucher, top-up or proof. The host goes, and the caller's own
// Authorization if the credential has a header of its own; in no case do two go.
func TestManagementCarriesNoMessageHeaders(t *testing.T) {
	ofOne := []string{
		"Content-Type", "Content-Encoding", "Content-Language", "Content-Digest", "Content-MD5", "Content-Range",
		"Digest", "Repr-Digest", "Range", "If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If",
		"Idempotency-Key", "X-Idempotency-Key", "X-Hop", "Te", "Keep-Alive", "Upgrade", "Payment-Session", "Trailer",
	}
	for _, credential := range []string{"", "Payment-Authorization"} {
		for _, lower := range []bool{false, true} {
			srv := clienttest.New(t, clienttest.Config{Header: credential})
			p := newPayer(t, srv, func(c *client.Config) { c.Bootstrap = true })
			l := p.lied()
			for i := range 3 {
				req := p.request(t.Context(), http.MethodPost, "/boot?deposit=200", strings.NewReader("{}"))
				req.Host = "api.example"
				set := func(name, value string) {
					if lower {
						req.Header[strings.ToLower(name)] = []string{value}
						return
					}
					req.Header.Set(name, value)
				}
				for _, name := range ofOne {
					set(name, "x")
				}
				set("Idempotency-Key", fmt.Sprint(i)) // three requests, not one and its retries
				set("Connection", "X-Hop, close")
				set("Accept-Encoding", "br")
				set("Accept", "text/event-stream")
				set("X-Api-Key", "k")
				if credential == "" {
					req.Header.Set("Authorization", "Bearer of-the-caller")
				} else {
					set("Authorization", "Bearer of-the-caller")
				}
				resp, err := p.send(req)
				if err == nil {
					resp.Body.Close()
				}
			}
			var seen []string
			for _, s := range l.all() {
				if s.Body != "" {
					continue // the caller's own request
				}
				seen = append(seen, s.action())
				for _, name := range append(ofOne, "Connection", "Accept-Encoding") {
					assert.Empty(t, spelledAnyhow(s, name), "%s %s", s, name)
				}
				assert.Equal(t, []string{"*/*"}, spelledAnyhow(s, "Accept"), "%s", s)
				assert.Equal(t, []string{"k"}, spelledAnyhow(s, "X-Api-Key"), "%s", s)
				own := spelledAnyhow(s, "Authorization")
				require.Len(t, own, 1, "%s", s)
				assert.Equal(t, credential != "" || s.Paid == nil, own[0] == "Bearer of-the-caller", "%s", s)
			}
			assert.Contains(t, seen, "topUp")
			assert.Contains(t, seen, "", "the question for a proof")
		}
	}
}

// spelledAnyhow returns the values of a header in whatever letters its name is.
func spelledAnyhow(s sent, name string) (values []string) {
	for key, v := range s.Header {
		if strings.EqualFold(key, name) {
			values = append(values, v...)
		}
	}
	return values
}

// TestManagementKeepsTheHost: a virtual host that is not in the URL.
func TestManagementKeepsTheHost(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
	front := gateway(t, stream, func(r *http.Request) bool { return r.Host == "api.example" })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL, nil)
	require.NoError(t, err)
	req.Host = "api.example"
	resp, err := p.send(req)
	p.delivered(5, resp, err)
}

// TestCookiesOfTheJarPayVouchers: http.Client puts the cookies of its jar into the request, and they
// go with the vouchers of a stream.
func TestCookiesOfTheJarPayVouchers(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
	front := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "1", Path: "/"})
			return
		}
		if c, err := r.Cookie("session"); err != nil || c.Value != "1" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		stream.ServeHTTP(w, r)
	})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	c := http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}, Jar: jar}
	resp, err := c.Get(front.URL + "/login")
	require.NoError(t, err)
	resp.Body.Close()
	resp, err = c.Get(front.URL + "/stream")
	p.delivered(5, resp, err)
}
