package storetest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Place is where a durable store keeps its records, such as a directory or a database, for [SetBack].
type Place struct {
	// Open opens the place, as another process does, or this one after a restart. SetBack does not close
	// what it returns.
	Open func() store.Store
	// Copy copies what the place holds, and returns a function that puts the copy back under the
	// stores that are open.
	Copy func() (putBack func())
}

// SetBack tests that an open store reports [store.ErrCorrupt] when its place is rolled back to an older
// copy, as by a restored backup, a failover to a copy that lags behind, or a command that empties it.
// empty returns a new empty place at each call.
func SetBack(t *testing.T, empty func(t testing.TB) Place) {
	for name, check := range map[string]func(*testing.T, Place){
		"one that wrote it":     backUnderWriter,
		"one that read it":      backUnderReader,
		"one that listed it":    backUnderListing,
		"emptied":               backToNothing,
		"a key that is unknown": backBesideOthers,
		"moved":                 backBeforeMove,
	} {
		t.Run(name, func(t *testing.T) { check(t, empty(t)) })
	}
}

func isCorrupt(err error) bool { return errors.Is(err, store.ErrCorrupt) }

// setBack checks that s has noticed that key is back at old, which was first at revision first.
func setBack(t *testing.T, p Place, s store.Store, first, second uint64) {
	t.Helper()
	_, _, err := s.Get(t.Context(), "channel/k")
	require.ErrorIs(t, err, store.ErrCorrupt, "Get")
	_, err = s.Put(t.Context(), "channel/k", []byte("x"), first)
	require.ErrorIs(t, err, store.ErrCorrupt, "Put on the revision that came back")
	_, err = s.Put(t.Context(), "channel/k", []byte("x"), second)
	require.Error(t, err, "Put on the revision that is lost")
	assert.True(t, isCorrupt(err) || isConflict(err), "%v", err)
	_, err = s.Put(t.Context(), "channel/k", []byte("x"), 0)
	require.ErrorIs(t, err, store.ErrCorrupt, "Put of a record that is known")
	corrupt(t, s, "channel/k")
	want(t, p.Open(), "channel/k", "first", first) // nothing was written
}

// corrupt checks that a listing has an error for each of the keys, and for no other.
func corrupt(t *testing.T, s store.Store, keys ...string) {
	t.Helper()
	for _, prefix := range []string{"", "channel/"} {
		var bad []string
		for e, err := range s.List(t.Context(), prefix) {
			if err != nil {
				require.ErrorIs(t, err, store.ErrCorrupt, e.Key)
				bad = append(bad, e.Key)
			}
		}
		assert.ElementsMatch(t, keys, bad, "List(%q)", prefix)
	}
	for e, err := range s.List(t.Context(), "other/") {
		require.NoError(t, err, e.Key)
	}
}

func backUnderWriter(t *testing.T, p Place) {
	s := p.Open()
	first := put(t, s, "channel/k", "first", 0)
	back := p.Copy()
	second := put(t, s, "channel/k", "second", first)
	back()
	setBack(t, p, s, first, second)
}

func backUnderReader(t *testing.T, p Place) {
	writer, s := p.Open(), p.Open()
	first := put(t, writer, "channel/k", "first", 0)
	back := p.Copy()
	second := put(t, writer, "channel/k", "second", first)
	want(t, s, "channel/k", "second", second)
	back()
	setBack(t, p, s, first, second)
}

// backUnderListing is the case of a session that still holds what another one replaced, and has
// seen the replacement in a listing only.
func backUnderListing(t *testing.T, p Place) {
	writer, s := p.Open(), p.Open()
	first := put(t, s, "channel/k", "first", 0)
	back := p.Copy()
	second := put(t, writer, "channel/k", "second", first)
	require.Len(t, list(t, s, "channel/"), 1)
	back()
	_, err := s.Put(t.Context(), "channel/k", []byte("x"), first)
	require.ErrorIs(t, err, store.ErrCorrupt)
	setBack(t, p, s, first, second)
}

func backToNothing(t *testing.T, p Place) {
	s := p.Open()
	back := p.Copy()
	keys := []string{"channel/a", "channel/b", "channel/c"}
	var rev uint64
	for _, key := range keys {
		rev = put(t, s, key, "x", 0)
	}
	back()
	corrupt(t, s, keys...)
	_, _, err := s.Get(t.Context(), "channel/a")
	require.ErrorIs(t, err, store.ErrCorrupt)
	_, err = s.Put(t.Context(), "channel/a", []byte("again"), 0)
	require.ErrorIs(t, err, store.ErrCorrupt, "a record that is known is not created again")
	_, err = s.Put(t.Context(), "channel/c", []byte("more"), rev)
	require.Error(t, err)
	assert.True(t, isCorrupt(err) || isConflict(err), "%v", err)
	assert.Empty(t, list(t, p.Open(), ""), "nothing was written")
	put(t, s, "channel/new", "x", 0) // what is unknown can be written
	corrupt(t, s, keys...)           // and what is known is still missed
}

// backBesideOthers checks that the records that are as they were stay usable.
func backBesideOthers(t *testing.T, p Place) {
	s := p.Open()
	kept := put(t, s, "channel/kept", "x", 0)
	back := p.Copy()
	put(t, s, "channel/since", "x", 0)
	back()
	corrupt(t, s, "channel/since")
	want(t, s, "channel/kept", "x", kept)
	put(t, s, "channel/kept", "y", kept)
	corrupt(t, s, "channel/since")
}

func backBeforeMove(t *testing.T, p Place) {
	s := p.Open()
	m, ok := s.(store.Mover)
	if !ok {
		t.Skipf("%T is no store.Mover", s)
	}
	rev := put(t, s, "channel/k", "x", 0)
	put(t, s, "channel/other", "x", 0)
	back := p.Copy()
	require.NoError(t, m.Move(t.Context(), "channel/k", rev, "channel/moved"))
	assert.Len(t, list(t, s, ""), 2)
	back()
	corrupt(t, s, "channel/k", "channel/moved")
	for _, key := range []string{"channel/k", "channel/moved"} {
		_, _, err := s.Get(t.Context(), key)
		require.ErrorIs(t, err, store.ErrCorrupt, key)
	}
	require.ErrorIs(t, m.Move(t.Context(), "channel/k", rev, "channel/else"), store.ErrCorrupt)
	assert.Len(t, list(t, p.Open(), ""), 2)
}
