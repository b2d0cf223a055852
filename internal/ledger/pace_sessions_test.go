package ledger_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// slow is a store whose writes take a millisecond, one after the other.
type slow struct {
	store.Store
	turn chan struct{}
}

func (s *slow) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	time.Sleep(time.Millisecond)
	return s.Store.Put(ctx, key, data, rev)
}

// payee refuses a voucher below the highest one that it has seen. A request is on its way to it for as
// long as way, or up to a tenth longer, and its answer as well.
type payee struct {
	way     time.Duration
	mu      sync.Mutex
	random  *rand.Rand
	highest voucher.Amount
	sent    int
	took    []time.Duration
	began   []time.Time // when each of these requests did
	tries   []int       // of each request
}

func (p *payee) travel() {
	p.mu.Lock()
	late := time.Duration(p.random.Int64N(int64(p.way / 10)))
	p.mu.Unlock()
	time.Sleep(p.way + late)
}

// takes reports whether the payee serves a request with the voucher.
func (p *payee) takes(v voucher.Amount) bool {
	p.travel()
	p.mu.Lock()
	p.sent++
	ok := !v.Less(p.highest)
	p.highest = p.highest.Max(v)
	p.mu.Unlock()
	p.travel()
	return ok
}

// pays makes one request the way that the client does.
func (p *payee) pays(t *testing.T, a *ledger.Account, b *bench) {
	began := time.Now()
	r, v, err := paced(t.Context(), a, b)
	tries := 0
	for ; err == nil; tries++ {
		r.Wrote()
		if p.takes(v.Cumulative) {
			break
		}
		r.Overtaken(v.Cumulative.Less(a.State().Signed) && !a.Shared())
		v, err = r.Again(t.Context(), v.Cumulative)
	}
	if !assert.NoError(t, err) {
		return
	}
	r.Keep()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.took, p.began, p.tries = append(p.took, time.Since(began)), append(p.began, began), append(p.tries, tries)
}

// TestPaceOfSessionsThatShare: sessions that share a record leave time between each other's vouchers,
// so that few requests are overtaken, none again and again, and none waits much longer than others: the
// sessions take turns, and a turn is hardly longer than its write, since those who wait look before they write.
func TestPaceOfSessionsThatShare(t *testing.T) {
	const requests = 30
	for way, most := range map[time.Duration][2]time.Duration{
		100 * time.Microsecond: {28 * time.Millisecond, 60 * time.Millisecond},
		10 * time.Millisecond:  {33 * time.Millisecond, 60 * time.Millisecond},
	} {
		for _, each := range []int{2, 8} {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				b.store.Store = &slow{b.store.Store, make(chan struct{}, 1)}
				id := b.open(t, 10_000_000).ID()
				p := &payee{way: way, random: rand.New(rand.NewPCG(1, uint64(each)))}
				var group sync.WaitGroup
				for range 8 {
					session := b.again()
					a, err := session.Account(t.Context(), id)
					require.NoError(t, err)
					for range each {
						group.Go(func() {
							for range requests {
								p.pays(t, a, session)
							}
						})
					}
				}
				group.Wait()
				n := len(p.took)
				require.Equal(t, 8*each*requests, n)
				began := slices.SortedFunc(slices.Values(p.began), time.Time.Compare)[n/4]
				var later []time.Duration
				for i, took := range p.took {
					if p.began[i].After(began) { // by then each has met the others
						later = append(later, took)
					}
				}
				slices.Sort(p.took)
				assert.Less(t, p.took[n*99/100], 180*time.Millisecond, "also while they meet")
				slices.Sort(later)
				p50, p99 := later[len(later)/2], later[len(later)*99/100]
				t.Logf("%d goroutines in 8 sessions, %v away: %.3f sends, most tries %d, p50 %v, p99 %v", 8*each,
					way, float64(p.sent)/float64(len(p.tries)), 1+slices.Max(p.tries), p50, p99)
				assert.Less(t, float64(p.sent)/float64(len(p.tries)), 1.05)
				assert.LessOrEqual(t, slices.Max(p.tries), 4)
				assert.Less(t, p50, most[0])
				assert.Less(t, p99, min(most[1], 3*p50))
			})
		}
	}
}

// TestPaceWaitsForOtherSessions: after another session wrote the record, a new request leaves its
// voucher time on the way. Nothing else does, and the wait has a bound.
func TestPaceWaitsForOtherSessions(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 10_000_000)
		sharing(t, a, b)
		other, err := b.again().Account(t.Context(), a.ID())
		require.NoError(t, err)
		writes := func() {
			require.NoError(t, other.Update(t.Context(), func(s rule.State) rule.State { return s }))
		}
		writes()
		began := time.Now()
		require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State { return s }))
		assert.Zero(t, time.Since(began), "an update waits for nobody")
		time.Sleep(mostPause)
		writes()
		began = time.Now()
		first, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		assert.Greater(t, time.Since(began), time.Millisecond, "the voucher of the other session is on its way")
		assert.Less(t, time.Since(began), 5*time.Millisecond)
		first.Keep()

		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() { // more often than a pause
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				case <-time.After(500 * time.Microsecond):
					writes()
				}
			}
		}()
		time.Sleep(mostPause)
		began = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err = paced(ctx, a, b)
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Since(began), 2*mostPause)
		close(stop)
		<-stopped
	})
}

// TestPaceHoldsOthersOff: a request that other sessions overtook twice writes the record with the
// voucher that exists, so that the others leave it time on its way. The ceiling does not rise.
func TestPaceHoldsOthersOff(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 10_000_000)
		sharing(t, a, b)
		session := b.again()
		other, err := session.Account(t.Context(), a.ID())
		require.NoError(t, err)
		sharing(t, other, session)
		sharing2 := func() {
			r, _, err := paced(t.Context(), other, session)
			require.NoError(t, err)
			r.Wrote()
			time.Sleep(20 * time.Millisecond)
			r.Keep()
		}
		r, v, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		for n := range 2 {
			r.Wrote()
			sharing2()
			r.Overtaken(false)
			puts, ceiling := b.store.puts.Load(), other.State().Authorized()
			v, err = r.Again(t.Context(), v.Cumulative)
			require.NoError(t, err)
			assert.Equal(t, ceiling, v.Cumulative)
			assert.Equal(t, ceiling, a.State().Authorized())
			assert.EqualValues(t, n, b.store.puts.Load()-puts)
		}
		began := time.Now()
		_, higher, err := paced(t.Context(), other, session)
		require.NoError(t, err)
		assert.True(t, v.Cumulative.Less(higher.Cumulative))
		assert.Greater(t, time.Since(began), time.Millisecond)
	})
}

// TestPaceOfOwnWrites: what a session writes without waiting, as streams and updates do, makes its requests
// wait no longer for others than they do anyway: 100 ms in all, or five seconds if the payee refuses equal vouchers.
func TestPaceOfOwnWrites(t *testing.T) {
	for _, apart := range []bool{false, true} {
		most, every := mostPause, 4*time.Millisecond // more often than its turn comes
		if apart {
			most, every = 5*time.Second, 40*time.Millisecond
		}
		bubble.Run(t, func(t *testing.T) {
			b := newBench(t, lim)
			b.store.Store = &slow{b.store.Store, make(chan struct{}, 1)}
			a := b.open(t, 10_000_000)
			ctx, cancel := context.WithCancel(t.Context())
			var group sync.WaitGroup
			writes := func(a *ledger.Account, every time.Duration) {
				group.Go(func() {
					for ctx.Err() == nil {
						assert.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State { return s }))
						time.Sleep(every)
					}
				})
			}
			for range 8 {
				session := b.again()
				other, err := session.Account(t.Context(), a.ID())
				require.NoError(t, err)
				_, _, err = paced(t.Context(), other, session) // under way all the time
				require.NoError(t, err)
				writes(other, time.Second)
			}
			first, _, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			if first.Wrote(); apart {
				first.Unequal(t.Context())
			}
			first.Keep()
			writes(a, every)
			time.Sleep(50 * time.Millisecond)
			for range 2 {
				began := time.Now()
				short, stop := context.WithTimeout(t.Context(), 2*most)
				r, _, err := paced(short, a, b)
				if stop(); assert.NoError(t, err) {
					r.Keep()
				}
				assert.Less(t, time.Since(began), most+most/4)
			}
			cancel()
			group.Wait()
		})
	}
}
