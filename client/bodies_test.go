package client_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// oneShot is a body that can be read once.
func oneShot(n int) io.Reader { return io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("x"), n))) }

func TestBodies(t *testing.T) {
	const spool = 1000
	srv := clienttest.New(t, clienttest.Config{})
	for name, c := range map[string]struct {
		body  io.Reader
		n     int
		spool int64
		ok    bool
	}{
		"with GetBody":                {bytes.NewReader(bytes.Repeat([]byte("x"), 5000)), 5000, spool, true},
		"one shot, shorter":           {oneShot(999), 999, spool, true},
		"one shot, exactly the spool": {oneShot(1000), 1000, spool, true},
		"one shot, longer":            {oneShot(1001), 1001, spool, false},
		"one shot, no spool":          {oneShot(1), 1, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var n pen
			p := newPayer(t, srv, n.counted, func(c2 *client.Config) { c2.Spool = c.spool })
			l := p.lied()
			resp, err := p.do(http.MethodPost, "/data", c.body)
			if c.ok {
				assert.Contains(t, p.ok(resp, err), `"`+strings.Repeat("x", c.n)+`"`)
				assert.Equal(t, u(100), p.agree().Signed)
				return
			}
			e := p.refused(resp, err)
			require.ErrorIs(t, e, client.ErrBody)
			assert.Equal(t, client.OutcomeRefused, e.Outcome)
			assert.Zero(t, n.vouchers.Load()+n.transactions.Load(), "nothing was signed")
			assert.Empty(t, p.channels())
			require.Len(t, l.all(), 1)
			assert.Len(t, l.all()[0].Body, c.n, "and yet the server had all of it")
		})
	}
}

// TestBodyThatCannotBeRepeated on a known route does not spend the one reading on a guess.
func TestBodyThatCannotBeRepeated(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Spool = -1 })
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("a")))
	signed := p.only().Signed
	e := p.refused(p.do(http.MethodPost, "/data", oneShot(3)))
	require.ErrorIs(t, e, client.ErrBody)
	assert.Equal(t, signed, p.only().Authorized)
	p.ok(p.do(http.MethodPost, "/free", oneShot(3)))
	p.ok(p.do(http.MethodPost, "/data", strings.NewReader("a")))
	assert.Equal(t, u(200), p.agree().Signed)
}

// TestGetBodyFails: what was signed for it pays for the next request.
func TestGetBodyFails(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	lost := errors.New("the file is gone")
	req := p.request(t.Context(), http.MethodPut, "/data", strings.NewReader("a"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, lost }
	e := p.refused(p.send(req))
	require.ErrorIs(t, e, lost)
	assert.Equal(t, client.OutcomeNotSent, e.Outcome)
	p.get("/data")
	assert.Equal(t, u(200), p.agree().Signed)
}

// echo is a server that answers as soon as a request is there, and then reads the first line of its
// body and returns it. /refused is answered with 409, and its body is not read.
func echo(t *testing.T, srv *clienttest.Server, http2 bool) *httptest.Server {
	t.Helper()
	line := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		text, _ := bufio.NewReader(r.Body).ReadString('\n')
		_, _ = io.WriteString(w, "got "+text)
	})
	mux := http.NewServeMux()
	mux.Handle("/free", line)
	mux.Handle("/paid", srv.Paid(clienttest.Terms{Price: u(100), Deposit: u(10_000)}, line))
	mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
	})
	front := httptest.NewUnstartedServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/2 always is
			mux.ServeHTTP(w, r)
		},
	))
	if front.EnableHTTP2 = http2; http2 {
		front.StartTLS()
	} else {
		front.Start()
	}
	t.Cleanup(front.Close)
	return front
}

// TestAnswersThatComeBeforeTheBody: a caller who writes its body once the server has answered gets
// that answer, and the server gets the body, as with net/http.
func TestAnswersThatComeBeforeTheBody(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		warm   bool // there is a channel, and the challenge is known
		plain  bool // by net/http itself
		status int
	}{
		"net/http":                   {path: "/free", plain: true, status: http.StatusOK},
		"net/http, refused":          {path: "/refused", plain: true, status: http.StatusConflict},
		"free":                       {path: "/free", status: http.StatusOK},
		"free, beside a channel":     {path: "/free", warm: true, status: http.StatusOK},
		"refused":                    {path: "/refused", status: http.StatusConflict},
		"paid":                       {path: "/paid", status: http.StatusOK},
		"paid, a challenge is known": {path: "/paid", warm: true, status: http.StatusOK},
	} {
		for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
			t.Run(name+", "+protocol, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				front := echo(t, srv, http2)
				p := newPayer(t, srv)
				p.base = front.Client().Transport
				var rt http.RoundTripper = &client.Transport{Session: p.session, Base: p.base}
				if c.plain {
					rt = p.base
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel() // before the server waits for its handlers
				if c.warm {
					p.ok(p.fetch(ctx, http.MethodGet, front.URL+"/paid", nil))
				}
				reader, writer := io.Pipe()
				defer writer.Close()
				req, err := http.NewRequestWithContext(
					ctx, http.MethodPost, front.URL+c.path, reader,
				)
				require.NoError(t, err)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err, "no answer before the body is written")
				defer resp.Body.Close()
				assert.Equal(t, c.status, resp.StatusCode)
				assert.Equal(t, protocol, resp.Proto)
				if c.status != http.StatusOK {
					return
				}
				_, err = io.WriteString(writer, "hello\n")
				require.NoError(t, err)
				require.NoError(t, writer.Close())
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, "got hello\n", string(body))
			})
		}
	}
}
