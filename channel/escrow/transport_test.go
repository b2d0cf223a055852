package escrow_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// failFirst makes the first n exchanges fail in the given way.
func (n *node) failFirst(times int, fail func(http.ResponseWriter)) {
	var seen atomic.Int64
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before = func(w http.ResponseWriter, _ []byte) bool {
		if seen.Add(1) > int64(times) {
			return false
		}
		fail(w)
		return true
	}
}

func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "busy")
	}
}

func cut(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func TestReadsAreRepeated(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func(http.ResponseWriter)
	}{
		{"503", status(503)},
		{"429", status(429)},
		{"the line is cut", cut},
		{"a day of Retry-After", status(503, "Retry-After", "86400")},
		{"a Retry-After that overflows", status(429, "Retry-After", "9223372036854775807")},
		{"a Retry-After in 2100", status(429, "Retry-After", "Fri, 01 Jan 2100 00:00:00 GMT")},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.failFirst(2, c.fail)
			start := time.Now()
			id, err := dial(t, n.URL).ChainID(soon(t))
			require.NoError(t, err)
			assert.Equal(t, escrow.Moderato, id)
			assert.Less(t, time.Since(start), 5*time.Second)
			exchanges, _ := n.count("")
			assert.Equal(t, 3, exchanges)
			assert.Equal(t, n.bodies[0], n.bodies[2], "the same bytes each time")
		})
	}
}

func TestRepeatingIsBounded(t *testing.T) {
	n := newNode(t)
	n.failFirst(1000, status(503))
	_, err := dial(t, n.URL).ChainID(soon(t))
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "HTTP 503")
	exchanges, _ := n.count("")
	assert.Equal(t, escrow.Sends, exchanges)

	for _, code := range []int{400, 401, 402, 404, 501} {
		n := newNode(t)
		n.failFirst(1000, status(code))
		_, err := dial(t, n.URL).ChainID(soon(t))
		require.ErrorIs(t, err, escrow.ErrRPC)
		exchanges, _ := n.count("")
		assert.Equal(t, 1, exchanges, code)
	}
}

// A request that nobody has marked goes out once, whatever happens to it.
func TestUnmarkedRequestsAreNotRepeated(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter){"503": status(503), "cut": cut} {
		n := newNode(t)
		n.failFirst(1000, fail)
		resp, err := escrow.HTTPClient().Post(n.URL, "application/json", strings.NewReader("{}"))
		if err == nil {
			_ = resp.Body.Close()
		}
		exchanges, _ := n.count("")
		assert.Equal(t, 1, exchanges, name)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer elsewhere.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		n := newNode(t)
		n.failFirst(1000, status(code, "Location", elsewhere.URL+"/?token=secret"))
		_, err := dial(t, n.URL).ChainID(soon(t))
		require.ErrorIs(t, err, escrow.ErrRPC)
		require.ErrorContains(t, err, "HTTP 30")
		assert.NotContains(t, err.Error(), "secret")
	}
	assert.Zero(t, reached.Load())
}

func TestContextEndsEveryWait(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hang := func(http.ResponseWriter) { <-release }
	for name, fail := range map[string]func(http.ResponseWriter){"a node that is silent": hang, "a node that asks to wait": status(503, "Retry-After", "86400")} {
		n := newNode(t)
		n.failFirst(1000, fail)
		c, err := escrow.Dial(context.Background(), n.URL) // with the waits of real life
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		start := time.Now()
		_, err = c.ChainID(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, name)
		require.ErrorIs(t, err, escrow.ErrRPC, name)
		assert.Less(t, time.Since(start), 5*time.Second, name)
		c.Close()
	}
}

// The bound of one exchange is not the caller's deadline, and must not look like it.
func TestSilentNode(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	hang := func(http.ResponseWriter) { <-release }
	n := newNode(t)
	n.failFirst(1, hang)
	id, err := dial(t, n.URL, escrow.Attempt(300*time.Millisecond)).ChainID(soon(t))
	require.NoError(t, err, "the second attempt is answered")
	assert.Equal(t, escrow.Moderato, id)

	n = newNode(t)
	n.failFirst(1000, hang)
	_, err = dial(t, n.URL, escrow.Attempt(10*time.Millisecond)).ChainID(soon(t))
	require.ErrorIs(t, err, escrow.ErrRPC)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestErrorsShowNoURL(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	n := newNode(t)
	for name, fail := range map[string]func(http.ResponseWriter){
		"nobody there": nil, "401": status(401), "302": status(302, "Location", "/?key=hunter2"), "cut": cut,
		"no JSON":     func(w http.ResponseWriter) { _, _ = io.WriteString(w, "<html>") },
		"half a JSON": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"resu`) },
		"wrong JSON":  func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"result":{}}`) },
		"no answer":   func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1}`) },
		"a node error": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no\nway\u0007"}}`)
		},
	} {
		at := n.Listener.Addr().String()
		if fail == nil {
			at = closed.Listener.Addr().String()
		} else {
			n.failFirst(1000, fail)
		}
		_, err := dial(t, "http://user:hunter2@"+at+"/v1/hunter2?key=hunter2").ChainID(soon(t))
		require.ErrorIs(t, err, escrow.ErrRPC, name)
		assert.NotContains(t, err.Error(), "hunter2", name)
		assert.NotContains(t, err.Error(), "\n", name)
	}
	for _, bad := range []string{"", "hunter2", "ws://u:hunter2@h/", "http://", "hunter2.ipc", "http://u:hunter2@h:port/", "http://[::1%hunter2", "stdio:hunter2"} {
		_, err := escrow.Dial(context.Background(), bad)
		require.ErrorIs(t, err, escrow.ErrParams, bad)
		assert.NotContains(t, err.Error(), "hunter2", bad)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	for name, code := range map[string]int{"an answer": 200, "an error page": 500} {
		n := newNode(t)
		n.failFirst(1000, func(w http.ResponseWriter) {
			w.WriteHeader(code)
			piece := bytes.Repeat([]byte(" "), 64<<10)
			for range 1 << 10 { // 64 MiB, if anybody wants them
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		})
		_, err := dial(t, n.URL).ChainID(soon(t))
		require.ErrorIs(t, err, escrow.ErrRPC, name)
	}
}

func TestNothingIsLogged(t *testing.T) {
	var b bytes.Buffer
	log.SetOutput(&b)
	defer log.SetOutput(os.Stderr)
	old := os.Stderr
	r, w, err := os.Pipe()
	require.NoError(t, err)
	os.Stderr = w
	defer func() { os.Stderr = old }()
	n := newNode(t)
	n.failFirst(2, status(503))
	_, err = dial(t, n.URL+"/?key=hunter2").ChainID(soon(t))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	written, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Empty(t, string(written))
	assert.Empty(t, b.String())
}

type countingTransport struct {
	calls, closed atomic.Int64
	http.RoundTripper
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	if c.calls.Load() == 1 {
		return nil, errors.New("the first call fails")
	}
	return c.RoundTripper.RoundTrip(r)
}

func (c *countingTransport) CloseIdleConnections() { c.closed.Add(1) }

func TestTransportOfTheCaller(t *testing.T) {
	n := newNode(t)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	rt := &countingTransport{RoundTripper: base}
	c := dial(t, n.URL, escrow.WithTransport(rt))
	_, err := c.ChainID(soon(t))
	require.NoError(t, err)
	assert.EqualValues(t, 2, rt.calls.Load())
	c.Close()
	assert.Zero(t, rt.closed.Load(), "it is the caller's")
	_, err = escrow.Dial(context.Background(), n.URL, escrow.WithTransport(nil))
	require.NoError(t, err)
}

// TestAnswersOfTwoNodesAreNotMixed: what one node said is not used with the null of the next one.
func TestAnswersOfTwoNodesAreNotMixed(t *testing.T) {
	a, b := newNode(t), newNode(t)
	a.say("eth_call", &jsonError{-32005, "rate", nil})
	b.say("eth_getBlockByNumber", nil)
	_, err := dial(t, a.URL, escrow.WithNodes(b.URL)).RequestClose(soon(t), closeParams(t))
	require.ErrorIs(t, err, escrow.ErrRPC)
	require.ErrorContains(t, err, "newest block")
}
