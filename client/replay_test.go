package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// early answers at once and reads the body in the background, as HTTP transports do.
type early struct {
	base http.RoundTripper
}

func (e early) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body == nil {
		return e.base.RoundTrip(r)
	}
	read := make(chan []byte, 1)
	go func() {
		defer body.Close()
		text, _ := io.ReadAll(body)
		read <- text
	}()
	paid := r.Header.Get("Authorization") != ""
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = http.NoBody, 0
	if !paid {
		return e.base.RoundTrip(r)
	}
	select { // the content needs all of it
	case text := <-read:
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		return e.base.RoundTrip(r)
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// TestAnswerWhileTheCallerStillWrites: a challenge that comes before the body is complete is paid, or
// the request ends with its context; it does not wait for the caller's bytes.
func TestAnswerWhileTheCallerStillWrites(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	for name, ends := range map[string]bool{"the body goes on": false, "the context ends": true} {
		t.Run(name, func(t *testing.T) {
			p := newPayer(t, srv)
			p.base = early{p.base}
			paid := make(chan struct{})
			p.cfg.Policy = func(context.Context, client.Proposal) error {
				close(paid)
				return nil
			}
			p.restart()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			reader, writer := io.Pipe()
			go func() {
				_, _ = writer.Write([]byte("some"))
				select {
				case <-paid: // before the rest is written
				case <-time.After(10 * time.Second):
					_ = writer.CloseWithError(errors.New("the challenge is not answered while the body is read"))
					return
				}
				if ends {
					cancel()
					return
				}
				_, _ = writer.Write([]byte(" more"))
				_ = writer.Close()
			}()
			resp, err := p.send(p.request(ctx, http.MethodPost, "/data", reader))
			if ends {
				require.ErrorIs(t, err, context.Canceled)
				return
			}
			assert.Contains(t, p.ok(resp, err), "some more")
		})
	}
}

// answers is a round tripper that returns what it is told.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// TestBodiesThatAreReadWhileTheyAreAnswered: whatever was read of a body when the challenge came, and
// whoever still reads it, the paid sending has all of it and in order, or is not sent.
func TestBodiesThatAreReadWhileTheyAreAnswered(t *testing.T) {
	const spool = 4000
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Spool = spool })
	p.base = early{p.base}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // reproducible on purpose
		text := make([]byte, []int{1 + r.IntN(spool), spool, spool + r.IntN(200), 3 * spool}[r.IntN(4)])
		for i := range text {
			text[i] = 'a' + byte(r.IntN(26))
		}
		req := p.request(t.Context(), http.MethodPost, "/data", &choppy{rest: text, size: 1 + r.IntN(1500)})
		if r.IntN(2) == 0 {
			req.ContentLength = int64(len(text))
		}
		resp, err := p.send(req)
		if err != nil {
			var e *client.Error
			require.ErrorAs(t, err, &e, "seed %d", seed)
			require.ErrorContains(t, err, "Config.Spool", "seed %d", seed)
			require.Less(t, spool, len(text), "seed %d", seed)
			continue
		}
		require.Contains(t, p.ok(resp, err), `"`+string(text)+`"`, "seed %d", seed)
	}
}

// choppy is a body that comes in pieces, while others get on.
type choppy struct {
	rest []byte
	size int
}

func (c *choppy) Read(p []byte) (int, error) {
	runtime.Gosched()
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.size, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}

// gated is a body whose second half comes once it is let through.
type gated struct {
	first           bool
	halves          [2]io.Reader
	asked, released chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	n, err := g.halves[0].Read(p)
	if n > 0 || err == nil {
		return n, nil
	}
	if !g.first {
		g.first = true
		close(g.asked)
		<-g.released
	}
	return g.halves[1].Read(p)
}

// TestBodyThatOutgrowsTheSpoolMeanwhile: the sending before still reads what the paid one needs.
func TestBodyThatOutgrowsTheSpoolMeanwhile(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv, func(c *client.Config) { c.Spool = 40 })
	body := &gated{
		halves: [2]io.Reader{strings.NewReader(strings.Repeat("a", 30)), strings.NewReader(strings.Repeat("b", 30))},
		asked:  make(chan struct{}), released: make(chan struct{}),
	}
	base := early{p.base}
	p.base = answers(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Authorization") != "" {
			close(body.released)
			return base.RoundTrip(r)
		}
		resp, err := base.RoundTrip(r)
		<-body.asked
		return resp, err
	})
	want := strings.Repeat("a", 30) + strings.Repeat("b", 30)
	assert.Contains(t, p.ok(p.do(http.MethodPost, "/data", body)), `"`+want+`"`)
}
