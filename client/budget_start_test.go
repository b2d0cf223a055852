package client_test

import (
	"context"
	"iter"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/store"
)

// slowList is a store whose listings take their time, as those of one with many channels, or of one
// that is far away, do. What it had before, a program wrote that knew no records of budgets.
type slowList struct {
	store.Store
	takes  time.Duration
	listed atomic.Int64
}

func (s *slowList) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		s.listed.Add(1)
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			yield(store.Entry{}, context.Cause(ctx))
			return
		}
		for e, err := range s.Store.List(ctx, prefix) {
			if !yield(e, err) {
				return
			}
		}
	}
}

// Get and Put have the records of budgets under other keys, so that there are none at first.
func (s *slowList) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	return s.Store.Get(ctx, strings.Replace(key, "budget/", "budget-", 1))
}

func (s *slowList) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	return s.Store.Put(ctx, strings.Replace(key, "budget/", "budget-", 1), data, rev)
}

// TestBudgetsOverTimeHoldWhileTheyAreRead: the first requests over an old store wait for the listing
// that the records of budgets are made from, each no longer than its context, and none passes a
// budget meanwhile.
func TestBudgetsOverTimeHoldWhileTheyAreRead(t *testing.T) {
	month := func(n uint64) func(*client.Config) {
		return func(c *client.Config) {
			c.Limits.All = channel.Windows{Hour: u(n), Day: u(n), Month: u(n)}
		}
	}
	for name, c := range map[string]struct {
		limits  func(*client.Config)
		takes   time.Duration // one listing
		waits   time.Duration // a caller
		prices  []string
		same    bool // all at the origin of before; otherwise each second one at another
		allowed uint64
	}{
		"the month is used up": {
			limits: month(300), takes: time.Second, waits: time.Minute,
			prices: []string{"101", "100", "100", "1"}, allowed: 300,
		},
		"callers give up first": {
			limits: month(300), takes: time.Minute, waits: time.Second,
			prices: []string{"101", "100", "100"}, allowed: 300,
		},
		"one price is left": {
			limits: month(400), takes: time.Second, waits: time.Minute,
			prices: []string{"100", "100", "100"}, allowed: 400,
		},
		"one price is left, one host": {
			limits: month(400), takes: time.Second, waits: time.Minute,
			prices: []string{"100", "100", "100"}, same: true, allowed: 400,
		},
		"half a price is left": {
			limits: month(350), takes: time.Second, waits: time.Minute,
			prices: []string{"100", "51", "50"}, allowed: 350,
		},
		"of an origin": {
			limits: func(c *client.Config) { c.Limits.Origin.Day = u(350) },
			takes:  time.Second, waits: time.Minute, prices: []string{"100", "51", "50"},
			same: true, allowed: 350,
		},
		"of a payee": {
			limits: func(c *client.Config) { c.Limits.Payee.Day = u(350) },
			takes:  time.Second, waits: time.Minute, prices: []string{"100", "51", "50"},
			allowed: 350,
		},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				bubble.Run(t, func(t *testing.T) {
					p := inMemory(t, c.limits)
					for range 3 {
						p.get(rail + "/data")
					}
					slow := &slowList{Store: p.store, takes: c.takes}
					p.cfg.Store = slow
					p.restart()
					var wg sync.WaitGroup
					for i, price := range c.prices {
						url := p.srv.URL
						if !c.same && i%2 == 1 {
							url = p.srv.OtherURL
						}
						wg.Go(func() {
							ctx, cancel := context.WithTimeout(t.Context(), c.waits)
							defer cancel()
							began := time.Now()
							req := p.request(
								ctx, http.MethodGet, url+rail+"/data?price="+price, nil,
							)
							resp, err := p.send(req)
							_, _, _ = finish(t, resp, err)
							assert.LessOrEqual(
								t, time.Since(began), max(c.waits, c.takes), "waited too long",
							)
						})
					}
					wg.Wait()
					assert.NotZero(t, slow.listed.Load())
					require.NotEmpty(t, p.channels())
					sum := u(0)
					for _, s := range p.channels() {
						sum = sum.AddCapped(s.Authorized)
					}
					assert.Equal(t, u(c.allowed), sum, "authorized: what fits, and no more")
				})
			})
		}
	}
}
