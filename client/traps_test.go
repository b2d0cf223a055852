package client_test

import (
	"bufio"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// Each test here is about something that a library below does by itself, and that would cost money or
// hang. Take the mend away and it fails.

// reset is a server behind which single connections break: a request with the header Break is read, handled to
// its end, and then the connection is reset instead of answered.
type reset struct {
	*httptest.Server
	served atomic.Int32 // requests that were handled and not answered
}

func newReset(t *testing.T, h http.Handler) *reset {
	t.Helper()
	r := &reset{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Break") == "" || (req.Header.Get("Authorization") == "" && req.Header.Get("Free") == "") || r.served.Load() > 5 {
			h.ServeHTTP(w, req)
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		h.ServeHTTP(httptest.NewRecorder(), req)
		again := r.served.Add(1) > 1
		if again && req.Header.Get("Free") != "" {
			h.ServeHTTP(w, req)
			return
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}))
	t.Cleanup(r.Close)
	return r
}

// TestNoSilentReplay: net/http repeats a request by itself when a reused connection dies, also one that was
// handled: a GET, and a POST without a body that has an Idempotency-Key. A paid one is sent once; what became of
// it is unknown, and its price stays counted. A free one may be repeated.
func TestNoSilentReplay(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		body   func() io.Reader
		header []string
	}{
		"GET":                           {http.MethodGet, nil, nil},
		"GET with a key":                {http.MethodGet, nil, []string{"Idempotency-Key", "mine"}},
		"POST without a body":           {http.MethodPost, nil, []string{"Idempotency-Key", "mine"}},
		"POST with another key":         {http.MethodPost, nil, []string{"X-Idempotency-Key", "mine"}},
		"POST with a body and a key":    {http.MethodPost, func() io.Reader { return strings.NewReader("x") }, []string{"Idempotency-Key", "mine"}},
		"POST with a body, without one": {http.MethodPost, func() io.Reader { return strings.NewReader("x") }, nil},
		"OPTIONS":                       {http.MethodOptions, nil, nil},
		"DELETE with a key":             {http.MethodDelete, nil, []string{"Idempotency-Key", "mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			front := newReset(t, srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(10_000)}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })))
			p := newPayer(t, srv)
			url := front.URL + "/?a=b" // with a query a POST is for content
			for range 2 {
				p.ok(p.fetch(t.Context(), c.method, url, nil))
			}
			var body io.Reader
			if c.body != nil {
				body = c.body()
			}
			var reused atomic.Bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused.Store(reused.Load() || i.Reused) }})
			e := p.refused(p.fetch(ctx, c.method, url, body, append(c.header, "Break", "1")...))
			assert.True(t, reused.Load(), "the test does what it says")
			assert.Equal(t, int32(1), front.served.Load(), "served once")
			assert.Equal(t, client.OutcomeUnknown, e.Outcome)
			assert.Equal(t, u(300), p.only().Claimed, "it stays counted")

			front.served.Store(0)
			p.ok(p.fetch(t.Context(), c.method, url, nil))
			assert.Equal(t, u(400), p.agree().Claimed)
		})
	}
	t.Run("free", func(t *testing.T) {
		srv := clienttest.New(t, clienttest.Config{})
		front := newReset(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		p := newPayer(t, srv)
		p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil))
		p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil, "Break", "1", "Free", "1"))
		assert.Equal(t, int32(2), front.served.Load())
	})
}

// TestPaidRequestIsTheSameOnTheWire: what keeps net/http from repeating cannot be seen by the server.
func TestPaidRequestIsTheSameOnTheWire(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	var last *http.Request
	paid := srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(10_000)}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.Clone(context.Background())
		paid.ServeHTTP(w, r)
	}))
	defer front.Close()
	p := newPayer(t, srv)
	p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil, "Idempotency-Key", "mine", "X-Idempotency-Key", "also mine"))
	assert.Empty(t, last.TransferEncoding)
	assert.Zero(t, last.ContentLength)
	assert.Equal(t, []string{"mine"}, last.Header.Values("Idempotency-Key"))
	assert.Equal(t, []string{"also mine"}, last.Header.Values("X-Idempotency-Key"))
	assert.NotEmpty(t, last.Header.Get("Authorization"))
}

// dead breaks so many sendings of paid requests before anything is written. It tells so, as an http.Transport
// does, unless it is mute.
type dead struct {
	http.RoundTripper
	left int
	mute bool
}

func (d *dead) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Authorization") == "" || d.left == 0 {
		return d.RoundTripper.RoundTrip(req)
	}
	d.left--
	if trace := httptrace.ContextClientTrace(req.Context()); !d.mute {
		trace.GetConn(req.URL.Host)
	}
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return nil, errors.New("http: server closed idle connection")
}

// TestStaleConnection: a kept connection that turns out dead before a header was written is tried again once, by
// us, because net/http may not.
func TestStaleConnection(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	base := p.base
	p.get("/data")
	p.base = &dead{base, 1, false}
	p.get("/data")
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("x")))
	assert.Equal(t, u(300), p.agree().Claimed)

	p.base = &dead{base, 2, false}
	e := p.refused(p.do(http.MethodGet, "/data", nil))
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	assert.Equal(t, u(300), p.only().Claimed, "nobody was charged")
	assert.Equal(t, u(400), p.only().Authorized)
	p.base = base
	p.get("/data")
	assert.Equal(t, u(400), p.agree().Authorized, "what was authorized and not used is used first")

	p.base = &dead{base, 1, true}
	e = p.refused(p.do(http.MethodGet, "/data", nil))
	assert.Equal(t, client.OutcomeUnknown, e.Outcome, "nobody saw that nothing was written")
}

// TestOneConnectionPerHost: over HTTP/1.1 a stream holds its connection, and the voucher that it waits for may
// not wait for that one.
func TestOneConnectionPerHost(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	base := &http.Transport{MaxConnsPerHost: 1}
	defer base.CloseIdleConnections()
	p.base = base
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	resp, err := p.fetch(ctx, http.MethodGet, srv.URL+"/stream/30/10?deposit=100", nil)
	assert.Equal(t, 30, strings.Count(p.ok(resp, err), "\n\n"))
	assert.Equal(t, u(300), p.agree().Claimed)
	require.NoError(t, p.session.Close(t.Context()))
}

// TestRetryAfterIsNoOrder: go-retryablehttp waits as long as a server says. A voucher is presented again within a
// second, and a server that is busy for longer ends the stream.
func TestRetryAfterIsNoOrder(t *testing.T) {
	for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		for refusals, works := range map[int32]bool{1: true, 1000: false} {
			t.Run(strconv.Itoa(status), func(t *testing.T) {
				t.Parallel()
				srv := clienttest.New(t, clienttest.Config{})
				stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 2) })
				var tries atomic.Int32
				front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method != http.MethodGet && tries.Add(1) <= refusals {
						w.Header().Set("Retry-After", "86400")
						w.WriteHeader(status)
						return
					}
					stream.ServeHTTP(w, r)
				}))
				defer front.Close()
				p := newPayer(t, srv)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				resp, err := p.fetch(ctx, http.MethodGet, front.URL, nil)
				if works {
					assert.Equal(t, 2, strings.Count(p.ok(resp, err), "\n\n"))
					return
				}
				_, e := p.broken(resp, err)
				assert.ErrorIs(t, e, client.ErrRejected)
				want := int32(3)
				if status == http.StatusServiceUnavailable {
					want = 6 // an edge may say so of one method
				}
				assert.Equal(t, want, tries.Load())
				assert.Equal(t, u(20), p.only().Authorized, "the same voucher each time")
			})
		}
	}
}

// TestCRAtTheEndOfARead: a CR that ends one read is half of a CRLF when the next begins with LF, not a blank line
// that cuts a payment event short. Every byte comes alone here.
func TestCRAtTheEndOfARead(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	stream := srv.Metered(piece, func(m *clienttest.Meter, _ *http.Request) error { return send(m, 5) })
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stream.ServeHTTP(crlf{w}, r) }))
	defer front.Close()
	p.base = bytewise{p.base}
	got := p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil))
	assert.Equal(t, strings.Repeat("event: message\r\ndata: x\r\n\r\n", 5), got)
	assert.Equal(t, u(50), p.agree().Claimed)
}

// crlf ends lines as HTTP does.
type crlf struct{ http.ResponseWriter }

func (w crlf) Write(b []byte) (int, error) {
	_, err := io.WriteString(w.ResponseWriter, strings.ReplaceAll(string(b), "\n", "\r\n"))
	return len(b), err
}
func (w crlf) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// bytewise reads bodies one byte at a time.
type bytewise struct{ http.RoundTripper }

func (b bytewise) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{&oneByte{bufio.NewReader(resp.Body)}, resp.Body}
	}
	return resp, err
}

type oneByte struct{ r io.Reader }

func (o *oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:min(len(b), 1)]) }

// TestNoReconnectingClient: go-sse's own client, and any other reconnecting one, sends a paid POST again after
// every end of a stream. Of that package only the reader is used.
func TestNoReconnectingClient(t *testing.T) {
	allowed := map[string]bool{"Read": true, "ReadConfig": true}
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			if i.Path.Value != `"github.com/tmaxmax/go-sse"` {
				continue
			}
			files++
			name := "sse"
			if i.Name != nil {
				name = i.Name.Name
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == name && x.Obj == nil {
						assert.True(t, allowed[s.Sel.Name], "%s uses %s.%s", path, name, s.Sel.Name)
					}
				}
				return true
			})
		}
		return nil
	})
	require.NoError(t, err)
	assert.NotZero(t, files, "the test does what it says")
}
