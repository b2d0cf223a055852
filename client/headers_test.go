package client_test

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestAcceptPayment: the caller's own header stays, and is obeyed.
func TestAcceptPayment(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for value, paid := range map[string]bool{
		"":                                     true,
		"tempo/session;q=0.5":                  true,
		"tempo/charge, */session;q=0.1":        true,
		"this is no preference":                true,
		"tempo/session;q=0":                    false,
		"tempo/charge":                         false,
		"*/*, tempo/session;q=0, tempo/charge": false,
	} {
		t.Run(value, func(t *testing.T) {
			p := newPayer(t, srv)
			l := p.lied()
			req := p.request(t.Context(), http.MethodGet, "/data", nil)
			want := []string{"tempo/session"}
			if value != "" {
				want = []string{value}
				req.Header["Accept-Payment"] = want
			}
			resp, err := p.send(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			for _, s := range l.all() {
				assert.Equal(t, want, s.Header["Accept-Payment"])
			}
			if paid {
				assert.Equal(t, 200, resp.StatusCode)
				assert.Len(t, l.all(), 2)
				return
			}
			assert.Equal(t, 402, resp.StatusCode, "a caller who wants no session gets the 402")
			assert.Empty(t, l.paid(""))
			assert.Empty(t, p.channels())
		})
	}
}

// TestCredentialHeader: a challenge can name the header that it wants the credential in.
func TestCredentialHeader(t *testing.T) {
	own := "Bearer of-the-caller"
	for header, kept := range map[string]bool{"": false, "Payment-Authorization": true} {
		t.Run(header, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{Header: header})
			p := newPayer(t, srv, func(c *client.Config) { c.Limits.Deposit = u(100_000) })
			l := p.lied()
			for range 4 { // 402, open; voucher; voucher; top-up and voucher
				req := p.request(t.Context(), http.MethodGet, "/data?deposit=300", nil)
				req.Header.Set("Authorization", own)
				p.ok(p.send(req))
			}
			require.Len(t, l.paid("topUp"), 1)
			for _, s := range l.all() {
				if s.Paid == nil || kept {
					assert.Equal(t, own, s.Header.Get("Authorization"), "%s %s", s.Method, s.action())
				} else {
					assert.NotEqual(t, own, s.Header.Get("Authorization"))
				}
			}
			assert.Equal(t, u(400), p.agree().Signed)
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	l := p.lied()
	keys := func(s sent) (values []string) {
		for name, v := range s.Header {
			if strings.EqualFold(name, "Idempotency-Key") { // in whatever spelling
				values = append(values, v...)
			}
		}
		return values
	}
	stale := 0
	l.answer = func(_ int, s sent) (*http.Response, error) {
		if stale == 0 || s.Paid == nil {
			return nil, nil
		}
		stale--
		resp := reply(402, "")
		refuseWith(resp, p.unpaid("/data"), "payment-expired")
		return resp, nil
	}
	p.get("/data")
	require.Len(t, l.all(), 2)
	assert.Empty(t, l.all()[0].Header["Idempotency-Key"], "what costs nothing needs none")
	first := keys(l.all()[1])
	require.Len(t, first, 1)
	assert.Len(t, first[0], 32)

	stale = 2
	p.get("/data")
	again := l.paid("voucher")
	require.Len(t, again, 3)
	assert.Equal(t, keys(again[0]), keys(again[1]))
	assert.Equal(t, keys(again[0]), keys(again[2]))
	assert.NotEqual(t, first, keys(again[0]), "another request has another key")

	stale = 1
	req := p.request(t.Context(), http.MethodGet, "/data", nil)
	req.Header.Set("Idempotency-Key", "of the caller")
	p.ok(p.send(req))
	for _, s := range l.paid("voucher")[3:] {
		assert.Equal(t, []string{"of the caller"}, keys(s))
	}
	assert.Len(t, l.paid("voucher"), 5)
	assert.Equal(t, u(300), p.agree().Signed)
}

// TestInsecureHosts: over plain HTTP only this machine is paid.
func TestInsecureHosts(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for where, ok := range map[string]bool{
		"http://api.example.com": false, "http://127.0.0.1.example.com": false, "http://10.0.0.1": false,
		"http://localhost": true, "http://127.0.0.2:99": true, "http://[::1]": true, "https://api.example.com": true,
	} {
		t.Run(where, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted)
			l := p.lied()
			l.base = elsewhere{l.base, srv.URL}
			resp, err := p.send(p.request(t.Context(), http.MethodGet, where+"/data", nil))
			if ok {
				p.ok(resp, err)
				assert.Equal(t, u(100), p.agree().Signed)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, client.ErrInsecure)
			assert.Empty(t, l.paid(""))
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load())
			p.ok(p.send(p.request(t.Context(), http.MethodGet, where+"/free", nil)))
		})
	}
}

// elsewhere sends every request to one server, whatever host it names.
type elsewhere struct {
	base http.RoundTripper
	url  string
}

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, _ = strings.Cut(e.url, "://")
	return e.base.RoundTrip(r)
}

// TestWithoutATraceNothingIsSure: a round tripper that does not say what it wrote may have sent all of it. The
// request is not sent twice, and the price stays counted.
func TestWithoutATraceNothingIsSure(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	cut := errors.New("the tunnel broke")
	l := p.lied()
	l.answer = func(_ int, s sent) (*http.Response, error) { return nil, cut }
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	require.ErrorIs(t, e, cut)
	assert.Equal(t, client.OutcomeUnknown, e.Outcome)
	assert.Len(t, l.all(), 1)
	assert.Equal(t, u(200), p.only().Claimed)
}

// TestFreeRequestsKeepTheirAcceptEncoding: what is sent without a payment asks for the encodings
// that net/http asks for, and the answer is decoded if net/http decodes it.
func TestFreeRequestsKeepTheirAcceptEncoding(t *testing.T) {
	for name, asked := range map[string][]string{
		"nothing":         nil,
		"not gzip":        {"gzip;q=0"},
		"others":          {"zstd, br"},
		"one other":       {"br"},
		"gzip":            {"gzip"},
		"in other cases":  {"GZip, BR;q=0.5"},
		"identity":        {"identity"},
		"two lines":       {"br", "gzip;q=0.1"},
		"an empty line":   {""},
		"anything at all": {"*"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			var lines []string
			paid := srv.Paid(
				clienttest.Terms{Price: u(100), Deposit: u(10_000)},
				http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
			)
			front := httptest.NewServer(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Authorization") == "" {
						lines = r.Header.Values("Accept-Encoding")
					}
					if r.URL.Path == "/paid" {
						paid.ServeHTTP(w, r)
						return
					}
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					_, _ = io.WriteString(z, "hello")
					_ = z.Close()
				},
			))
			t.Cleanup(front.Close)
			get := func(rt http.RoundTripper, path string) (string, *http.Response) {
				req := p.request(t.Context(), http.MethodGet, front.URL+path, nil)
				if asked != nil {
					req.Header["Accept-Encoding"] = asked
				}
				lines = nil
				resp, err := rt.RoundTrip(req)
				return p.ok(resp, err), resp
			}
			wantBody, want := get(p.base, "/free")
			wantLines := lines
			ours := &client.Transport{Session: p.session, Base: p.base}
			body, resp := get(ours, "/free")
			assert.Equal(t, wantLines, lines)
			assert.Equal(t, wantBody, body)
			assert.Equal(t, want.Uncompressed, resp.Uncompressed)
			assert.Equal(t, want.Header["Content-Encoding"], resp.Header["Content-Encoding"])
			get(ours, "/paid")
			assert.Equal(t, wantLines, lines, "the sending that is not paid")
		})
	}
}
