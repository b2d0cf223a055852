package ledger_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// tired is a store and a signer that may hang until the context of the caller ends.
type tired struct {
	store.Store
	*judge
	put, sign chan struct{} // a call waits for it if it is not nil
}

func until(ctx context.Context, c chan struct{}) error {
	if c == nil {
		return nil
	}
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (d *tired) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := until(ctx, d.put); err != nil {
		return 0, err
	}
	return d.Store.Put(ctx, key, data, rev)
}

func (d *tired) SignVoucher(
	ctx context.Context, domain *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	if err := until(ctx, d.sign); err != nil {
		return nil, err
	}
	return d.judge.SignVoucher(ctx, domain, v)
}

// hanging returns a channel with one reservation, whose store and signer can be made to hang.
func hanging(t *testing.T) (*bench, *tired, *ledger.Account, *ledger.Reservation) {
	b := newBench(t, lim)
	d := &tired{Store: b.store, judge: b.judge}
	b.Ledger = ledger.New(d, d, lim)
	a := b.open(t, 100_000)
	r, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	return b, d, a, r
}

// TestEveryWaitEndsWithItsContext: while the signer or the store hangs, the caller who waits for
// it, those whose decisions are in its batch and those who wait for the turn all end when their own
// contexts do. When it goes on, so does the channel.
func TestEveryWaitEndsWithItsContext(t *testing.T) {
	for name, hangs := range map[string]func(d *tired) *chan struct{}{
		"signer": func(d *tired) *chan struct{} { return &d.sign },
		"store":  func(d *tired) *chan struct{} { return &d.put },
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				b, d, a, r := hanging(t)
				other, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
				require.NoError(t, err)
				hang := make(chan struct{})
				*hangs(d) = hang
				start := time.Now()
				waits := []struct {
					name string
					ends time.Duration
					do   func(context.Context) error
				}{
					{"the one at work", 9 * time.Second, func(ctx context.Context) error {
						_, _, err := a.Reserve(ctx, a.Terms(), price(100))
						return err
					}},
					{"another request", 1 * time.Second, func(ctx context.Context) error {
						_, _, err := a.Reserve(ctx, a.Terms(), price(100))
						return err
					}},
					{"another price", 2 * time.Second, func(ctx context.Context) error {
						_, err := r.Decide(ctx, price(200))
						return err
					}},
					{"a refusal", 4 * time.Second, func(ctx context.Context) error {
						_, err := other.Again(ctx, u(1000))
						return err
					}},
					{"a stream", 5 * time.Second, func(ctx context.Context) error {
						_, err := other.More(ctx, u(120))
						return err
					}},
					{"a close", 6 * time.Second, func(ctx context.Context) error {
						_, err := a.CloseVoucher(ctx, u(0))
						return err
					}},
					{"an update", 7 * time.Second, func(ctx context.Context) error {
						return a.Update(ctx, rule.State.Acknowledged)
					}},
					{"a flush", 8 * time.Second, b.Flush},
				}
				took := make([]chan time.Duration, len(waits))
				for i, w := range waits {
					took[i] = make(chan time.Duration, 1)
					ctx, cancel := context.WithTimeout(t.Context(), w.ends)
					defer cancel()
					go func() {
						assert.ErrorIs(t, w.do(ctx), context.DeadlineExceeded, w.name)
						took[i] <- time.Since(start)
					}()
					synctest.Wait()
				}
				for i, w := range waits {
					assert.Equal(t, w.ends, <-took[i], w.name)
				}
				*hangs(d) = nil
				close(hang)
				synctest.Wait()
				assert.Equal(t, u(110), a.State().Claimed, "who left claims nothing")
				_, v, err := a.Reserve(t.Context(), a.Terms(), price(50))
				require.NoError(t, err)
				assert.False(t, v.Cumulative.Less(u(160)))
				assert.False(t, a.State().Asked().Less(a.State().Signed))
			})
		})
	}
}

// TestWaitsForAnothersSigner: a decision about a reservation that exists is in the batch of a
// request without a deadline, at a signer that hangs.
func TestWaitsForAnothersSigner(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		r, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		b.judge.stall = make(chan struct{})
		for range 2 { // the first is at the signer, the second waits
			go func() { _, _, _ = a.Reserve(context.Background(), a.Terms(), price(100)) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := r.Decide(ctx, price(200)); done <- err }()
		synctest.Wait()
		b.judge.stall <- struct{}{} // the next batch has both, and the signer hangs again
		start := time.Now()
		require.ErrorIs(t, <-done, context.DeadlineExceeded)
		assert.Equal(t, 400*time.Millisecond, time.Since(start))
		assert.Equal(t, u(100), r.Price())
		close(b.judge.stall)
		synctest.Wait()
		assert.Equal(t, u(300), a.State().Claimed)
		assert.Equal(
			t, u(400), a.State().Signed, "it was asked for, and is free for the next request",
		)
		_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(400), v.Cumulative)
	})
}

// TestSignerThatTimesOut: an error of the signer's own deadline is an answer, and is not tried
// again for ever.
func TestSignerThatTimesOut(t *testing.T) {
	b := newBench(t, lim)
	b.Ledger = b.with(timedOut{b.judge})
	a := b.open(t, 1000)
	_, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.True(t, a.State().Claimed.IsZero())
	assert.True(t, a.State().Asked().IsZero())
}

type timedOut struct{ *judge }

func (timedOut) SignVoucher(context.Context, *voucher.Domain, voucher.Voucher) ([]byte, error) {
	return nil, errors.Join(errors.New("no answer from the key service"), context.DeadlineExceeded)
}
