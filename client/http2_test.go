package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// overTLS serves a handler over TLS with HTTP/2.
func overTLS(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

var hundred = clienttest.Terms{Price: u(100), Deposit: u(10_000)}

func sayOK(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// framed is an HTTP/2 server that works frame by frame, so that it can answer a request with any
// frame.
type framed struct {
	URL     string
	client  *http.Client
	handler http.Handler

	mu     sync.Mutex
	ended  []bool             // of each request: its HEADERS ended the stream
	served int                // how many requests the handler got
	dialed int                // connections
	next   []func(c *inFrame) // what becomes of the next paid requests; those after them are served
}

// inFrame is a request that came in frames.
type inFrame struct {
	f    *framed
	conn net.Conn
	fr   *http2.Framer
	id   uint32
	req  *http.Request
	body bytes.Buffer
}

func newFramed(t *testing.T, h http.Handler) *framed {
	t.Helper()
	like := overTLS(t, h)                                                                // for its certificate, and the client that trusts it
	conf := &tls.Config{Certificates: like.TLS.Certificates, NextProtos: []string{"h2"}} //nolint:gosec // a test
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	require.NoError(t, err)
	f := &framed{URL: "https://" + l.Addr().String(), client: like.Client(), handler: h}
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		f.client.CloseIdleConnections()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { f.serve(c) })
		}
	})
	return f
}

func (f *framed) serve(c net.Conn) {
	defer c.Close()
	f.mu.Lock()
	f.dialed++
	f.mu.Unlock()
	if _, err := io.CopyN(io.Discard, c, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(c, c)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = fr.WriteSettings()
	open := map[uint32]*inFrame{}
	for {
		frame, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				_ = fr.WritePing(true, frame.Data)
			}
		case *http2.MetaHeadersFrame:
			r := &inFrame{f: f, conn: c, fr: fr, id: frame.StreamID}
			r.req = httptest.NewRequest(frame.PseudoValue("method"), frame.PseudoValue("path"), nil)
			r.req.Host = frame.PseudoValue("authority")
			for _, h := range frame.RegularFields() {
				r.req.Header.Add(h.Name, h.Value)
			}
			f.mu.Lock()
			f.ended = append(f.ended, frame.StreamEnded())
			f.mu.Unlock()
			if frame.StreamEnded() {
				r.finish()
			} else {
				open[r.id] = r
			}
		case *http2.DataFrame:
			r := open[frame.StreamID]
			_, _ = r.body.Write(frame.Data())
			if frame.StreamEnded() {
				delete(open, r.id)
				r.finish()
			}
		case *http2.RSTStreamFrame:
			delete(open, frame.StreamID)
		}
	}
}

// finish does what is planned with a request that has come.
func (r *inFrame) finish() {
	r.f.mu.Lock()
	do := (*inFrame).serve
	if paid := r.req.Header.Get("Authorization") != ""; paid && len(r.f.next) > 0 {
		do, r.f.next = r.f.next[0], r.f.next[1:]
	}
	r.f.mu.Unlock()
	do(r)
}

// process has the handler process the request and returns its answer.
func (r *inFrame) process() *httptest.ResponseRecorder {
	r.req.Body = io.NopCloser(bytes.NewReader(r.body.Bytes()))
	r.req.ContentLength = int64(r.body.Len())
	r.f.mu.Lock()
	if r.req.Header.Get("Authorization") != "" {
		r.f.served++
	}
	r.f.mu.Unlock()
	rec := httptest.NewRecorder()
	r.f.handler.ServeHTTP(rec, r.req)
	return rec
}

func (r *inFrame) serve() {
	rec := r.process()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	_ = enc.WriteField(hpack.HeaderField{Name: ":status", Value: strconv.Itoa(rec.Code)})
	for name, values := range rec.Header() {
		for _, v := range values {
			_ = enc.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: v})
		}
	}
	bare := r.req.Method == http.MethodHead || rec.Code == http.StatusNoContent
	_ = r.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: r.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: bare,
	})
	if !bare {
		_ = r.fr.WriteData(r.id, true, rec.Body.Bytes())
	}
}

// resets answers with RST_STREAM, unprocessed or after the handler has processed the request.
func resets(code http2.ErrCode, processed bool) func(*inFrame) {
	return func(r *inFrame) {
		if processed {
			r.process()
		}
		_ = r.fr.WriteRSTStream(r.id, code)
	}
}

// goesAway answers with GOAWAY, with this request taken or not, and closes the connection.
func goesAway(code http2.ErrCode, taken bool) func(*inFrame) {
	return func(r *inFrame) {
		last := r.id - 1
		if taken {
			r.process()
			last = r.id
		}
		_ = r.fr.WriteGoAway(last, code, []byte("; REFUSED_STREAM; received from peer"))
		_ = r.conn.Close()
	}
}

// hangsUp closes the connection after the request was processed.
func hangsUp(r *inFrame) {
	r.process()
	_ = r.conn.Close()
}

// methods of requests, with and without a body, that net/http treats differently.
var kinds = map[string]struct {
	method, body string
	header       []string
}{
	"GET":               {http.MethodGet, "", nil},
	"HEAD":              {http.MethodHead, "", nil},
	"OPTIONS":           {http.MethodOptions, "", nil},
	"POST with a body":  {http.MethodPost, "x", nil},
	"PUT with a key":    {http.MethodPut, "x", []string{"Idempotency-Key", "mine"}},
	"DELETE":            {http.MethodDelete, "", nil},
	"DELETE with a key": {http.MethodDelete, "", []string{"Idempotency-Key", "mine"}},
}

// TestPaidRequestEndsItsStream: a paid request without a body has none over HTTP/2 either: its
// HEADERS end the stream, as without a payment. One with a body has it.
func TestPaidRequestEndsItsStream(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			f := newFramed(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
			p := newPayer(t, srv)
			p.base = f.client.Transport
			for i := range 2 { // after a 402, and at once
				url := fmt.Sprintf("%s/?a=%d", f.URL, i) // no retry, where there is a key
				resp, err := p.fetch(t.Context(), kind.method, url, bodyOf(kind.body), kind.header...)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, 2, resp.StatusCode/100)
			}
			assert.GreaterOrEqual(t, len(f.ended), 3)
			for i, ended := range f.ended {
				assert.Equal(t, kind.body == "", ended, "request %d", i)
			}
		})
	}
}

func bodyOf(text string) io.Reader {
	if text == "" {
		return nil
	}
	return strings.NewReader(text)
}

// TestPaidGetThroughAStrictEdge: some edges answer a GET with a body with 403, after it was paid.
func TestPaidGetThroughAStrictEdge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	edge := overTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		paid.ServeHTTP(w, r)
	}))
	p := newPayer(t, srv)
	p.base = edge.Client().Transport
	for _, method := range []string{http.MethodGet, http.MethodOptions, http.MethodDelete} {
		assert.Equal(t, "ok", p.ok(p.fetch(t.Context(), method, edge.URL, nil)), method)
	}
}

// TestRefusedStream: a stream that the server refused, by REFUSED_STREAM or by a GOAWAY below it,
// was not processed (RFC 9113, 8.7). It is sent again, and paid once.
func TestRefusedStream(t *testing.T) {
	for how, refuse := range map[string]func(*inFrame){
		"REFUSED_STREAM":       resets(http2.ErrCodeRefusedStream, false),
		"GOAWAY":               goesAway(http2.ErrCodeNo, false),
		"GOAWAY with an error": goesAway(http2.ErrCodeEnhanceYourCalm, false),
	} {
		for name, kind := range kinds {
			t.Run(how+", "+name, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				f := newFramed(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
				p := newPayer(t, srv)
				p.base = f.client.Transport
				n := 0
				get := func() {
					n++
					url := fmt.Sprintf("%s/?a=%d", f.URL, n) // no retry, where there is a key
					resp, err := p.fetch(t.Context(), kind.method, url, bodyOf(kind.body), kind.header...)
					require.NoError(t, err)
					resp.Body.Close()
					require.Equal(t, 2, resp.StatusCode/100)
				}
				get()
				f.client.CloseIdleConnections() // what is refused is the first stream of a connection, too
				f.next = []func(*inFrame){refuse}
				get()
				before := f.served
				f.next = []func(*inFrame){refuse}
				if how == "REFUSED_STREAM" && kind.body != "" { // net/http waits for a second before the next
					f.next = append(f.next, refuse)
				}
				get()
				assert.Empty(t, f.next)
				assert.Equal(t, before+1, f.served)
				if kind.method != http.MethodHead { // which the test server does not charge
					assert.Equal(t, u(300), p.agree().Signed)
				}
			})
		}
	}
}

// TestStreamThatIsAlwaysRefused: nothing was processed, so the price is free for the next request.
// A budget stays charged: the voucher left, and whether it was kept the refusal does not prove.
func TestStreamThatIsAlwaysRefused(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	f := newFramed(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
	p := newPayer(t, srv)
	p.base = f.client.Transport
	p.ok(p.fetch(t.Context(), http.MethodPost, f.URL, strings.NewReader("x")))
	for range 100 {
		f.next = append(f.next, resets(http2.ErrCodeRefusedStream, false))
	}
	budget := client.NewBudget(asset(srv), u(1000))
	e := p.refused(p.fetch(client.WithBudget(t.Context(), budget), http.MethodPost, f.URL, strings.NewReader("x")))
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	assert.True(t, e.Retryable())
	assert.Less(t, 90, len(f.next), "it is not sent again and again")
	assert.Equal(t, u(100), p.only().Claimed)
	assert.Equal(t, u(900), budget.Left())

	f.next = nil
	p.ok(p.fetch(t.Context(), http.MethodPost, f.URL, strings.NewReader("x")))
	assert.Equal(t, u(200), p.agree().Authorized, "with the voucher that exists")
}

// TestRefusalThatCannotBeRepeated: the body was read and is not kept. Nothing was processed.
func TestRefusalThatCannotBeRepeated(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	f := newFramed(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
	p := newPayer(t, srv)
	p.base = f.client.Transport
	req, err := http.NewRequest(http.MethodPost, f.URL, strings.NewReader("x"))
	require.NoError(t, err)
	p.ok(p.send(req))
	lost := io.ErrUnexpectedEOF
	req.Body, req.GetBody = io.NopCloser(strings.NewReader("x")), func() (io.ReadCloser, error) { return nil, lost }
	f.next = []func(*inFrame){resets(http2.ErrCodeRefusedStream, false)}
	e := p.refused(p.send(req))
	require.ErrorIs(t, e, lost)
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	assert.Equal(t, u(100), p.only().Claimed)
}

// TestLostStream: what may have been processed is not sent again by anybody. What became of it is
// unknown, and its price stays counted.
func TestLostStream(t *testing.T) {
	for how, lose := range map[string]func(*inFrame){
		"GOAWAY above it":            goesAway(http2.ErrCodeNo, true),
		"GOAWAY above it, an error":  goesAway(http2.ErrCodeInternal, true),
		"INTERNAL_ERROR":             resets(http2.ErrCodeInternal, true),
		"CANCEL":                     resets(http2.ErrCodeCancel, true),
		"NO_ERROR":                   resets(http2.ErrCodeNo, true),
		"the connection":             hangsUp,
		"PROTOCOL_ERROR":             resets(http2.ErrCodeProtocol, true),
		"ENHANCE_YOUR_CALM, stopped": resets(http2.ErrCodeEnhanceYourCalm, true),
	} {
		for name, kind := range kinds {
			if kind.method == http.MethodHead {
				continue // the test server does not charge it
			}
			t.Run(how+", "+name, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				f := newFramed(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
				p := newPayer(t, srv)
				p.base = f.client.Transport
				fetch := func() (*http.Response, error) {
					return p.fetch(t.Context(), kind.method, f.URL+"/?a=b", bodyOf(kind.body), kind.header...)
				}
				p.ok(p.fetch(t.Context(), kind.method, f.URL+"/?a=b", bodyOf(kind.body)))
				for range 10 {
					f.next = append(f.next, lose)
				}
				before := f.served
				e := p.refused(fetch())
				assert.Equal(t, client.OutcomeUnknown, e.Outcome)
				assert.False(t, e.Retryable())
				assert.Equal(t, u(200), p.only().Claimed)
				most := 1
				if how == "PROTOCOL_ERROR" && kind.body == "" {
					most = 2 // net/http takes it for a GOAWAY; docs/adr/0004
				}
				assert.LessOrEqual(t, f.served-before, most)
			})
		}
	}
}

// closings is a dialer whose connections say when the transport has closed them.
type closings struct{ open sync.WaitGroup }

func (c *closings) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return &toldClosed{Conn: conn, closed: sync.OnceFunc(c.open.Done)}, nil
}

type toldClosed struct {
	net.Conn
	closed func()
}

func (c *toldClosed) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// TestConnectionThatWasClosedWhileIdle: nothing was written to it, so the next one is used.
func TestConnectionThatWasClosedWhileIdle(t *testing.T) {
	for name, start := range versions {
		t.Run(name, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			front := start(t, srv.Paid(hundred, http.HandlerFunc(sayOK)))
			p := newPayer(t, srv)
			base := front.Client().Transport.(*http.Transport)
			var all closings
			base.DialContext = all.dial
			p.base = base
			for range 3 {
				p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil))
				p.ok(p.fetch(t.Context(), http.MethodPost, front.URL+"/?a=b", strings.NewReader("x")))
				front.CloseClientConnections()
				all.open.Wait() // the transport has noticed
			}
			assert.Equal(t, u(600), p.agree().Signed)
		})
	}
}

// versions are the ways to serve a handler.
var versions = map[string]func(*testing.T, http.Handler) *httptest.Server{
	"HTTP/1": overTCP, "HTTP/2": overTLS,
}

func overTCP(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}
