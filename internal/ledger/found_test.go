package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// TestStreamOutOfAhead: a stream brings more than Limits.Stream pays for and takes it out of Ahead without asking. Nobody agreed
// to that, so the next request does not make Ahead whole again.
func TestStreamOutOfAhead(t *testing.T) {
	l := lim
	l.Stream, l.Ahead = u(200), u(1000)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(25))
	require.NoError(t, err)
	c.Stream(u(25), func() uint64 { return 40 })
	c.Keep()
	assert.Equal(t, u(200), a.State().Claimed)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1000))
	require.NoError(t, err)
	assert.Equal(t, u(200+1000+1000), a.State().Authorized(), "what was asked for, and Ahead once")
}

// TestRequestThatComesBack: a request left the channel and comes back. What it was asked for is not asked for again, and
// a reservation that has ended is not decided again.
func TestRequestThatComesBack(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	r, _, err := a.Reserve(t.Context(), a.Terms(), price(1000))
	require.NoError(t, err)
	_, err = r.Decide(t.Context(), price(1001))
	require.Error(t, err, "above the limit")
	r.Release()
	assert.True(t, a.State().Claimed.IsZero())
	v, err := r.Decide(t.Context(), price(300))
	require.NoError(t, err)
	assert.Equal(t, u(1000), v.Cumulative, "what exists already")
	assert.Equal(t, u(1000), a.State().Asked())
	assert.Equal(t, u(300), a.State().Claimed)
	assert.Equal(t, u(1000), r.Raised())
	r.Keep()
	_, err = r.Decide(t.Context(), price(300))
	require.ErrorIs(t, err, ledger.ErrEnded)
	_, err = r.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, ledger.ErrEnded)
	_, err = r.More(t.Context(), u(400))
	require.ErrorIs(t, err, ledger.ErrEnded)
	assert.Equal(t, u(1000), a.State().Asked())
	assert.Equal(t, u(300), a.State().Claimed)
}

// TestUnknownWriteUnderAnother: a write failed, though it was stored, and another session wrote on top of it before this one
// looked. What it asked for is not counted a second time.
func TestUnknownWriteUnderAnother(t *testing.T) {
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

// FuzzLookup: a stored name of a scope that is read is of that scope and leads to a channel on record; everything else is an
// error, and changes nothing.
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
