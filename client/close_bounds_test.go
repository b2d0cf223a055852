package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// closeWithin is how long a close may take, with a second to spare.
const closeWithin = 91 * time.Second

// tripper is a round tripper that is a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hangs never answers.
func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// endless is a body that brings a byte a second and no end, until it is closed.
type endless struct{ closed chan struct{} }

func newEndless() *endless { return &endless{make(chan struct{})} }

func (d *endless) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-d.closed:
		return 0, io.ErrClosedPipe
	}
}

func (d *endless) Close() error {
	select {
	case <-d.closed:
	default:
		close(d.closed)
	}
	return nil
}

// hungNode is a node that does not answer while stop is set.
type hungNode struct {
	client.Chain
	stop *atomic.Bool
}

func (n hungNode) wait(ctx context.Context) error {
	if !n.stop.Load() {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (n hungNode) ChainID(ctx context.Context) (uint64, error) {
	if err := n.wait(ctx); err != nil {
		return 0, err
	}
	return n.Chain.ChainID(ctx)
}

func (n hungNode) State(ctx context.Context, ref escrow.Ref) (escrow.State, error) {
	if err := n.wait(ctx); err != nil {
		return escrow.State{}, err
	}
	return n.Chain.State(ctx, ref)
}

func (n hungNode) States(ctx context.Context, refs []escrow.Ref) ([]escrow.State, error) {
	if err := n.wait(ctx); err != nil {
		return nil, err
	}
	return n.Chain.States(ctx, refs)
}

func (n hungNode) RequestClose(ctx context.Context, p escrow.CloseParams) (escrow.Receipt, error) {
	if err := n.wait(ctx); err != nil {
		return escrow.Receipt{}, err
	}
	return n.Chain.RequestClose(ctx, p)
}

// TestClosesEnd: whatever payee and node do, a close ends by itself, the channel stays listed, and the
// next close succeeds.
func TestClosesEnd(t *testing.T) {
	is := func(method string, paid bool) func(*http.Request) bool {
		return func(r *http.Request) bool {
			return r.Method == method && strings.HasPrefix(r.Header.Get("Authorization"), "Payment ") == paid
		}
	}
	anything := func(*http.Request) bool { return true }
	dripping := func(status int) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			resp := reply(status, "")
			resp.Body, resp.ContentLength = newEndless(), -1
			return resp, nil
		}
	}
	for name, c := range map[string]struct {
		of    func(*http.Request) bool
		how   func(*http.Request) (*http.Response, error)
		phase channel.Phase
	}{
		"no answer at all":            {anything, hangs, channel.Open},
		"no answer to the close":      {is(http.MethodPost, true), hangs, channel.Closing},
		"a dripping look":             {is(http.MethodHead, false), dripping(200), channel.Closed},
		"dripping looks":              {anything, dripping(200), channel.Open},
		"a dripping close":            {is(http.MethodPost, true), dripping(200), channel.Closed},
		"a dripping refusal":          {is(http.MethodPost, true), dripping(402), channel.Open},
		"dripping acceptances":        {func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }, dripping(200), channel.Closing},
		"dripping refusals":           {func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }, dripping(500), channel.Open},
		"a dripping busy server":      {func(r *http.Request) bool { return r.Header.Get("Authorization") != "" }, dripping(503), channel.Open},
		"a close that is cut, a hang": {is(http.MethodPost, true), cutThenHang(), channel.Closing},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				var trouble atomic.Bool
				p := inMemory(t, func(cfg *client.Config) {
					base := cfg.Base
					cfg.Base = tripper(func(r *http.Request) (*http.Response, error) {
						if trouble.Load() && c.of(r) {
							return c.how(r)
						}
						return base.RoundTrip(r)
					})
				})
				p.get("/data")
				id := p.only().ID
				trouble.Store(true)
				began := time.Now()
				err := p.session.Channels().Close(context.Background(), id)
				assert.LessOrEqual(t, time.Since(began), closeWithin)
				assert.Equal(t, c.phase == channel.Closed, err == nil, "%v", err)
				assert.Equal(t, c.phase, p.only().Phase)
				trouble.Store(false)
				require.NoError(t, p.session.Channels().Close(t.Context(), id))
				p.paidOut(p.only(), 100)
			})
		})
	}
}

// cutThenHang breaks the connection of the first request and answers no other.
func cutThenHang() func(*http.Request) (*http.Response, error) {
	var n atomic.Int64
	return func(r *http.Request) (*http.Response, error) {
		if n.Add(1) == 1 {
			return nil, io.ErrUnexpectedEOF
		}
		return hangs(r)
	}
}

// TestClosesEndIfTheNodeHangs before the close, and after it.
func TestClosesEndIfTheNodeHangs(t *testing.T) {
	for _, sent := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			var stop atomic.Bool
			p := inMemory(t, func(cfg *client.Config) {
				base := cfg.Base
				cfg.Chain = hungNode{cfg.Chain, &stop}
				cfg.Base = tripper(func(r *http.Request) (*http.Response, error) {
					resp, err := base.RoundTrip(r)
					if sent && r.Header.Get("Authorization") != "" {
						resp.Header.Del("Payment-Receipt") // the chain has to say it
						stop.Store(true)
					}
					return resp, err
				})
			})
			p.get("/data")
			id := p.only().ID
			stop.Store(!sent)
			began := time.Now()
			e := p.refused(nil, p.session.Channels().Close(context.Background(), id))
			assert.LessOrEqual(t, time.Since(began), closeWithin)
			require.ErrorIs(t, e, context.DeadlineExceeded)
			require.ErrorContains(t, e, "was not decided within 1m30s")
			assert.Equal(t, sent, e.Outcome == client.OutcomeUnknown, e.Outcome)
			assert.Equal(t, sent, p.only().Phase == channel.Closing)

			began = time.Now()
			require.Error(t, p.session.Channels().RequestClose(context.Background(), id))
			_, _, err := p.session.Channels().Sweep(context.Background())
			require.Error(t, err)
			assert.LessOrEqual(t, time.Since(began), 7*time.Minute)

			stop.Store(false)
			require.NoError(t, p.session.Channels().Close(t.Context(), id))
			p.paidOut(p.only(), 100)
		})
	}
}

// TestSessionCloseRunsSideBySide: the channels of payees that do not answer hold up neither each other
// nor those of the others, and the errors come in the order of the channels.
func TestSessionCloseRunsSideBySide(t *testing.T) {
	const channels = 20
	bubble.Run(t, func(t *testing.T) {
		var trouble atomic.Bool
		var now, most atomic.Int64
		p := inMemory(t, func(cfg *client.Config) {
			base := cfg.Base
			cfg.CloseChannels = true
			cfg.Base = tripper(func(r *http.Request) (*http.Response, error) {
				var n int
				_, err := fmt.Sscanf(r.URL.Port(), "1%03d", &n)
				require.NoError(t, err)
				if trouble.Load() && n%2 == 1 {
					most.Store(max(most.Load(), now.Add(1)))
					defer now.Add(-1)
					return hangs(r)
				}
				r = r.Clone(r.Context())
				r.URL.Host = "127.0.0.1:1"
				return base.RoundTrip(r)
			})
		})
		p.base = p.cfg.Base
		for n := range channels {
			p.ok(p.send(p.request(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:1%03d/data", n), nil)))
		}
		require.Len(t, p.channels(), channels)
		trouble.Store(true)
		began := time.Now()
		err := p.session.Close(context.Background())
		assert.LessOrEqual(t, time.Since(began), 2*closeWithin, "ten that hang, eight at a time")
		assert.LessOrEqual(t, most.Load(), int64(8))
		assert.Greater(t, most.Load(), int64(1))
		require.Error(t, err)
		text, at := err.Error(), -1
		for n := range channels {
			origin := fmt.Sprintf("127.0.0.1:1%03d", n)
			found := strings.Index(text, origin)
			assert.Equal(t, n%2 == 1, found >= 0, origin)
			if found >= 0 {
				assert.Greater(t, found, at, "in order")
				at = found
			}
		}
		for _, s := range p.channels() {
			hung := strings.ContainsAny(s.Scope.Origin[len(s.Scope.Origin)-1:], "13579")
			assert.Equal(t, hung, s.Phase != channel.Closed, s.Scope.Origin)
		}
	})
}
