package ledger_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestTwoProcesses: two ledgers over one store never sign the same number for two requests.
func TestTwoProcesses(t *testing.T) {
	b := newBench(t, lim)
	b.open(t, 1_000_000)
	other := b.again()
	var wg sync.WaitGroup
	for _, one := range []*bench{b, other} {
		wg.Go(func() {
			a, err := one.Lookup(context.Background(), b.scope)
			if !assert.NoError(t, err) {
				return
			}
			for range 50 {
				c, _, err := a.Reserve(context.Background(), a.Terms(), price(10))
				if assert.NoError(t, err) {
					c.Keep()
				}
			}
		})
	}
	wg.Wait()
	fresh, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	assert.Equal(t, u(1000), fresh.State().Authorized())
	assert.Equal(t, u(1000), fresh.State().Asked())
}

// TestReceiptsOfSharedChannelsFreeNothing: the other session has a request under way that this one
// cannot see, so a receipt that does not count it frees nothing.
func TestReceiptsOfSharedChannelsFreeNothing(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	other, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(100)) // under way
	require.NoError(t, err)
	c, signed, err := other.Reserve(t.Context(), other.Terms(), price(100))
	require.NoError(t, err)
	require.Equal(t, u(200), signed.Cumulative)
	require.NoError(t, c.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(100)}))
	assert.Equal(t, u(200), other.State().Claimed)
	_, signed, err = other.Reserve(t.Context(), other.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(300), signed.Cumulative, "the 200 are for two")
}

// TestUnknownWriteOverwritten: a write was stored although it failed, and another session wrote the
// record again before this one read it. The prices of the first write are not counted twice.
func TestUnknownWriteOverwritten(t *testing.T) {
	l := lim
	l.Ahead = u(50)
	b := newBench(t, l)
	a := b.open(t, 2000)
	again := b.again()
	other, err := again.Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	_, _, err = other.Reserve(t.Context(), other.Terms(), price(1))
	require.NoError(t, err)
	c, signed, err := a.Reserve(t.Context(), a.Terms(), price(1))
	require.NoError(t, err)
	b.store.stored.Store(true)
	_, err = c.Again(t.Context(), signed.Cumulative)
	require.ErrorIs(t, err, ledger.ErrStore)
	b.store.stored.Store(false)
	require.NoError(t, again.Flush(t.Context()))
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.False(t, u(100+1+1+100+50).Less(a.State().Authorized()), "%s", a.State().Authorized())
}

func TestFlushWritesExactNumbers(t *testing.T) {
	l := lim
	l.Ahead = u(1000)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	for range 5 {
		c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		c.Keep()
	}
	require.NoError(t, b.Flush(t.Context()))
	puts := b.store.puts.Load()
	require.NoError(t, b.Flush(t.Context()))
	assert.Equal(t, puts, b.store.puts.Load(), "a second flush has nothing to write")
	after, err := b.again().Account(t.Context(), a.ID())
	require.NoError(t, err)
	assert.Equal(t, u(500), after.State().Claimed)
	_, v, err := after.Reserve(t.Context(), after.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(1100), v.Cumulative, "the voucher of before serves on")
	assert.EqualValues(t, 1, b.judge.asked.Load())
}
