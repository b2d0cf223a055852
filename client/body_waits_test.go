package client_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// blocked is a body whose first Read brings a byte and whose second brings nothing before it is
// released.
type blocked struct {
	sync.Mutex               // held by Read, and by Close if it waits for Read
	began      bool          // guarded by the mutex
	reading    chan struct{} // closed when the second Read begins
	release    chan struct{}
	end        func()
	close      func(*blocked)
}

func newBlocked(t *testing.T, onClose func(*blocked)) *blocked {
	t.Helper()
	s := &blocked{reading: make(chan struct{}), release: make(chan struct{}), close: onClose}
	s.end = sync.OnceFunc(func() { close(s.release) })
	t.Cleanup(s.end)
	return s
}

func (s *blocked) Read(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	if len(p) > 0 && !s.began {
		s.began = true
		p[0] = 'a'
		return 1, nil
	}
	select {
	case <-s.reading:
	default:
		close(s.reading)
	}
	<-s.release
	return 0, io.EOF
}

func (s *blocked) Close() error {
	s.close(s)
	return nil
}

// TestBodyThatBlocksObeysTheContext: RoundTrip ends when its context ends, also while the request
// body brings nothing, whatever its Close does meanwhile.
func TestBodyThatBlocksObeysTheContext(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	over2 := overTLS(t, srv.Paid(hundred, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		sayOK(w, r)
	})))
	for what, onClose := range map[string]func(*blocked){
		"Close ends the Read":       func(s *blocked) { s.end() },
		"Close waits for the Read":  func(s *blocked) { s.Lock(); s.Unlock() }, //nolint:staticcheck // as an http.Request.Body of a server
		"Close does nothing":        func(*blocked) {},
		"with GetBody, Close waits": func(s *blocked) { s.Lock(); s.Unlock() }, //nolint:staticcheck // as above
	} {
		for _, to := range []string{"/data", "/free", "HTTP/2"} {
			t.Run(what+", "+to, func(t *testing.T) {
				p := newPayer(t, srv)
				url := srv.URL + to
				if to == "HTTP/2" {
					p.base, url = over2.Client().Transport, over2.URL
				}
				ctx, cancel := context.WithCancel(t.Context())
				body := newBlocked(t, onClose)
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
				require.NoError(t, err)
				if strings.HasPrefix(what, "with GetBody") {
					req.GetBody = func() (io.ReadCloser, error) { return body, nil }
				}
				done := make(chan error, 1)
				go func() {
					resp, err := (&client.Transport{Session: p.session, Base: p.base}).RoundTrip(req)
					if err == nil {
						resp.Body.Close()
					}
					done <- err
				}()
				<-body.reading
				cancel()
				select {
				case err := <-done:
					assert.ErrorIs(t, err, context.Canceled)
				case <-time.After(10 * time.Second):
					t.Error("it goes on without its context")
				}
			})
		}
	}
}

// duplex answers each line as it comes, and begins its answer before it reads.
func duplex(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	_ = c.Flush()
	for lines := bufio.NewScanner(r.Body); lines.Scan(); _ = c.Flush() {
		_, _ = io.WriteString(w, "got "+lines.Text()+"\n")
	}
}

// beforeTheBody lets a handler answer before the body has come, over HTTP/1 too.
func beforeTheBody(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			_ = http.NewResponseController(w).EnableFullDuplex()
			w.Header().Set("Connection", "close") // a server that has not read the body cannot go on
		}
		h.ServeHTTP(w, r)
	})
}

// TestAnswerWhileTheBodyIsSent: a handler that answers while it is still being sent to works as
// without us: over both versions of HTTP, free and paid.
func TestAnswerWhileTheBodyIsSent(t *testing.T) {
	for version, start := range versions {
		for _, way := range []string{"net/http", "free", "paid"} {
			t.Run(version+", "+way, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				var h http.Handler = http.HandlerFunc(duplex)
				if way == "paid" {
					h = srv.Paid(hundred, h)
				}
				front := start(t, beforeTheBody(h))
				rt := front.Client().Transport
				if way != "net/http" {
					rt = &client.Transport{Session: p.session, Base: rt}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				r, w := io.Pipe()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL, r)
				require.NoError(t, err)
				resp, err := rt.RoundTrip(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				lines := bufio.NewScanner(resp.Body)
				for _, line := range []string{"one", "two", "three"} {
					_, err := io.WriteString(w, line+"\n")
					require.NoError(t, err)
					require.True(t, lines.Scan(), "%v", lines.Err())
					assert.Equal(t, "got "+line, lines.Text())
				}
				require.NoError(t, w.Close())
				assert.False(t, lines.Scan())
				if way == "paid" {
					assert.Equal(t, u(100), p.only().Signed)
				}
			})
		}
	}
}

// TestResponseClosedWhileTheBodyIsSent: the caller has enough; its body is closed and nothing
// hangs.
func TestResponseClosedWhileTheBodyIsSent(t *testing.T) {
	for version, start := range versions {
		t.Run(version, func(t *testing.T) {
			srv := clienttest.New(t, clienttest.Config{})
			p := newPayer(t, srv)
			front := start(t, beforeTheBody(http.HandlerFunc(duplex)))
			r, w := io.Pipe()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL, r)
			require.NoError(t, err)
			resp, err := (&client.Transport{Session: p.session, Base: front.Client().Transport}).RoundTrip(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			front.CloseClientConnections() // HTTP/1 waits for the body that it sends
			for err == nil {
				_, err = io.WriteString(w, "more\n")
			}
			assert.ErrorIs(t, err, io.ErrClosedPipe)
		})
	}
}

// TestContextEndsAfterTheAnswer while the body is still sent: the body is closed.
func TestContextEndsAfterTheAnswer(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	front := overTCP(t, beforeTheBody(srv.Paid(hundred, http.HandlerFunc(duplex))))
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, front.URL, r)
	require.NoError(t, err)
	resp, err := (&client.Transport{Session: p.session, Base: front.Client().Transport}).RoundTrip(req)
	require.NoError(t, err)
	cancel()
	for err == nil {
		_, err = io.WriteString(w, "more\n")
	}
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err)
	resp.Body.Close()
}

// counted is a body that counts how often it is closed.
type counted struct {
	io.Reader
	closed atomic.Int32
}

func (c *counted) Close() error { c.closed.Add(1); return nil }

// TestBodyIsClosedOnce, however the request ends.
func TestBodyIsClosedOnce(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	broken := errors.New("the reader broke")
	for name, c := range map[string]struct {
		path string
		body io.Reader
		ends func(*payer)
	}{
		"free":          {"/free", strings.NewReader("x"), nil},
		"paid":          {"/data", strings.NewReader("x"), nil},
		"paid, long":    {"/data", strings.NewReader(strings.Repeat("x", 3000)), nil},
		"refused":       {"/data", strings.NewReader("x"), func(p *payer) { p.cfg.Limits.Price = u(1) }},
		"too long":      {"/data", strings.NewReader("xx"), func(p *payer) { p.cfg.Spool = 1 }},
		"body breaks":   {"/data", io.MultiReader(strings.NewReader("x"), errorReader{broken}), nil},
		"no connection": {"", strings.NewReader("x"), nil},
	} {
		for _, getBody := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				p := newPayer(t, srv)
				if c.ends != nil {
					c.ends(p)
					p.restart()
				}
				url := srv.URL + c.path
				if c.path == "" {
					url = "http://127.0.0.1:1"
				}
				body := &counted{Reader: c.body}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
				require.NoError(t, err)
				var made []*counted
				if getBody {
					req.GetBody = func() (io.ReadCloser, error) {
						made = append(made, &counted{Reader: strings.NewReader("x")})
						return made[len(made)-1], nil
					}
				}
				if resp, err := p.send(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				for _, b := range append(made, body) {
					assert.Eventually(t, func() bool { return b.closed.Load() == 1 }, 10*time.Second, time.Millisecond)
				}
			})
		}
	}
}

type errorReader struct{ err error }

func (e errorReader) Read([]byte) (int, error) { return 0, e.err }
