package client_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestAcceptEncodingOfPaidRequests: only the codings that payment frames cannot be read through are
// left out. What the caller refuses stays refused.
func TestAcceptEncodingOfPaidRequests(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var got []string
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header["Accept-Encoding"]
		paid.ServeHTTP(w, r)
	}))
	p := newPayer(t, srv)
	for _, c := range []struct{ asked, want []string }{
		{nil, []string{"gzip"}}, // by net/http, which decodes it
		{[]string{"gzip"}, []string{"gzip"}},
		{[]string{"GZIP ; q=0.5,identity"}, []string{"GZIP ; q=0.5,identity"}},
		{[]string{"x-gzip"}, []string{"x-gzip"}},
		{[]string{"identity, gzip;q=0"}, []string{"identity, gzip;q=0"}},
		{[]string{"br, gzip;q=0"}, []string{"gzip;q=0"}},
		{[]string{"gzip;q=0, *"}, []string{"gzip;q=0"}},
		{[]string{"*"}, []string{"gzip"}},
		{[]string{"*;q=0.3"}, []string{"gzip;q=0.3"}},
		{[]string{"identity, *;q=0"}, []string{"identity, *;q=0"}},
		{[]string{"*;q=0.0"}, []string{"*;q=0.0"}},
		{[]string{"br"}, []string{"identity"}},
		{[]string{"br", "zstd, gzip"}, []string{"gzip"}},
		{[]string{"gzip", "identity;q=0.1"}, []string{"gzip", "identity;q=0.1"}},
		{[]string{"deflate, gzip;q=0.5"}, []string{"gzip;q=0.5"}},
		{[]string{"gzipped, br"}, []string{"identity"}},
	} {
		for _, name := range []string{"Accept-Encoding", "accept-encoding"} {
			req, err := http.NewRequest(http.MethodGet, front.URL, nil)
			require.NoError(t, err)
			if c.asked != nil {
				req.Header[name] = c.asked
			}
			p.ok(p.send(req))
			assert.Equal(t, c.want, got, "%q", c.asked)
		}
	}
}

// TestHeaderMapInLowerCase: the keys of a caller's header map mean the same in any case.
func TestHeaderMapInLowerCase(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	var all []http.Header
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all = append(all, r.Header.Clone())
		paid.ServeHTTP(w, r)
	}))
	p := newPayer(t, srv)
	mine := "0x" + strings.Repeat("0", 64)
	own := func(change func(http.Header)) *http.Request {
		req, err := http.NewRequest(http.MethodGet, front.URL, nil)
		require.NoError(t, err)
		req.Header = http.Header{
			"authorization": {"Bearer t"}, "IDEMPOTENCY-KEY": {"mine"}, "accept-payment": {"tempo/*"}, "payment-session": {mine},
			"ACCEPT": {"text/plain"},
		}
		if change != nil {
			change(req.Header)
		}
		return req
	}
	p.ok(p.send(own(nil)))
	another := own(nil)
	another.URL.RawQuery = "b" // no retry
	p.ok(p.send(another))
	require.Len(t, all, 3)
	assert.Equal(t, []string{"Bearer t"}, all[0]["Authorization"])
	for _, h := range all {
		assert.Len(t, h["Authorization"], 1)
		assert.Equal(t, []string{"mine"}, h["Idempotency-Key"])
		assert.Equal(t, []string{"tempo/*"}, h["Accept-Payment"])
		assert.Equal(t, []string{mine}, h["Payment-Session"])
		assert.Equal(t, []string{"text/plain"}, h["Accept"])
	}
	for _, h := range all[1:] {
		assert.True(t, strings.HasPrefix(h["Authorization"][0], "Payment "))
	}

	resp, err := p.send(own(func(h http.Header) { h["accept-payment"] = []string{"tempo/charge"} }))
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode, "a caller who wants no session pays none")

	req := own(nil)
	req.URL.RawQuery = "c"
	kept := req.Header.Clone()
	p.ok(p.send(req))
	assert.Equal(t, kept, req.Header, "the caller's map stays as it is")
}

// TestPaidBodyStaysAsItWas: a paid request has the caller's chunks and trailers, in each sending.
func TestPaidBodyStaysAsItWas(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	type seen struct {
		encoding      []string
		trailer, body string
	}
	var got []seen
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = append(got, seen{r.TransferEncoding, r.Trailer.Get("X-Sum"), string(text)})
		paid.ServeHTTP(w, r)
	}))
	p := newPayer(t, srv)
	for range 2 {
		req, err := http.NewRequest(http.MethodPut, front.URL+"/?a=b", nil)
		require.NoError(t, err)
		req.Trailer = http.Header{"X-Sum": nil}
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader("body"), atEnd(func() { req.Trailer.Set("X-Sum", "abc") })))
		p.ok(p.send(req))
	}
	require.Len(t, got, 4)
	for _, s := range got {
		assert.Equal(t, seen{[]string{"chunked"}, "abc", "body"}, s)
	}
}

// coded returns text in a content coding.
func coded(coding string, text []byte) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip", "GZIP":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, _ = flate.NewWriter(&b, flate.BestSpeed)
	default:
		return text
	}
	_, _ = w.Write(text)
	_ = w.Close()
	return b.Bytes()
}

// TestProblemsInDisguise: a problem is understood through a coding that the caller asked for, and
// as plain JSON if its type is one of the protocol. What cannot be read is no problem, and costs
// no more than the bounds.
func TestProblemsInDisguise(t *testing.T) {
	const kind = "session/invalid-signature"
	problem := []byte(`{"type":"https://paymentauth.org/problems/` + kind + `","title":"Invalid signature","status":402}`)
	bomb := append(append([]byte(`{"pad":"`), bytes.Repeat([]byte("x"), 16<<20)...), problem...)
	for _, c := range []struct {
		media, coding, named string
		text                 []byte
		want                 string
	}{
		{"application/problem+json", "", "", problem, kind},
		{"application/problem+json", "", "identity", problem, kind},
		{"application/problem+json", "gzip", "gzip", problem, kind},
		{"application/problem+json", "GZIP", "GZip", problem, kind},
		{"application/problem+json", "x-gzip", "x-gzip", problem, kind},
		{"application/problem+json", "deflate", "deflate", problem, kind},
		{"application/problem+json", "raw deflate", "deflate", problem, kind},
		{"application/json", "", "", problem, kind},
		{"application/json", "gzip", "gzip", problem, kind},
		{"application/json", "", "", []byte(`{"type":"session/invalid-signature"}`), ""},
		{"text/html", "gzip", "gzip", problem, ""},
		{"application/problem+json", "", "br", problem, ""},
		{"application/problem+json", "", "gzip", problem, ""},
		{"application/problem+json", "gzip", "gzip, gzip", problem, ""},
		{"application/problem+json", "gzip", "gzip", bomb, ""},
		{"application/problem+json", "gzip", "gzip", nil, ""},
	} {
		t.Run(fmt.Sprintf("%s %s %d", c.media, c.named, len(c.text)), func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			p.get("/data")
			text := coded(c.coding, c.text)
			l := p.lied()
			l.answer = func(_ int, s sent) (*http.Response, error) {
				if s.Paid == nil {
					return nil, nil
				}
				resp := reply(http.StatusPaymentRequired, string(text))
				resp.Header["Www-Authenticate"] = p.unpaid("/data").Header.Values("WWW-Authenticate")
				resp.Header.Set("Content-Type", c.media)
				if c.named != "" {
					resp.Header.Set("Content-Encoding", c.named)
				}
				return resp, nil
			}
			resp, err := p.fetch(t.Context(), http.MethodGet, srv.URL+"/data", nil, "Accept-Encoding", "gzip")
			require.NoError(t, err)
			defer resp.Body.Close()
			assert.Equal(t, c.want, client.PaymentOf(resp).Problem)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(text, body), "the caller gets it as it came")
			if c.want != "" {
				assert.Len(t, l.paid("voucher"), 1, "nothing is sent again blindly")
			}
		})
	}
}

// recoded writes a stream in gzip and calls that what it is told.
type recoded struct {
	http.ResponseWriter
	names []string
	z     *gzip.Writer
}

func (w *recoded) WriteHeader(status int) {
	w.Header()["Content-Encoding"] = w.names
	w.ResponseWriter.WriteHeader(status)
}
func (w *recoded) Write(b []byte) (int, error) { return w.z.Write(b) }
func (w *recoded) Flush() {
	_ = w.z.Flush()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// TestStreamCodings: a paid stream is read through gzip under both of its names. In any other
// coding its payment frames cannot be found, and it ends at once with an error that names the
// coding.
func TestStreamCodings(t *testing.T) {
	for _, names := range [][]string{
		{"gzip"},
		{"x-gzip"},
		{"X-GZip"},
		{"deflate"},
		{"br"},
		{"zstd"},
		{"gzip, br"},
		{"gzip", "gzip"},
		{strings.Repeat("long", 100)},
	} {
		t.Run(fmt.Sprintf("%.20s", names), func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
			front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && r.Header.Get("Authorization") != "" {
					z := gzip.NewWriter(w)
					defer z.Close()
					w = &recoded{w, names, z}
				}
				stream.ServeHTTP(w, r)
			}))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // Config.Stall is a minute
			defer cancel()
			resp, err := p.fetch(ctx, http.MethodGet, front.URL, nil, "Accept-Encoding", "gzip")
			if len(names) == 1 && strings.HasSuffix(strings.ToLower(names[0]), "gzip") {
				assert.Equal(t, 5, strings.Count(p.ok(resp, err), "\n\n"))
				assert.Empty(t, resp.Header["Content-Encoding"])
				assert.Equal(t, u(50), p.agree().Claimed)
				return
			}
			text, e := p.broken(resp, err)
			assert.Empty(t, text)
			require.ErrorIs(t, e, client.ErrStream)
			assert.ErrorContains(t, e, fmt.Sprintf("%.40q", strings.Join(names, ",")))
			assert.ErrorContains(t, e, "Accept-Encoding")
			assert.Less(t, len(e.Error()), 800)
			assert.NoError(t, ctx.Err(), "it hung")
			assert.Equal(t, u(10), p.only().Signed, "no more than what opened it")
		})
	}
}

// TestCookiesOfA402: cookies that came with a 402 which we answered reach the caller, and those of
// the answer replace them.
func TestCookiesOfA402(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	var stale atomic.Bool
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "paid"
		if r.Header.Get("Authorization") == "" {
			name = "unpaid"
			for i := range 100 {
				w.Header().Add("Set-Cookie", fmt.Sprintf("many%d=1; Path=/other", i))
			}
			w.Header().Set("Set-Cookie", "unpaid=1; Path=/")
			w.Header().Add("Set-Cookie", "last=unpaid; Path=/")
		} else {
			w.Header().Add("Set-Cookie", "last=paid; Path=/")
		}
		http.SetCookie(w, &http.Cookie{Name: name, Value: "1", Path: "/"})
		if stale.CompareAndSwap(true, false) {
			http.SetCookie(w, &http.Cookie{Name: "stale", Value: "1", Path: "/"})
			r.Header.Del("Authorization")
		}
		paid.ServeHTTP(w, r)
	}))
	at, err := url.Parse(front.URL)
	require.NoError(t, err)
	c := &http.Client{Transport: &client.Transport{Session: p.session, Base: p.base}}
	jar := func() map[string]string {
		got := map[string]string{}
		for _, cookie := range c.Jar.Cookies(at) {
			got[cookie.Name] = cookie.Value
		}
		return got
	}
	c.Jar, _ = cookiejar.New(nil)
	p.ok(c.Get(front.URL))
	assert.Equal(t, map[string]string{"unpaid": "1", "paid": "1", "last": "paid"}, jar())
	c.Jar, _ = cookiejar.New(nil)
	stale.Store(true)
	p.ok(c.Get(front.URL))
	assert.Equal(t, map[string]string{"stale": "1", "paid": "1", "last": "paid"}, jar())
}

// TestCookiesAreBounded: a server that sends cookies with every 402 fills no memory.
func TestCookiesAreBounded(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			for i := range 500 {
				w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=1", i))
			}
		} else {
			w.Header().Set("Set-Cookie", "mine=1")
		}
		paid.ServeHTTP(w, r)
	}))
	resp, err := p.fetch(t.Context(), http.MethodGet, front.URL, nil)
	p.ok(resp, err)
	got := resp.Header["Set-Cookie"]
	assert.Len(t, got, 65)
	assert.Equal(t, "mine=1", got[64])
}

// idleCloser is a round tripper that counts how often its idle connections are closed.
type idleCloser struct {
	http.RoundTripper
	n int
}

func (c *idleCloser) CloseIdleConnections() { c.n++ }

// TestCloseIdleConnections of an http.Client reaches the base, whoever named it, and the
// connections beside those of streams.
func TestCloseIdleConnections(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	base := &idleCloser{RoundTripper: p.base}
	(&http.Client{Transport: &client.Transport{Session: p.session, Base: base}}).CloseIdleConnections()
	assert.Equal(t, 1, base.n)
	p.cfg.Base = base
	p.restart()
	p.session.Client().CloseIdleConnections()
	assert.Equal(t, 2, base.n)
	for _, odd := range []*client.Transport{
		{}, {Base: (*http.Transport)(nil)}, {Session: p.session, Base: answers(nil)}, {Base: base},
	} {
		assert.NotPanics(t, odd.CloseIdleConnections)
	}
	assert.Equal(t, 3, base.n)

	var all closings
	pool := &http.Transport{MaxConnsPerHost: 1, DialContext: all.dial}
	p.base = pool
	resp, err := p.fetch(t.Context(), http.MethodGet, srv.URL+"/stream/3/10", nil)
	p.ok(resp, err)
	(&http.Client{Transport: &client.Transport{Session: p.session, Base: pool}}).CloseIdleConnections()
	all.open.Wait()
}

// TestEncodedPath: a channel is found and closed at the path where it was opened, encoded slashes
// included, and another path with the same characters is another route.
func TestEncodedPath(t *testing.T) {
	const path = "/models/org%2Fname%20a/run"
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	var paths []string
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.EscapedPath())
		if r.URL.EscapedPath() != path {
			http.NotFound(w, r)
			return
		}
		paid.ServeHTTP(w, r)
	}))
	p.ok(p.fetch(t.Context(), http.MethodGet, front.URL+path+"?q=secret", nil))
	p.ok(p.fetch(t.Context(), http.MethodGet, front.URL+path, nil))
	assert.Len(t, paths, 3, "one round trip on a known route")
	resp, err := p.fetch(t.Context(), http.MethodGet, front.URL+"/models/org/name%20a/run", nil)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, http.StatusNotFound, resp.StatusCode)
	p.restart() // the URL is on record
	require.NoError(t, p.session.Channels().Close(t.Context(), p.only().ID))
	for _, at := range paths[4:] {
		assert.True(t, strings.HasSuffix(at, " "+path), at)
	}
	p.paidOut(p.only(), 200)
}

// TestRealmInUTF8: a realm that a server sends as raw UTF-8 is echoed as it came, byte for byte.
func TestRealmInUTF8(t *testing.T) {
	for _, realm := range []string{"caf\u00e9", "\u652f\u6255", "a \U0001f4b8 b", "\u00c3\u00a9"} {
		srv := clienttest.New(t, clienttest.Config{Realm: realm})
		p := newPayer(t, srv)
		p.get("/data")
		assert.Equal(t, u(100), p.agree().Signed, realm)
	}
}

// TestExpiryInLowerCase: "T" and "Z" may be written in lower case (RFC 3339, 5.6), and a challenge
// that has expired is not answered in either spelling.
func TestExpiryInLowerCase(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for ahead, answered := range map[time.Duration]bool{time.Hour: true, -time.Hour: false} {
		p := newPayer(t, srv)
		l := p.lied()
		l.answer = func(_ int, s sent) (*http.Response, error) {
			if s.Paid != nil {
				return reply(http.StatusOK, "ok"), nil
			}
			resp := reply(http.StatusPaymentRequired, "")
			line := p.unpaid("/data").Header.Get("WWW-Authenticate")
			before, rest, _ := strings.Cut(line, `expires="`)
			_, after, _ := strings.Cut(rest, `"`)
			at := strings.ToLower(time.Now().Add(ahead).UTC().Format(time.RFC3339))
			resp.Header.Set("WWW-Authenticate", before+`expires="`+at+`"`+after)
			return resp, nil
		}
		resp, err := p.do(http.MethodGet, "/data", nil)
		if err == nil {
			resp.Body.Close()
		}
		assert.Equal(t, answered, len(l.paid("open")) == 1)
	}
}
