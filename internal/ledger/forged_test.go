package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/store"
)

// counted is a store that counts reads, and may refuse them.
type counted struct {
	store.Store
	gets atomic.Int64
	fail atomic.Bool
}

func (c *counted) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	c.gets.Add(1)
	if c.fail.Load() {
		return nil, 0, errDisk
	}
	return c.Store.Get(ctx, key)
}

// TestFloodOfForgedReceipts: reports of vouchers that nobody signed cause a few reads of the store
// for each request, and neither raise nor lower anything, whether the store can be read or not.
func TestFloodOfForgedReceipts(t *testing.T) {
	for name, fail := range map[string]bool{"readable": false, "unreadable": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			c := &counted{Store: b.store}
			b.Ledger = ledger.New(c, b.judge, lim)
			a := b.open(t, 10_000)
			r := issue(t, a, 2)[0]
			before := a.State()
			c.fail.Store(fail)
			c.gets.Store(0)
			for i := range 20_000 {
				w := says(999_999, 1)
				if i%2 == 1 {
					w = says(999_999, 999_999)
				}
				if err := a.Reconcile(t.Context(), r, w); !fail {
					require.ErrorIs(t, err, channel.ErrServerReport)
				}
			}
			assert.LessOrEqual(t, c.gets.Load(), int64(24))
			c.fail.Store(false)
			var bad *channel.ViolationError
			require.ErrorAs(t, r.Settle(t.Context(), says(999_999, 1)), &bad)
			after := a.State()
			assert.True(t, after.Untrusted)
			assert.Equal(t, before.Claimed, after.Claimed)
			assert.Equal(t, before.Authorized(), after.Authorized())
			assert.Equal(t, before.Asked(), after.Asked())
			assert.True(t, after.Spent.IsZero())
			assert.True(t, after.Accepted.IsZero())
		})
	}
}

// TestReceiptsOfAnotherSessionsVouchers: reports of vouchers that another session signed are
// explained by the record, however many there are.
func TestReceiptsOfAnotherSessionsVouchers(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	other, err := b.again().Account(t.Context(), a.ID())
	require.NoError(t, err)
	r := issue(t, a, 1)[0]
	for range 30 {
		o, v, err := other.Reserve(t.Context(), other.Terms(), price(10))
		require.NoError(t, err)
		w := channel.Report{Accepted: v.Cumulative, Spent: u(10)}
		require.NoError(t, a.Reconcile(t.Context(), r, w))
		o.Keep()
	}
	assert.False(t, a.State().Untrusted)
	assert.Equal(t, u(310), a.State().Accepted)
	assert.Equal(t, u(310), a.State().Authorized())
}

// TestReceiptThatCannotBeJudged: the report tells of a higher voucher, and the record cannot be
// read to see whether another session signed it. The price stays counted.
func TestReceiptThatCannotBeJudged(t *testing.T) {
	b := newBench(t, lim)
	c := &counted{Store: b.store}
	b.Ledger = ledger.New(c, b.judge, lim)
	a := b.open(t, 10_000)
	all := issue(t, a, 2)
	c.fail.Store(true)
	require.NoError(t, all[0].Settle(t.Context(), says(30, 5)))
	assert.Equal(t, u(20), a.State().Claimed)
	assert.False(t, all[1].Alone() && a.State().Claimed.IsZero())
	c.fail.Store(false)
	require.NoError(t, all[1].Settle(t.Context(), says(20, 10)))
	assert.Equal(
		t, u(20), a.State().Claimed, "nobody knows whether these ten are the first request's",
	)
	later := issue(t, a, 1)[0]
	require.NoError(t, later.Settle(t.Context(), says(30, 20)))
	assert.Equal(t, u(20), a.State().Claimed, "a later request shows what was charged")
}
