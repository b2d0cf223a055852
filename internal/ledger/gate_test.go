package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestGateStoresThenSigns(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	for n := uint64(1); n <= 3; n++ {
		c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(100*n), v.Cumulative)
		assert.NoError(t, voucher.Verify(a.State().Domain(), v, b.scope.Signer))
		assert.Equal(t, u(100), c.Price())
		c.Keep()
	}
	assert.EqualValues(t, 3, b.judge.asked.Load())
}

func TestSteadyRequestSignsAndWritesNothing(t *testing.T) {
	l := lim
	l.Ahead = u(6400)
	b := newBench(t, l)
	a := b.open(t, 100_000)
	c, first, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	c.Keep()
	puts, signed := b.store.puts.Load(), b.judge.asked.Load()
	for range 64 {
		c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, first, v)
		c.Keep()
	}
	assert.Equal(t, puts, b.store.puts.Load())
	assert.Equal(t, signed, b.judge.asked.Load())
}

// TestBrokenWrites breaks every write of a payment, before and after it took effect. Nothing is
// signed for it, and the next request costs its price.
func TestBrokenWrites(t *testing.T) {
	for name, breaks := range map[string]func(*faulty) *atomic.Bool{
		"failed":            func(f *faulty) *atomic.Bool { return &f.failed },
		"failed but stored": func(f *faulty) *atomic.Bool { return &f.stored },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			a := b.open(t, 1000)
			c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
			require.NoError(t, err)
			c.Keep()
			breaks(b.store).Store(true)
			before := b.judge.asked.Load()
			_, _, err = a.Reserve(t.Context(), a.Terms(), price(100))
			require.ErrorIs(t, err, ledger.ErrStore)
			require.ErrorIs(t, err, errDisk)
			assert.Equal(t, before, b.judge.asked.Load(), "nothing was signed")
			breaks(b.store).Store(false)
			_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
			require.NoError(t, err)
			assert.Equal(t, u(200), v.Cumulative, "the failed request was not counted")
			assert.Equal(t, u(200), a.State().Authorized())
		})
	}
}

func TestSignerFailureKeepsTheCeilingAsCredit(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.judge.fail.Store(true)
	_, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.ErrorContains(t, err, "the key is locked")
	b.judge.fail.Store(false)
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(100), v.Cumulative)
	assert.Equal(t, u(100), a.State().Authorized())
}

// TestNothingWorksWithoutTheStore: an account whose record cannot be read after a failed write
// decides nothing.
func TestNothingWorksWithoutTheStore(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	b.store.failed.Store(true)
	require.ErrorIs(t, a.Update(t.Context(), rule.State.Acknowledged), ledger.ErrStore)
	b.store.failed.Store(false)
	gone := &unreadable{b.store}
	blind := ledger.New(gone, b.judge, lim)
	_, err := blind.Lookup(t.Context(), b.scope)
	require.ErrorIs(t, err, errDisk)
	_, err = blind.Account(t.Context(), common.Hash{1})
	require.ErrorIs(t, err, errDisk)
	_, _, err = blind.Add(t.Context(), b.state(t, 9, 10), nil)
	require.ErrorIs(t, err, errDisk)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, a.Update(t.Context(), rule.State.Acknowledged))
	assert.Equal(t, b.scope.Signer, b.Signer())
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(1))
	require.NoError(t, err)
	assert.Equal(t, a, c.Account())
	for range 64 { // a free turn and a dead context: either may be seen first
		if err := a.Update(ctx, rule.State.Acknowledged); err != nil {
			assert.ErrorIs(t, err, context.Canceled)
			return
		}
	}
	t.Error("a dead context is never seen")
}

type unreadable struct{ store.Store }

func (u *unreadable) Get(context.Context, string) ([]byte, uint64, error) { return nil, 0, errDisk }

// TestConflictsAndDamageEndInAnError: a record that cannot be read any more, or that others always
// write first, leads to an error and no signature.
func TestConflictsAndDamageEndInAnError(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	busy := &contended{Store: b.store}
	b2 := ledger.New(busy, b.judge, lim)
	a2, err := b2.Account(t.Context(), a.ID())
	require.NoError(t, err)
	before := b.judge.asked.Load()
	_, _, err = a2.Reserve(t.Context(), a2.Terms(), price(1))
	require.ErrorIs(t, err, ledger.ErrStore)
	err = a2.Update(t.Context(), rule.State.Abandoned)
	require.ErrorContains(t, err, "too many concurrent updates")
	assert.Equal(t, before, b.judge.asked.Load())

	_, rev, err := b.store.Get(t.Context(), rule.StateKey(a.ID()))
	require.NoError(t, err)
	_, err = b.store.Put(t.Context(), rule.StateKey(a.ID()), []byte(`{"version":2}`), rev)
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
	require.ErrorIs(t, err, channel.ErrRecord)
	assert.Equal(t, before, b.judge.asked.Load())
}

// contended is a store that another process always writes first.
type contended struct{ store.Store }

func (c *contended) Put(context.Context, string, []byte, uint64) (uint64, error) {
	return 0, store.ErrConflict
}
