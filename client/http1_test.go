package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// noDeadline is a connection that has no deadlines.
type noDeadline struct{ net.Conn }

func (noDeadline) SetWriteDeadline(time.Time) error { return errors.New("no deadlines here") }

// TestNoReplayOnAnotherConnection: net/http would repeat a request whose connection died on any
// other idle one, whatever its context says by then. Nothing is written to that.
func TestNoReplayOnAnotherConnection(t *testing.T) {
	clone := func(base http.RoundTripper) http.RoundTripper {
		return answers(func(r *http.Request) (*http.Response, error) { return base.RoundTrip(r.Clone(r.Context())) })
	}
	for name, c := range map[string]struct {
		base func(http.RoundTripper) http.RoundTripper
		dial func(context.Context, string, string) (net.Conn, error)
	}{
		"net/http":                    {func(base http.RoundTripper) http.RoundTripper { return base }, nil},
		"a round tripper that clones": {clone, nil},
		"no deadlines": {clone, func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			return noDeadline{conn}, err
		}},
	} {
		for kind, k := range kinds {
			if k.body != "" || k.method == http.MethodHead {
				continue // is never repeated; is not charged
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				const idle = 6
				srv := clienttest.New(t, clienttest.Config{})
				var all sync.WaitGroup
				front := newReset(t, srv.Paid(hundred, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Together") != "" {
						all.Done()
						all.Wait()
					}
					sayOK(w, r)
				})))
				p := newPayer(t, srv)
				base := &http.Transport{MaxIdleConnsPerHost: idle, DialContext: c.dial}
				t.Cleanup(base.CloseIdleConnections)
				p.base = c.base(base)
				url := front.URL + "/?a=b"
				p.ok(p.fetch(t.Context(), k.method, url, nil))
				all.Add(idle)
				var done sync.WaitGroup
				for range idle {
					done.Go(func() {
						resp, err := p.fetch(t.Context(), k.method, url, nil, "Together", "1")
						if assert.NoError(t, err) {
							_, _ = io.Copy(io.Discard, resp.Body)
							resp.Body.Close()
						}
					})
				}
				done.Wait()
				for range 3 {
					front.served.Store(0)
					e := p.refused(p.fetch(t.Context(), k.method, url, nil, append(k.header, "Break", "1")...))
					assert.Equal(t, client.OutcomeUnknown, e.Outcome)
					assert.Equal(t, int32(1), front.served.Load())
				}
			})
		}
	}
}

// TestBaseThatAnswersAChallengeOfItsOwn: a base round tripper may send a paid request again after
// an answer to it, on whatever connection: that is not net/http's doing.
func TestBaseThatAnswersAChallengeOfItsOwn(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{Header: "Payment-Authorization"})
	paid := srv.Paid(hundred, http.HandlerFunc(sayOK))
	front := overTCP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		paid.ServeHTTP(w, r)
	}))
	p := newPayer(t, srv)
	base := p.base
	p.base = answers(func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		_ = resp.Body.Close()
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer t")
		return base.RoundTrip(r)
	})
	for range 3 {
		p.ok(p.fetch(t.Context(), http.MethodGet, front.URL, nil))
	}
	assert.Equal(t, u(300), p.agree().Signed)
}

// TestBaseSeesTheKey: a base round tripper that signs requests reads the key by Header.Get,
// whether it is the caller's or ours.
func TestBaseSeesTheKey(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	base := p.base
	var seen, other string
	p.base = answers(func(r *http.Request) (*http.Response, error) {
		seen, other = r.Header.Get("Idempotency-Key"), r.Header.Get("X-Idempotency-Key")
		return base.RoundTrip(r)
	})
	p.get("/data")
	assert.Len(t, seen, 32)
	p.ok(p.fetch(t.Context(), http.MethodGet, srv.URL+"/data", nil, "Idempotency-Key", "mine", "X-Idempotency-Key", "mine too"))
	assert.Equal(t, "mine", seen)
	assert.Equal(t, "mine too", other)
	require.NotNil(t, p.only())
}
