package ledger_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/store"
)

// replaced is a store whose records can be replaced by others under a session, and that does not
// notice it: the worst store that somebody could write.
type replaced struct{ now atomic.Pointer[store.Mem] }

func replaceable() *replaced {
	r := &replaced{}
	r.now.Store(store.NewMem())
	return r
}

func (r *replaced) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	return r.now.Load().Get(ctx, key)
}

func (r *replaced) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	return r.now.Load().Put(ctx, key, data, rev)
}

func (r *replaced) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return r.now.Load().List(ctx, prefix)
}

// copied returns a store with the same records at the same revisions.
func (r *replaced) copied(t testing.TB) *store.Mem {
	t.Helper()
	c := store.NewMem()
	for e, err := range r.List(t.Context(), "") {
		require.NoError(t, err)
		for rev := range e.Rev {
			_, err := c.Put(t.Context(), e.Key, e.Data, rev)
			require.NoError(t, err)
		}
	}
	return c
}

// TestOldCopyUnderASession checks that a session signs nothing more on a channel whose record
// authorizes less than it did before, also if the store does not notice that an old copy was put
// back and others have written to it since.
func TestOldCopyUnderASession(t *testing.T) {
	for name, rises := range map[string]int{"behind": 1, "ahead": 5} {
		t.Run(name, func(t *testing.T) {
			b, s := newBench(t, lim), replaceable()
			b.judge.store = s
			l := ledger.New(s, b.judge, lim)
			state := b.state(t, 1, 1_000_000).Acknowledged()
			a, _, err := l.Add(t.Context(), state, nil)
			require.NoError(t, err)
			old := s.copied(t)
			for range 3 {
				_, _, err = a.Reserve(t.Context(), b.terms(), price(100))
				require.NoError(t, err)
			}
			s.now.Store(old)
			other, err := ledger.New(s, b.judge, lim).Account(t.Context(), a.ID())
			require.NoError(t, err)
			for range rises {
				_, _, err = other.Reserve(t.Context(), b.terms(), price(50))
				require.NoError(t, err)
			}
			before := b.judge.asked.Load()
			for range 2 {
				_, _, err = a.Reserve(t.Context(), b.terms(), price(100))
				require.ErrorIs(t, err, store.ErrCorrupt)
				require.ErrorIs(t, err, ledger.ErrStore)
				require.ErrorContains(t, err, "set back")
			}
			assert.Equal(t, before, b.judge.asked.Load(), "nothing was signed")
			assert.Equal(t, u(300), a.State().Authorized())
		})
	}
}

// TestVanishedRecords checks that a listing has an error for each channel that the session has in
// memory and whose record is gone, and none for a channel that is added meanwhile.
func TestVanishedRecords(t *testing.T) {
	b, s := newBench(t, lim), replaceable()
	l := ledger.New(s, b.judge, lim)
	var ids []common.Hash
	for salt := range byte(3) {
		a, _, err := l.Add(t.Context(), b.state(t, salt+1, 1000).Acknowledged(), nil)
		require.NoError(t, err)
		ids = append(ids, a.ID())
	}
	for state, err := range l.Each(t.Context()) {
		require.NoError(t, err)
		if state.ID == ids[0] {
			_, _, err := l.Add(t.Context(), b.state(t, 9, 1000).Acknowledged(), nil)
			require.NoError(t, err)
		}
	}
	s.now.Store(store.NewMem())
	gone := 0
	for state, err := range l.Each(t.Context()) {
		require.ErrorIs(t, err, store.ErrCorrupt)
		assert.ErrorContains(t, err, "is gone")
		assert.Zero(t, state.ID)
		gone++
	}
	assert.Equal(t, 4, gone)
	for _, err := range ledger.New(s, b.judge, lim).Each(t.Context()) {
		require.NoError(t, err, "a session that did not know them cannot say so")
	}
}
