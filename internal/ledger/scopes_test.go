package ledger_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestOneScopeOneChannel: the second session that opens gets the channel of the first, and its own
// is written off.
func TestOneScopeOneChannel(t *testing.T) {
	b := newBench(t, lim)
	first, added, err := b.Add(t.Context(), b.state(t, 1, 100), nil)
	require.NoError(t, err)
	require.True(t, added)
	other := b.again()
	lost := b.state(t, 2, 100)
	got, added, err := other.Add(t.Context(), lost, nil)
	require.NoError(t, err)
	assert.False(t, added)
	assert.Equal(t, first.ID(), got.ID())
	mine, err := other.Account(t.Context(), lost.ID)
	require.NoError(t, err)
	assert.Equal(t, channel.Closed, mine.State().Phase())
	assert.True(t, mine.State().Deposit.IsZero())

	// Rebinding is one write: the old alias is gone with it.
	next := b.state(t, 3, 100)
	now, added, err := b.Add(t.Context(), next, first)
	require.NoError(t, err)
	assert.True(t, added)
	found, err := b.again().Lookup(t.Context(), b.scope)
	require.NoError(t, err)
	assert.Equal(t, now.ID(), found.ID())
	n := 0
	for _, err := range b.Each(t.Context()) {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, 3, n, "every record is still there")
}

func TestBrokenWritesOfAnOpening(t *testing.T) {
	b := newBench(t, lim)
	b.store.failed.Store(true)
	_, _, err := b.Add(t.Context(), b.state(t, 1, 100), nil)
	require.ErrorIs(t, err, ledger.ErrStore)
	b.store.failed.Store(false)
	b.store.stored.Store(true)
	_, _, err = b.Add(t.Context(), b.state(t, 2, 100), nil)
	require.ErrorIs(t, err, ledger.ErrStore)
	b.store.stored.Store(false)
	a, added, err := b.Add(t.Context(), b.state(t, 2, 100), nil)
	require.NoError(t, err)
	assert.True(t, added, "the record that was stored all the same is taken up")
	assert.Equal(t, b.state(t, 2, 100).ID, a.ID())
}

func TestUnreadableRecordsAreRefused(t *testing.T) {
	b := newBench(t, lim)
	s := b.state(t, 1, 100)
	_, err := b.store.Put(t.Context(), rule.StateKey(s.ID), []byte(`{"version":99}`), 0)
	require.NoError(t, err)
	_, err = b.Account(t.Context(), s.ID)
	assert.ErrorIs(t, err, channel.ErrRecord)
	_, err = b.Account(t.Context(), common.Hash{42})
	assert.ErrorIs(t, err, store.ErrNotFound)
	bad := 0
	for _, err := range b.Each(t.Context()) {
		if err != nil {
			bad++
		}
	}
	assert.Equal(t, 1, bad)
	_, err = b.store.Put(t.Context(), rule.ScopeKey(b.scope), []byte(`{}`), 0)
	require.NoError(t, err)
	_, err = b.Lookup(t.Context(), b.scope)
	assert.ErrorIs(t, err, channel.ErrRecord)
}

// TestAnotherScopesRecord: a record under the key of another scope is refused.
func TestAnotherScopesRecord(t *testing.T) {
	b := newBench(t, lim)
	b.open(t, 100)
	data, _, err := b.store.Get(t.Context(), rule.ScopeKey(b.scope))
	require.NoError(t, err)
	other := b.scope
	other.Origin = "https://evil.example:443"
	_, err = b.store.Put(t.Context(), rule.ScopeKey(other), data, 0)
	require.NoError(t, err)
	_, err = b.Lookup(t.Context(), other)
	assert.ErrorIs(t, err, channel.ErrRecord)
}

// TestRecordUnderAnotherKey: a channel's record under the key of another channel is refused.
func TestRecordUnderAnotherKey(t *testing.T) {
	b := newBench(t, lim)
	data, err := b.state(t, 1, 10).Encode()
	require.NoError(t, err)
	_, err = b.store.Put(t.Context(), rule.StateKey(common.Hash{5}), data, 0)
	require.NoError(t, err)
	_, err = b.Account(t.Context(), common.Hash{5})
	assert.ErrorIs(t, err, channel.ErrRecord)
	for range b.Each(t.Context()) {
		break
	}
}

// FuzzLookup: a stored name of a scope that is read is of that scope and leads to a channel on
// record; everything else is an error, and changes nothing.
func FuzzLookup(f *testing.F) {
	b := newBench(f, lim)
	a := b.open(f, 1000)
	text, _, err := b.store.Get(f.Context(), rule.ScopeKey(b.scope))
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := store.NewMem()
		record, err := a.State().Encode()
		require.NoError(t, err)
		_, err = s.Put(t.Context(), rule.StateKey(a.ID()), record, 0)
		require.NoError(t, err)
		if _, err = s.Put(t.Context(), rule.ScopeKey(b.scope), data, 0); err != nil {
			return
		}
		got, err := ledger.New(s, b.judge, lim).Lookup(t.Context(), b.scope)
		if err != nil {
			require.Nil(t, got)
			return
		}
		require.True(t, got == nil || got.ID() == a.ID())
	})
}
