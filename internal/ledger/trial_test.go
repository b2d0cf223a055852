package ledger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// trial begins two requests beside one that was answered, and returns the first of the two, which is
// given the voucher of the one before it: 100. The other one waits.
func trial(t *testing.T, a *ledger.Account, b *bench) (*ledger.Reservation, <-chan voucher.Amount) {
	t.Helper()
	first, _, err := paced(t.Context(), a, b)
	require.NoError(t, err)
	var r *ledger.Reservation
	var v voucher.Signed
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, v, err = paced(t.Context(), a, b)
	}()
	synctest.Wait()
	next := later(t, a, b)
	first.Wrote()
	time.Sleep(20 * time.Millisecond)
	first.Keep()
	<-done
	require.NoError(t, err)
	require.Equal(t, u(100), v.Cumulative)
	assert.Equal(t, u(100), a.State().Authorized(), "nothing is raised for it")
	assert.Equal(t, u(100), a.State().Asked())
	assert.Equal(t, u(100), r.Raised(), "it counts as a payment all the same")
	return r, next
}

// TestTrialIsRepaired: the request that shows that the payee refuses equal vouchers goes on with one of
// its own, before those that came later. What all raise together is what they asked for.
func TestTrialIsRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		refuses func(*ledger.Reservation)
		next    uint64 // 200 is another trial; 300 is none, as other sessions may use the channel
	}{
		"equal":         {func(r *ledger.Reservation) { r.Unequal(t.Context()) }, 300},
		"no credit":     {(*ledger.Reservation).Short, 300},
		"lower":         {func(r *ledger.Reservation) { r.Overtaken(false) }, 300},
		"for no reason": {func(*ledger.Reservation) {}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				r, next := trial(t, a, b)
				r.Wrote()
				time.Sleep(20 * time.Millisecond)
				c.refuses(r)
				time.Sleep(mostPause / 2)
				synctest.Wait()
				assert.Empty(t, next, "it would raise what the trial is to present")
				began := time.Now()
				v, err := r.Again(t.Context(), u(100))
				require.NoError(t, err)
				assert.Zero(t, time.Since(began))
				assert.Equal(t, u(200), v.Cumulative)
				assert.Equal(t, u(100), r.Raised())
				r.Wrote()
				r.Keep()
				assert.Equal(t, u(c.next), <-next)
				assert.Equal(t, u(c.next), a.State().Authorized())
			})
		})
	}
}

// TestTrialTeaches: whether requests share a voucher is learned from the answer to the trial, or because
// no refusal comes, and from nothing else.
func TestTrialTeaches(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*ledger.Reservation)
		later  time.Duration // when the others come
		share  bool
	}{
		"served":       {(*ledger.Reservation).Keep, 0, true},
		"no credit":    {(*ledger.Reservation).Short, 0, true},
		"equal":        {func(r *ledger.Reservation) { r.Unequal(t.Context()) }, 0, false},
		"lost":         {(*ledger.Reservation).Unserved, 3 * time.Second, false},
		"not paid":     {(*ledger.Reservation).Release, 3 * time.Second, true},
		"lower":        {func(r *ledger.Reservation) { r.Overtaken(false) }, 0, false},
		"a minute":     {nil, mostPause, true},
		"never leaves": {func(*ledger.Reservation) {}, 3 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b := newBench(t, lim)
				a := b.open(t, 100_000)
				r, _ := trial(t, a, b)
				if name != "never leaves" {
					r.Wrote()
				}
				if c.answer != nil {
					time.Sleep(20 * time.Millisecond)
					c.answer(r)
				}
				if c.answer != nil && name != "never leaves" && name != "lost" {
					_, _ = r.Again(t.Context(), u(100))
				}
				if c.answer != nil && name != "never leaves" {
					r.Keep()
				}
				time.Sleep(c.later)
				synctest.Wait()
				var given []<-chan voucher.Amount
				for range 3 {
					given = append(given, later(t, a, b))
				}
				seen := map[voucher.Amount]int{}
				for _, g := range given {
					seen[<-g]++
				}
				assert.Equal(t, c.share, len(seen) == 1, "%v", seen)
			})
		})
	}
}

// TestTrialThatIsServed: the payee may have used the credit of the other request, which came later than it.
// Then the other one raises as much, and both are authorized once. A trial that was released counts nothing.
func TestTrialThatIsServed(t *testing.T) {
	for _, kept := range []bool{true, false} {
		bubble.Run(t, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			late, v, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			late.Wrote()
			r, same, err := paced(t.Context(), a, b) // after 100 ms
			require.NoError(t, err)
			require.Equal(t, v.Cumulative, same.Cumulative)
			r.Wrote()
			if kept {
				r.Keep()
			} else {
				r.Release()
				require.Equal(t, u(100), a.State().Asked())
			}
			v, err = late.Again(t.Context(), v.Cumulative)
			if !kept {
				require.ErrorIs(t, err, channel.ErrSpent)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, u(200), v.Cumulative)
			_, err = late.Again(t.Context(), v.Cumulative)
			require.ErrorIs(t, err, channel.ErrSpent)
			assert.Equal(t, a.State().Asked(), a.State().Authorized())
		})
	}
}

// TestTrialIsForCompany: a request that nobody is beside raises its price at once, and so does one that
// raised something before.
func TestTrialIsForCompany(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		for n := range uint64(3) {
			r, v, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			assert.Equal(t, u(100*(n+1)), v.Cumulative)
			r.Wrote()
			r.Keep()
		}
		flying, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		flying.Wrote()
		v, err := flying.Decide(t.Context(), price(200))
		require.NoError(t, err)
		assert.Equal(t, u(500), v.Cumulative)
	})
}

// TestTrialsInVain: after eight trials whose refusals showed nothing, each request has its own voucher.
func TestTrialsInVain(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		stream, highest, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		stream.Wrote()
		pieces := uint64(9)
		stream.Stream(u(10), func() uint64 { pieces++; return pieces })
		for n := range 10 {
			highest, err = stream.More(t.Context(), highest.Cumulative.AddCapped(u(10))) // beside the next request
			require.NoError(t, err)
			a.Took(highest.Cumulative)
			r, v, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			assert.Equal(t, n < 8, v.Cumulative == highest.Cumulative)
			r.Wrote()
			if n < 8 {
				v, err = r.Again(t.Context(), v.Cumulative)
				require.NoError(t, err)
				r.Wrote()
			}
			r.Keep()
			highest = v
		}
		assert.Equal(t, a.State().Asked(), a.State().Authorized())
	})
}

// TestStreamsWaitForRequests: until it is known that the payee takes a voucher twice, the voucher of a
// stream does not overtake that of a request. It waits 100 ms at most.
func TestStreamsWaitForRequests(t *testing.T) {
	for _, refused := range []bool{false, true} {
		bubble.Run(t, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 100_000)
			stream, _, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			stream.Wrote()
			time.Sleep(20 * time.Millisecond)
			if refused {
				stream.Unequal(t.Context())
			}
			stream.Stream(u(10), func() uint64 { return 10 })
			request, v, err := paced(t.Context(), a, b)
			require.NoError(t, err)
			request.Wrote()
			began := time.Now()
			_, err = stream.More(t.Context(), v.Cumulative.AddCapped(u(10)))
			require.NoError(t, err)
			assert.Equal(t, mostPause, time.Since(began))
		})
	}
}
