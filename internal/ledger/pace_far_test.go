package ledger_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestPaceOfAFarPayee: a refusal that takes longer on its way than an epoch may last is waited for.
// Until it is there no more than two requests have a voucher in common, once: what the others raised
// would be lost to them.
func TestPaceOfAFarPayee(t *testing.T) {
	for name, answered := range map[string]bool{"known": true, "new": false} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				const way = 150 * time.Millisecond
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				if answered {
					r, _, err := paced(t.Context(), a, b)
					require.NoError(t, err)
					r.Wrote()
					time.Sleep(2 * way)
					r.Keep()
				}
				var mu sync.Mutex
				var highest voucher.Amount
				var refused atomic.Int64
				var group sync.WaitGroup
				began := time.Now()
				for range 16 {
					group.Go(func() {
						r, v, err := paced(t.Context(), a, b)
						if !assert.NoError(t, err) {
							return
						}
						for range 2 {
							r.Wrote()
							time.Sleep(way)
							mu.Lock()
							taken := highest.Less(v.Cumulative)
							highest = highest.Max(v.Cumulative)
							mu.Unlock()
							time.Sleep(way)
							if taken {
								break
							}
							refused.Add(1)
							r.Unequal(t.Context())
							v, err = r.Again(t.Context(), v.Cumulative)
							assert.NoError(t, err)
						}
						r.Keep()
					})
				}
				group.Wait()
				assert.EqualValues(t, 1, refused.Load())
				assert.LessOrEqual(t, time.Since(began), 16*mostPause+4*way)
			})
		})
	}
}

// TestPaceOfASlowPayee: a payee that does not answer for a minute is taken to serve two requests
// with one voucher after a second.
func TestPaceOfASlowPayee(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		began := time.Now()
		var group sync.WaitGroup
		for range 64 {
			group.Go(func() {
				r, _, err := paced(t.Context(), a, b)
				if !assert.NoError(t, err) {
					return
				}
				assert.LessOrEqual(t, time.Since(began), 2*time.Second)
				r.Wrote()
				time.Sleep(time.Minute)
				r.Keep()
			})
		}
		group.Wait()
	})
}
