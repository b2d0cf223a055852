package client_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// tap records what is written to connections.
type tap struct {
	mu      sync.Mutex
	written bytes.Buffer
}

func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	return tapped{conn, t}, err
}

type tapped struct {
	net.Conn
	t *tap
}

func (c tapped) Write(p []byte) (int, error) {
	c.t.mu.Lock()
	_, _ = c.t.written.Write(p)
	c.t.mu.Unlock()
	return c.Conn.Write(p)
}

// written returns what a transport over base writes for a request.
func written(
	t *testing.T, request func(url string) *http.Request, url string, base *http.Transport, over http.RoundTripper,
) string {
	t.Helper()
	var tap tap
	base.CloseIdleConnections()
	base.DialContext = tap.dial
	resp, err := over.RoundTrip(request(url))
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	tap.mu.Lock()
	defer tap.mu.Unlock()
	return tap.written.String()
}

// unsized is a body of unknown length that comes in these pieces.
func unsized(pieces ...string) io.Reader {
	var all []io.Reader
	for _, p := range pieces {
		all = append(all, strings.NewReader(p))
	}
	return io.MultiReader(all...)
}

// asked returns a function that makes a request.
func asked(method string, body func() io.Reader, change func(*http.Request)) func(url string) *http.Request {
	return func(url string) *http.Request {
		var b io.Reader
		if body != nil {
			b = body()
		}
		req, err := http.NewRequest(method, url+"/a%2Fb?c=d", b)
		if err != nil {
			panic(err)
		}
		if change != nil {
			change(req)
		}
		return req
	}
}

// freeRequests are requests as callers make them.
func freeRequests() map[string]func(url string) *http.Request {
	text := func(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }
	set := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	all := map[string]func(url string) *http.Request{
		"no method":              asked("GET", nil, func(r *http.Request) { r.Method = "" }),
		"body with GetBody":      asked("POST", text("body"), nil),
		"long body":              asked("POST", text(strings.Repeat("0123456789", 20_000)), nil),
		"unknown length":         asked("PUT", func() io.Reader { return unsized("bo", "dy") }, nil),
		"unknown length, empty":  asked("POST", func() io.Reader { return unsized() }, nil),
		"GET with a body":        asked("GET", func() io.Reader { return unsized("body") }, nil),
		"GET, empty body":        asked("GET", func() io.Reader { return unsized() }, nil),
		"DELETE with a body":     asked("DELETE", text("body"), nil),
		"length set by hand":     asked("POST", func() io.Reader { return unsized("body") }, func(r *http.Request) { r.ContentLength = 4 }),
		"unknown by hand":        asked("POST", text("body"), func(r *http.Request) { r.ContentLength = -1 }),
		"no body":                asked("POST", nil, nil),
		"NoBody":                 asked("POST", func() io.Reader { return http.NoBody }, nil),
		"Expect":                 asked("POST", text("body"), set("Expect", "100-continue")),
		"Expect, unknown length": asked("POST", func() io.Reader { return unsized("body") }, set("Expect", "100-continue")),
		"trailers": asked("POST", func() io.Reader { return unsized("body") }, func(r *http.Request) {
			r.Trailer = http.Header{"X-Sum": {"abc"}}
		}),
		"trailers set at the end": asked("POST", nil, func(r *http.Request) {
			r.Trailer = http.Header{"X-Sum": nil}
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("body"), atEnd(func() { r.Trailer.Set("X-Sum", "abc") })))
		}),
		"close":         asked("GET", nil, func(r *http.Request) { r.Close = true }),
		"another host":  asked("GET", nil, func(r *http.Request) { r.Host = "example.com" }),
		"no user agent": asked("GET", nil, set("User-Agent", "")),
		"range":         asked("GET", nil, set("Range", "bytes=0-1")),
		"lower-case keys": asked("GET", nil, func(r *http.Request) {
			r.Header["authorization"], r.Header["x-y"] = []string{"Bearer t"}, []string{"z"}
		}),
		"idempotency keys": asked("POST", text("x"), func(r *http.Request) {
			r.Header["idempotency-key"], r.Header["X-Idempotency-Key"] = []string{"a"}, []string{"b"}
		}),
		"two lines of a header": asked("GET", nil, set("X-Y", "a", "b")),
		"user in the URL":       asked("GET", nil, func(r *http.Request) { r.Header.Set("Cookie", "a=b") }),
		"opaque URL":            asked("GET", nil, func(r *http.Request) { r.URL.Opaque = "//" + r.URL.Host + "/a%2fb" }),
	}
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "PATCH", "PROPFIND"} {
		all[method] = asked(method, nil, nil)
	}
	for _, accept := range []string{"gzip", "br, gzip;q=0", "gzip;q=0", "br", "identity", "*", "*;q=0", "zstd, deflate", ""} {
		all["Accept-Encoding "+accept] = asked("GET", nil, set("Accept-Encoding", accept))
	}
	return all
}

type atEnd func()

func (f atEnd) Read([]byte) (int, error) { f(); return 0, io.EOF }

// ours are the lines that a session adds to a request that costs nothing.
var ours = regexp.MustCompile("Accept-Payment: tempo/session\r\n|Payment-Session: 0x[0-9a-f]{64}\r\n")

// TestFreeRequestsOnTheWire: a request that costs nothing is written byte by byte as net/http
// writes it, but for an Accept-Payment line, and a Payment-Session line once the origin was paid.
// Over HTTP/2 the server gets the same, too.
func TestFreeRequestsOnTheWire(t *testing.T) {
	for version, start := range versions {
		srv := clienttest.New(t, clienttest.Config{})
		var got string
		mux := http.NewServeMux()
		mux.Handle("/paid", srv.Paid(hundred, http.HandlerFunc(sayOK)))
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			var h bytes.Buffer
			_ = r.Header.Write(&h)
			got = fmt.Sprint(
				r.Method, r.RequestURI, r.Host, r.ContentLength, r.TransferEncoding, r.Trailer, h.String(), string(body),
			)
			sayOK(w, r)
		})
		front := start(t, mux)
		p := newPayer(t, srv)
		p.base = front.Client().Transport
		for _, known := range []int{0, 1} {
			if known > 0 {
				p.ok(p.fetch(t.Context(), http.MethodGet, front.URL+"/paid", nil))
			}
			for name, request := range freeRequests() {
				if strings.HasPrefix(name, "opaque") && version == "HTTP/2" {
					continue // net/http sends none over HTTP/2
				}
				t.Run(version+", "+name, func(t *testing.T) {
					base := p.base.(*http.Transport)
					want, seen := written(t, request, front.URL, base, base), got
					written := written(t, request, front.URL, base, &client.Transport{Session: p.session, Base: base})
					assert.Len(t, ours.FindAllString(got, -1), 1+known)
					assert.Equal(t, seen, ours.ReplaceAllString(got, ""))
					if version == "HTTP/1" {
						assert.Equal(t, want, ours.ReplaceAllString(written, ""))
					}
				})
			}
		}
	}
}
