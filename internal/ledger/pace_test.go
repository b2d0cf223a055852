package ledger_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// mostPause is how long one epoch may hold up the next.
const mostPause = 100 * time.Millisecond

// paced reserves a request that waits for those before it.
func paced(
	ctx context.Context, a *ledger.Account, b *bench,
) (*ledger.Reservation, voucher.Signed, error) {
	t := b.terms()
	t.Paced = true
	return a.Reserve(ctx, t, price(100))
}

// later begins a paced request and returns a channel that has its voucher when the gate gave it one.
func later(t *testing.T, a *ledger.Account, b *bench) <-chan voucher.Amount {
	given := make(chan voucher.Amount, 1)
	go func() {
		_, v, err := paced(t.Context(), a, b)
		assert.NoError(t, err)
		given <- v.Cumulative
	}()
	synctest.Wait()
	return given
}

// sharing lets the payee show that it takes a voucher twice. Three requests are served, for 300 in all.
func sharing(t *testing.T, a *ledger.Account, b *bench) {
	first, highest, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			r, v, err := paced(t.Context(), a, b)
			assert.NoError(t, err)
			r.Wrote()
			if v.Cumulative == highest.Cumulative { // the trial
				r.Short()
				_, err = r.Again(t.Context(), v.Cumulative)
				assert.NoError(t, err)
				r.Wrote()
			}
			time.Sleep(20 * time.Millisecond)
			r.Keep()
		})
	}
	synctest.Wait()
	first.Wrote()
	time.Sleep(20 * time.Millisecond)
	first.Keep()
	group.Wait()
	require.Equal(t, highest.Cumulative.AddCapped(u(200)), a.State().Signed)
}

// TestPaceWaitsForTheWrite: a higher voucher does not leave before the one that exists was written,
// and then not before a pause.
func TestPaceWaitsForTheWrite(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		sharing(t, a, b)
		first, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		second := later(t, a, b)
		time.Sleep(mostPause / 2)
		synctest.Wait()
		assert.Empty(t, second, "the first one was not written")
		first.Wrote()
		synctest.Wait()
		assert.Empty(t, second, "the first one may be overtaken on the way")
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		require.Len(t, second, 1, "the first one has had its time")
		assert.Equal(t, u(500), <-second)
	})
}

// TestPaceEndsWithTheAnswer: nobody waits for a request that was answered.
func TestPaceEndsWithTheAnswer(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		first, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		second := later(t, a, b)
		first.Wrote()
		first.Keep()
		synctest.Wait()
		assert.Len(t, second, 1)
	})
}

// TestPaceLetsTheOvertakenThrough: newcomers wait until an overtaken request has presented the
// highest voucher, which it is given at once.
func TestPaceLetsTheOvertakenThrough(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		sharing(t, a, b)
		first, low, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		first.Wrote()
		second := later(t, a, b)
		time.Sleep(5 * time.Millisecond)
		require.Equal(t, u(500), <-second)
		first.Overtaken(true)
		third := later(t, a, b)
		time.Sleep(mostPause / 2)
		synctest.Wait()
		assert.Empty(t, third, "the first one is still to be sent again")
		began := time.Now()
		v, err := first.Again(t.Context(), low.Cumulative)
		require.NoError(t, err)
		assert.Equal(t, u(500), v.Cumulative)
		assert.Zero(t, time.Since(began), "it does not wait")
		time.Sleep(mostPause)
		synctest.Wait()
		assert.Len(t, third, 1, "an epoch ends")
	})
}

// TestPaceFollowsHowLateRequestsAre: after many requests of an epoch were overtaken, the next one
// leaves so much later that they would not have been, and not much later than that, also if the payee
// takes longer to look at a voucher than an epoch may take otherwise.
func TestPaceFollowsHowLateRequestsAre(t *testing.T) {
	for _, c := range []struct{ answer, late, least, most time.Duration }{
		{20 * time.Millisecond, 3 * time.Millisecond, 3 * time.Millisecond, 12 * time.Millisecond},
		{20 * time.Millisecond, time.Minute, 80 * time.Millisecond, mostPause},
		{200 * time.Millisecond, 150 * time.Millisecond, 150 * time.Millisecond, 4 * mostPause},
	} {
		bubble.Run(t, func(t *testing.T) { followsHowLate(t, c.answer, c.late, c.least, c.most) })
	}
}

func followsHowLate(t *testing.T, answer, late, least, most time.Duration) {
	t.Helper()
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	sharing(t, a, b)
	for range 64 {
		r, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		r.Wrote()
		time.Sleep(answer)
		r.Keep()
	}
	carried := a.State().Signed.AddCapped(u(900))
	overtaken := together(t, a, b, 8)
	higher := <-later(t, a, b)
	time.Sleep(answer + late)
	for _, r := range overtaken {
		r.Overtaken(true)
		_, err := r.Again(t.Context(), carried)
		require.NoError(t, err)
		r.Wrote()
		defer r.Keep()
	}
	assert.Equal(t, carried.AddCapped(u(100)), higher)
	time.Sleep(mostPause)
	together(t, a, b, 8)
	began := time.Now()
	<-later(t, a, b)
	assert.GreaterOrEqual(t, time.Since(began), least)
	assert.LessOrEqual(t, time.Since(began), most)

	// Fewer are looked at sooner.
	time.Sleep(mostPause)
	together(t, a, b, 4)
	began = time.Now()
	<-later(t, a, b)
	assert.GreaterOrEqual(t, time.Since(began), least/2)
	assert.LessOrEqual(t, time.Since(began), most/2)
}

// together writes n requests with one voucher.
func together(t *testing.T, a *ledger.Account, b *bench, n int) (all []*ledger.Reservation) {
	t.Helper()
	first, _, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	var group sync.WaitGroup
	written, vouchers := make(chan *ledger.Reservation, n), make(chan voucher.Amount, n)
	for range n {
		group.Go(func() {
			r, v, err := paced(t.Context(), a, b)
			assert.NoError(t, err)
			r.Wrote()
			vouchers <- v.Cumulative
			written <- r
		})
	}
	synctest.Wait()
	first.Wrote()
	t.Cleanup(first.Keep)
	group.Wait()
	for range n {
		all = append(all, <-written)
		assert.Equal(t, a.State().Signed, <-vouchers, "they share it")
	}
	return all
}

// TestPaceOfOneThatWaitsItself: a refused request whose decision waits at the gate does not wait for
// itself.
func TestPaceOfOneThatWaitsItself(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		first, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		first.Wrote()
		first.Overtaken(true)
		began := time.Now()
		_, err = first.Decide(t.Context(), price(300))
		require.NoError(t, err)
		assert.Zero(t, time.Since(began))
	})
}

// TestPaceOfASlowHandler: a request that is not answered for a minute, and one that is not even
// written, hold up the others by one pause at most.
func TestPaceOfASlowHandler(t *testing.T) {
	for name, written := range map[string]bool{"slow": true, "stuck": false} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				slow, _, err := paced(t.Context(), a, b)
				require.NoError(t, err)
				if written {
					slow.Wrote()
				}
				began := time.Now()
				second := later(t, a, b)
				<-second
				assert.LessOrEqual(t, time.Since(began), mostPause)
				time.Sleep(time.Minute)
				slow.Keep()
			})
		})
	}
}

// TestPaceHoldsUpNothingElse: while a request waits for the epoch, updates, closes and the vouchers
// of streams do not wait, and neither does a caller that gives up.
func TestPaceHoldsUpNothingElse(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		sharing(t, a, b)
		stream, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		stream.Wrote()
		stream.Stream(u(10), func() uint64 { return 10 })
		stuck, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		defer stuck.Keep()
		waiting := later(t, a, b)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := make(chan error, 1)
		go func() {
			_, _, err := paced(ctx, a, b)
			gone <- err
		}()
		synctest.Wait()
		began := time.Now()
		require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State { return s }))
		_, err = stream.More(t.Context(), u(510))
		require.NoError(t, err)
		_, err = a.CloseVoucher(t.Context(), u(0))
		require.NoError(t, err)
		enough := errors.New("enough")
		cancel(enough)
		require.ErrorIs(t, <-gone, enough)
		assert.Zero(t, time.Since(began))
		assert.Empty(t, waiting)
		<-waiting
	})
}

// TestPaceApart: after the payee has refused an equal voucher, each request gets its own, one after
// the other, in this session also on another channel of the payee.
func TestPaceApart(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		first, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		first.Wrote()
		first.Unequal(t.Context())
		other, _, err := b.Add(t.Context(), b.state(t, 2, 100_000), a)
		require.NoError(t, err)
		require.NoError(t, other.Update(t.Context(), rule.State.Acknowledged))
		for _, a := range []*ledger.Account{a, other} {
			var mu sync.Mutex
			seen := map[voucher.Amount]bool{}
			var flying atomic.Int64
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					r, v, err := paced(t.Context(), a, b)
					if !assert.NoError(t, err) {
						return
					}
					assert.EqualValues(t, 1, flying.Add(1), "one at a time")
					mu.Lock()
					assert.False(t, seen[v.Cumulative], "%s twice", v.Cumulative)
					seen[v.Cumulative] = true
					mu.Unlock()
					r.Wrote()
					time.Sleep(mostPause / 2)
					flying.Add(-1)
					r.Keep()
				})
			}
			group.Wait()
		}
	})
}

// TestPaceApartRaisesOnce: where an equal voucher is refused, a request passes over the credit that is
// left, by its own price and once. Nothing is raised above what callers asked for, nor for a request
// that has no room to rise: it presents what exists.
func TestPaceApartRaisesOnce(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 250)
	r, _, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	r.Wrote()
	r.Unequal(t.Context())
	r.Release() // leaves credit
	r, v, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	assert.Equal(t, u(200), v.Cumulative)
	v, err = r.Decide(t.Context(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(200), v.Cumulative)
	assert.Equal(t, u(200), a.State().Authorized())
	assert.Equal(t, u(100), r.Raised())
	r.Release()
	_, v, err = paced(t.Context(), a, b)
	require.NoError(t, err)
	assert.Equal(t, u(200), v.Cumulative, "the deposit has no room for another one")
	assert.False(t, a.State().Asked().Less(a.State().Authorized()))
}

// TestPaceRandom: whatever becomes of requests, every one gets its voucher or ends with its context,
// none waits longer than a pause for each that was before it, and vouchers never go down.
func TestPaceRandom(t *testing.T) {
	for seed := range uint64(40) {
		bubble.Run(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			b := newBench(t, lim)
			a := b.open(t, 10_000_000)
			longest := time.Second // the wait for a trial that is never heard of again
			if seed%2 == 0 {
				sharing(t, a, b)
				longest = 4 * mostPause
			}
			var group sync.WaitGroup
			for range 40 {
				start := time.Duration(random.IntN(50)) * time.Millisecond
				limit := time.Duration(1+random.IntN(2000)) * time.Millisecond
				steps := []int{random.IntN(6), random.IntN(6), random.IntN(6)}
				group.Go(func() {
					time.Sleep(start)
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					began := time.Now()
					r, v, err := paced(ctx, a, b)
					assert.LessOrEqual(t, time.Since(began), limit, "it ends with its context")
					if err != nil {
						assert.ErrorIs(t, err, context.DeadlineExceeded)
						return
					}
					travels(ctx, t, r, v, steps)
				})
			}
			for range 20 {
				began := time.Now()
				require.NoError(t, a.Update(t.Context(), func(s rule.State) rule.State { return s }))
				assert.Zero(t, time.Since(began), "an update waits for nobody")
				time.Sleep(7 * time.Millisecond)
			}
			group.Wait()
			began := time.Now()
			_, _, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			assert.LessOrEqual(t, time.Since(began), longest, "refusals made the pause longer")
		})
	}
}

// travels lets a request meet what the steps say, and ends it.
func travels(
	ctx context.Context, t *testing.T, r *ledger.Reservation, v voucher.Signed, steps []int,
) {
	for _, step := range steps {
		switch step {
		case 0: // it is never heard of again
			return
		case 1:
			time.Sleep(time.Minute)
		case 2:
			r.Overtaken(true)
		case 3:
			r.Overtaken(false)
		case 4:
			r.Wrote()
			time.Sleep(time.Millisecond)
			r.Keep()
			return
		case 5:
			r.Wrote()
			time.Sleep(20 * time.Millisecond)
			began := time.Now()
			next, err := r.Again(ctx, v.Cumulative)
			assert.Zero(t, time.Since(began), "what is sent again waits for nobody")
			if err == nil {
				assert.False(t, next.Cumulative.Less(v.Cumulative))
				v = next
			}
		}
	}
	r.Release()
}
