package ledger_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestWaitingDecisionsShareOneVoucher: requests that wait for the gate together cost one write and
// one signature.
func TestWaitingDecisionsShareOneVoucher(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	b.judge.stall = make(chan struct{})
	const n = 10
	got := make(chan voucher.Signed, n+1)
	var wg sync.WaitGroup
	issue := func() {
		defer wg.Done()
		_, v, err := a.Reserve(context.Background(), a.Terms(), price(100))
		assert.NoError(t, err)
		got <- v
	}
	wg.Add(1)
	go issue()
	for b.judge.asked.Load() == 0 { // the first one is at the signer
		yieldTo()
	}
	wg.Add(n)
	for range n {
		go issue()
	}
	for a.Waiting() < n {
		yieldTo()
	}
	close(b.judge.stall)
	wg.Wait()
	close(got)
	counts := map[voucher.Amount]int{}
	for v := range got {
		counts[v.Cumulative]++
	}
	assert.Equal(t, map[voucher.Amount]int{u(100): 1, u(1100): n}, counts)
	assert.EqualValues(t, 2, b.judge.asked.Load())
}

func TestWaitingObeysTheContext(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.stall = make(chan struct{})
	first := make(chan error, 1)
	go func() {
		_, _, err := a.Reserve(context.Background(), a.Terms(), price(100))
		first <- err
	}()
	for b.judge.asked.Load() == 0 {
		yieldTo()
	}
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() {
		_, _, err := a.Reserve(ctx, a.Terms(), price(100))
		second <- err
	}()
	for a.Waiting() == 0 {
		yieldTo()
	}
	cancel()
	assert.ErrorIs(t, <-second, context.Canceled)
	close(b.judge.stall)
	assert.NoError(t, <-first)
	assert.Equal(t, u(100), a.State().Claimed, "the one who left claims nothing")
}

// TestCancelledLeaderDoesNotFailTheRest: the caller that has the turn gives up. The others are
// served.
func TestCancelledLeaderDoesNotFailTheRest(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.stall = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { _, _, err := a.Reserve(ctx, a.Terms(), price(100)); first <- err }()
	for b.judge.asked.Load() == 0 {
		yieldTo()
	}
	go func() {
		_, _, err := a.Reserve(
			context.Background(), a.Terms(), price(100),
		)
		second <- err
	}()
	for a.Waiting() == 0 {
		yieldTo()
	}
	cancel()
	assert.ErrorIs(t, <-first, context.Canceled)
	close(b.judge.stall)
	assert.NoError(t, <-second)
	assert.Equal(t, u(100), a.State().Authorized(), "the first one's ceiling serves the second")
}

// TestCloseVoucherIsDecidedAlone: requests that wait beside a close do not raise its voucher.
func TestCloseVoucherIsDecidedAlone(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	b.judge.stall = make(chan struct{})
	var wg sync.WaitGroup
	got := make([]voucher.Signed, 4)
	wait := func(n int) {
		for a.Waiting() < n {
			yieldTo()
		}
	}
	ask := func(i int) func() {
		return func() {
			var err error
			_, got[i], err = a.Reserve(context.Background(), a.Terms(), price(100))
			assert.NoError(t, err)
		}
	}
	wg.Go(ask(0))
	for b.judge.asked.Load() == 0 { // it is at the signer
		yieldTo()
	}
	wg.Go(ask(1))
	wait(1)
	wg.Go(func() {
		var err error
		got[2], err = a.CloseVoucher(context.Background(), voucher.Amount{})
		assert.NoError(t, err)
	})
	wait(2)
	wg.Go(ask(3))
	wait(3)
	close(b.judge.stall)
	wg.Wait()
	for i, want := range []uint64{100, 200, 200, 300} {
		assert.Equal(t, u(want), got[i].Cumulative, "voucher %d", i)
	}
}

// TestOneOfABatchIsCanceled: two requests are decided together, and one is canceled while the
// signer works. Whichever of them has the turn, the other is served, and the canceled one claims
// nothing.
func TestOneOfABatchIsCanceled(t *testing.T) {
	for range 50 {
		b := newBench(t, lim)
		a := b.open(t, 1000)
		b.judge.stall = make(chan struct{})
		issue := func(ctx context.Context, done chan<- error) {
			_, _, err := a.Reserve(ctx, a.Terms(), price(100))
			done <- err
		}
		first, second, third := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		go issue(context.Background(), first)
		for b.judge.asked.Load() < 1 {
			yieldTo()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go issue(ctx, second)
		go issue(context.Background(), third)
		for a.Waiting() < 2 {
			yieldTo()
		}
		b.judge.stall <- struct{}{} // the first is signed
		for b.judge.asked.Load() < 2 {
			yieldTo()
		}
		cancel() // the batch of two is at the signer
		close(b.judge.stall)
		assert.NoError(t, <-first)
		assert.NoError(t, <-third)
		if err := <-second; err != nil {
			assert.ErrorIs(t, err, context.Canceled)
			assert.Equal(t, u(200), a.State().Claimed)
		}
		assert.False(t, u(300).Less(a.State().Authorized()))
	}
}

// waiter is a signer that reports its caller, and hangs until the context of that caller ends.
type waiter struct {
	*judge
	who chan any // nil does not hang
}

type callerKey struct{}

func (w *waiter) SignVoucher(
	ctx context.Context, d *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	if w.who != nil && ctx.Value(callerKey{}) != nil {
		w.who <- ctx.Value(callerKey{})
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return w.judge.SignVoucher(ctx, d, v)
}

// TestTheOneAtTheSignerIsCanceled: the signer works on a batch under the context of one caller,
// which is canceled. The others are served under their own contexts.
func TestTheOneAtTheSignerIsCanceled(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		w := &waiter{judge: b.judge}
		b.Ledger = b.with(w)
		a := b.open(t, 1000)
		b.judge.stall = make(chan struct{})
		go func() { _, _, _ = a.Reserve(context.Background(), a.Terms(), price(100)) }()
		synctest.Wait() // it has the turn
		w.who = make(chan any)
		got := [2]chan error{make(chan error, 1), make(chan error, 1)}
		var cancel [2]context.CancelFunc
		for i := range got {
			ctx, stop := context.WithCancel(context.WithValue(t.Context(), callerKey{}, i))
			defer stop()
			cancel[i] = stop
			go func() { _, _, err := a.Reserve(ctx, a.Terms(), price(100)); got[i] <- err }()
			synctest.Wait()
		}
		close(b.judge.stall)
		first := (<-w.who).(int)
		cancel[first]()
		require.ErrorIs(t, <-got[first], context.Canceled)
		assert.Equal(t, 1-first, (<-w.who).(int), "the other one has the turn")
		w.who = nil
		cancel[1-first]()
		require.ErrorIs(t, <-got[1-first], context.Canceled)
		assert.Equal(t, u(100), a.State().Claimed)
		assert.Equal(t, u(100), a.State().Asked())
	})
}
