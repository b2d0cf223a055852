package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestOvertakenKeepsTheChallenge: a voucher that was overtaken says nothing of the challenge, so
// those who come later pay at once.
func TestOvertakenKeepsTheChallenge(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	p := newPayer(t, srv)
	p.get("/data")
	// The first is tried with the same voucher. The second has a higher one, which overtakes it.
	for _, cumulative := range []uint64{200, 400} {
		var met atomic.Bool
		srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
			if r.Cumulative == u(cumulative) && !met.Swap(true) {
				p.get("/data")
			}
			return clienttest.Fault{}
		})
		p.get("/data")
	}
	var unpaid, refused int
	for _, r := range srv.Requests() {
		switch {
		case r.Action == "":
			unpaid++
		case r.Status == http.StatusPaymentRequired:
			refused++
		}
	}
	assert.Equal(t, 2, refused, "the test tests nothing")
	p.get("/data")
	assert.Equal(t, 1, unpaid, "the first of all")
	assert.Len(t, srv.Requests(), 9)
}

// TestEqualRefusedIsLearned: no refusal of a payee that refuses equal vouchers reaches a caller, with and
// without Limits.Ahead. One is answered with a higher voucher, and after it each request has a voucher of its
// own, in later sessions of the store too.
func TestEqualRefusedIsLearned(t *testing.T) {
	for _, ahead := range []uint64{0, 25_600} {
		for _, rail := range rails {
			bubble.Run(t, func(t *testing.T) {
				p := inMemoryWith(t, clienttest.Config{EqualVouchers: clienttest.EqualRefused},
					func(cfg *client.Config) { cfg.Limits.Ahead = u(ahead) })
				path := rail + "/data?deposit=1000000"
				p.get(path)
				p.srv.OnRequest(func(clienttest.Request) clienttest.Fault {
					return clienttest.Fault{Delay: 10 * time.Millisecond} // they meet at the gate
				})
				before := len(p.srv.Requests())
				for round := range 4 {
					if round == 2 {
						require.NoError(t, p.session.Close(t.Context()))
						p.restart()
					}
					var refused atomic.Int64
					var group sync.WaitGroup
					for range 16 {
						group.Go(func() {
							resp, err := p.do(http.MethodGet, path, nil)
							if !assert.NoError(t, err) {
								return
							}
							if resp.StatusCode == http.StatusPaymentRequired {
								refused.Add(1)
							}
							resp.Body.Close()
						})
					}
					group.Wait()
					assert.Zero(t, refused.Load())
				}
				refused := 0
				for _, r := range p.srv.Requests()[before:] {
					if r.Status == http.StatusPaymentRequired && r.Action != "" {
						refused++
					}
				}
				assert.Equal(t, 1, refused, "it is learned from one refusal")
			})
		}
	}
}

// traced says when a request is written, as net/http does.
type traced struct{ base http.RoundTripper }

func (t traced) RoundTrip(req *http.Request) (*http.Response, error) {
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil {
		trace.WroteHeaders()
	}
	return t.base.RoundTrip(req)
}

// TestSessionsWhereEqualIsRefused: sessions that share a channel of a payee that refuses equal vouchers wait for each
// other's answers, once it is known.
func TestSessionsWhereEqualIsRefused(t *testing.T) {
	for _, rail := range rails {
		bubble.Run(t, func(t *testing.T) {
			p := inMemoryWith(t, clienttest.Config{EqualVouchers: clienttest.EqualRefused})
			path := p.srv.URL + rail + "/data?deposit=1000000"
			p.cfg.Base = traced{uneven{p.base, new(atomic.Int64)}}
			var refused atomic.Int64
			pays := func(session *client.Session, requests int) {
				for range requests {
					resp, err := session.Client().Get(path)
					if !assert.NoError(t, err) {
						return
					}
					if resp.StatusCode != http.StatusOK {
						refused.Add(1)
					}
					assert.NoError(t, resp.Body.Close())
				}
			}
			sessions := func(n, first int) {
				all := make([]*client.Session, n)
				for i := range all {
					var err error
					all[i], err = client.New(p.cfg)
					require.NoError(t, err)
					pays(all[i], first)
				}
				var group sync.WaitGroup
				for i := range 2 * n {
					group.Go(func() { pays(all[i/2], 10) })
				}
				group.Wait()
				for _, session := range all {
					assert.NoError(t, session.Close(t.Context()))
				}
			}
			sessions(1, 0)
			sessions(8, 0) // they know nothing of each other yet, nor how long the payee takes
			sessions(8, 1)
			assert.Zero(t, refused.Load())
		})
	}
}

// TestSessionBesideABusyOne: where equal vouchers are refused, a session that pays all the time keeps another one
// from paying for five seconds at most. The request that goes then may overtake one of the other session.
func TestSessionBesideABusyOne(t *testing.T) {
	for _, rail := range rails {
		bubble.Run(t, func(t *testing.T) {
			p := inMemoryWith(t, clienttest.Config{EqualVouchers: clienttest.EqualRefused})
			path := rail + "/data?deposit=1000000"
			p.base = traced{uneven{p.base, new(atomic.Int64)}}
			p.cfg.Base = p.base
			p.cfg.Limits.Deposit, p.cfg.Limits.Total = u(1_000_000), u(1_000_000)
			p.restart()
			var refused atomic.Int64
			stop := make(chan struct{})
			var busy sync.WaitGroup
			for range 4 {
				busy.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						resp, err := p.do(http.MethodGet, path, nil)
						if !assert.NoError(t, err) {
							return
						}
						assert.NoError(t, resp.Body.Close())
						if resp.StatusCode != http.StatusOK {
							refused.Add(1)
						}
					}
				})
			}
			time.Sleep(time.Second)
			other, err := client.New(p.cfg)
			require.NoError(t, err)
			for range 3 {
				began := time.Now()
				resp, err := other.Client().Get(p.srv.URL + path)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Less(t, time.Since(began), 5200*time.Millisecond)
				time.Sleep(3 * time.Second) // longer than a session counts as one that writes
			}
			close(stop)
			busy.Wait()
			assert.LessOrEqual(t, refused.Load(), int64(3))
			require.NoError(t, other.Close(t.Context()))
		})
	}
}

// TestStarvedStream: a stream whose first piece another stream used up, and whose payee asks for
// nothing, ends with an error that says so.
func TestStarvedStream(t *testing.T) {
	for _, rail := range rails {
		bubble.Run(t, func(t *testing.T) {
			p := inMemory(t, func(cfg *client.Config) { cfg.Stall = stall })
			terms := piece
			if rail == "/v1" {
				terms.Protocol = 1
			}
			p.srv.Handle("/starved", p.srv.Metered(terms,
				func(m *clienttest.Meter, r *http.Request) error {
					_ = m.Raw([]byte(": nothing comes\n\n"))
					<-r.Context().Done()
					return r.Context().Err()
				}))
			other, err := p.do(http.MethodGet, "/starved", nil)
			require.NoError(t, err)
			defer other.Body.Close()
			began := time.Now()
			resp, err := p.do(http.MethodGet, "/starved", nil)
			require.NoError(t, err)
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			require.ErrorIs(t, err, client.ErrStalled)
			require.ErrorContains(t, err, "other requests of the channel may have used up")
			assert.LessOrEqual(t, time.Since(began), stall+stall/2)
		})
	}
}

// TestSilentStreams: a stream that delivered what was paid for, and whose payee asks for nothing,
// ends only if other requests of the channel may have used up what was paid for its next piece. One
// that is alone, or has credit left, may have nothing to say for long.
func TestSilentStreams(t *testing.T) {
	const silence = 5*stall + stall/2
	for _, c := range []struct {
		name    string
		streams int
		ahead   uint64
		ends    bool
	}{
		{"two, and the credit is used up", 2, 0, true},
		{"two, and credit is left", 2, 1000, false},
		{"alone", 1, 0, false},
	} {
		for _, rail := range rails {
			t.Run(c.name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					p := inMemory(t, func(cfg *client.Config) { cfg.Stall, cfg.Limits.Ahead = stall, u(c.ahead) })
					terms := piece
					if rail == "/v1" {
						terms.Protocol = 1
					}
					p.srv.Handle("/silent", p.srv.Metered(terms, func(m *clienttest.Meter, _ *http.Request) error {
						if err := errors.Join(m.Charge(1), m.Send("x")); err != nil {
							return err
						}
						time.Sleep(silence)
						return nil
					}))
					var all []*http.Response
					for range c.streams {
						resp, err := p.do(http.MethodGet, "/silent", nil)
						require.NoError(t, err)
						defer resp.Body.Close()
						all = append(all, resp)
					}
					began := time.Now()
					var group sync.WaitGroup
					for _, resp := range all {
						group.Go(func() {
							_, err := io.ReadAll(resp.Body)
							if !c.ends {
								assert.NoError(t, err)
								assert.GreaterOrEqual(t, time.Since(began), silence-stall)
								return
							}
							assert.ErrorIs(t, err, client.ErrStalled)
							assert.ErrorContains(t, err, "other requests of the channel may have used up")
							assert.LessOrEqual(t, time.Since(began), 2*stall+stall/2)
						})
					}
					group.Wait()
				})
			})
		}
	}
}

// TestParallelStreams: streams on one channel are all served, however many there are.
func TestParallelStreams(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		for _, n := range []int{2, 5, 12} {
			p := inMemory(t)
			p.get("/data")
			var group sync.WaitGroup
			for range n {
				group.Go(func() {
					resp, err := p.do(http.MethodGet, "/stream/5/10", nil)
					if assert.NoError(t, err) {
						readAll(t, resp, 5)
					}
				})
			}
			group.Wait()
			assert.Equal(t, u(100+50*uint64(n)), p.srv.Accounts()[0].Spent)
		}
	})
}
