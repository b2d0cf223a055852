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

func says(accepted, spent uint64) channel.Report {
	return channel.Report{Accepted: u(accepted), Spent: u(spent)}
}

// issue asks for n prices of 10 and returns their claims, all in flight.
func issue(t *testing.T, a *ledger.Account, n int) (all []*ledger.Reservation) {
	t.Helper()
	for range n {
		c, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
		require.NoError(t, err)
		all = append(all, c)
	}
	return all
}

// TestAnswersOvertakeEachOther: four asks of ten were claimed, and the payee charged twenty-five in all. Whatever the order
// of the answers, what is claimed afterwards is what was charged.
func TestAnswersOvertakeEachOther(t *testing.T) {
	words := []channel.Report{says(40, 10), says(40, 20), says(40, 22), says(40, 25)}
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {3, 0, 1, 2}, {1, 3, 0, 2}, {2, 0, 3, 1}} {
		a := newBench(t, lim).open(t, 1000)
		claims := issue(t, a, 4)
		for _, i := range order {
			require.NoError(t, claims[i].Settle(t.Context(), words[i]))
			assert.False(t, a.State().Claimed.Less(u(25)), "%v: the payee is owed nothing", order)
		}
		assert.Equal(t, u(25), a.State().Claimed, "%v", order)
	}
}

// TestAnOlderWordOfALaterAsk shows that the payee's words are no running totals: it frees nothing, and neither does one
// that comes after it.
func TestAnOlderWordOfALaterAsk(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	claims := issue(t, a, 2)
	require.NoError(t, claims[0].Settle(t.Context(), says(20, 20)))
	later := issue(t, a, 1)[0]
	require.NoError(t, later.Settle(t.Context(), says(10, 10)))
	assert.Equal(t, u(30), a.State().Claimed)
	require.NoError(t, claims[1].Settle(t.Context(), says(10, 10)))
	assert.Equal(t, u(30), a.State().Claimed, "twenty, and the one that nothing shows to be in it")
}

// TestAnAnswerThatNeverCame may have been charged, so an older word of another request does not free it.
func TestAnAnswerThatNeverCame(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	claims := issue(t, a, 3)
	require.NoError(t, claims[0].Settle(t.Context(), says(30, 10)))
	claims[1].Keep()
	require.NoError(t, claims[2].Settle(t.Context(), says(30, 5)))
	assert.Equal(t, u(20), a.State().Claimed)
}

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

// TestFloodOfForgedReceipts: reports of vouchers that nobody signed cause a few reads of the store for each request, and
// neither raise nor lower anything, whether the store can be read or not.
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

// TestReceiptsOfAnotherSessionsVouchers: reports of vouchers that another session signed are explained by the record,
// however many there are.
func TestReceiptsOfAnotherSessionsVouchers(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	other, err := b.again().Account(t.Context(), a.ID())
	require.NoError(t, err)
	r := issue(t, a, 1)[0]
	for range 30 {
		o, v, err := other.Reserve(t.Context(), other.Terms(), price(10))
		require.NoError(t, err)
		require.NoError(t, a.Reconcile(t.Context(), r, channel.Report{Accepted: v.Cumulative, Spent: u(10)}))
		o.Keep()
	}
	assert.False(t, a.State().Untrusted)
	assert.Equal(t, u(310), a.State().Accepted)
	assert.Equal(t, u(310), a.State().Authorized())
}

// TestReceiptThatCannotBeJudged: the report tells of a higher voucher, and the record cannot be read to see whether
// another session signed it. The price stays counted.
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
	assert.Equal(t, u(20), a.State().Claimed, "nobody knows whether these ten are the first request's")
	later := issue(t, a, 1)[0]
	require.NoError(t, later.Settle(t.Context(), says(30, 20)))
	assert.Equal(t, u(20), a.State().Claimed, "a request that was sent after it shows what was charged")
}

// TestReportClearsOnlyWhatEndedBefore: a request was given up after the answered one was sent. The report may have missed
// it, so its price stays counted.
func TestReportClearsOnlyWhatEndedBefore(t *testing.T) {
	a := newBench(t, lim).open(t, 10_000)
	all := issue(t, a, 2)
	all[0].Keep() // its answer was lost
	sentAfter := issue(t, a, 1)[0]
	all[1].Keep() // given up when sentAfter was under way
	require.NoError(t, sentAfter.Settle(t.Context(), says(30, 12)))
	assert.Equal(t, u(22), a.State().Claimed, "the first is in the twelve or was not charged; the second may have been missed")
	last := issue(t, a, 1)[0]
	require.NoError(t, last.Settle(t.Context(), says(32, 20)))
	assert.Equal(t, u(20), a.State().Claimed)
}
