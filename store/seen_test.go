package store_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

func TestSeen(t *testing.T) {
	var s store.Seen
	assert.Zero(t, s.Rev("k"))
	require.NoError(t, s.Note("k", 0, 5))
	assert.Equal(t, uint64(5), s.Rev("k"))
	require.NoError(t, s.Note("k", 0, 4), "a reader that was overtaken by a writer")
	assert.Equal(t, uint64(5), s.Rev("k"), "and it lowers nothing")
	require.ErrorIs(t, s.Note("k", 5, 4), store.ErrCorrupt)
	require.ErrorIs(t, s.Note("k", 5, 0), store.ErrCorrupt)
	assert.Zero(t, s.Rev("other"))

	var done sync.WaitGroup
	for i := range uint64(8) {
		done.Go(func() {
			for rev := i; rev < 800; rev += 8 {
				assert.NoError(t, s.Note("raced", 0, rev))
			}
		})
	}
	done.Wait()
	assert.Equal(t, uint64(799), s.Rev("raced"))
}

// TestSeenListing checks that a listing lacks what was noted before it began and not since.
func TestSeenListing(t *testing.T) {
	var s store.Seen
	for _, key := range []string{"a/2", "a/1", "b", "a/moved"} {
		require.NoError(t, s.Note(key, 0, 5))
	}
	require.NoError(t, s.Note("a/moved", 0, store.MovedRev))
	assert.Equal(t, uint64(store.MovedRev), s.Rev("a/moved"))
	require.NoError(t, s.Note("a/moved", 0, 6), "a reader that was overtaken by the move")
	assert.Equal(t, uint64(store.MovedRev), s.Rev("a/moved"))
	require.ErrorIs(t, s.Note("a/moved", store.MovedRev, 6), store.ErrCorrupt)
	begun := s.Listing()
	assert.Equal(t, []string{"b"}, s.Missing("b", begun))
	assert.Empty(t, s.Missing("b/", begun))
	assert.Equal(t, []string{"a/1", "a/2"}, s.Missing("a/", begun))
	require.NoError(t, s.Note("a/1", 5, 5))
	require.NoError(t, s.Note("a/new", 0, 1))
	assert.Equal(t, []string{"a/2"}, s.Missing("a/", begun))
	assert.Equal(t, []string{"a/2", "b"}, s.Missing("", begun))

	s.Met("b")
	s.Met("never noted")
	assert.Equal(t, []string{"a/2"}, s.Missing("", begun))
	assert.Zero(t, s.Rev("never noted"))

	later := s.Listing()
	require.NoError(t, s.Note("a/2", 0, 3), "an older revision is a sight of it too")
	assert.Equal(t, uint64(5), s.Rev("a/2"))
	assert.Empty(t, s.Missing("", begun), "another listing saw it meanwhile")
	assert.Equal(t, []string{"a/1", "a/new", "b"}, s.Missing("", later))
}

// TestNextRev checks that two servers that diverge from one revision get different next revisions.
func TestNextRev(t *testing.T) {
	seen := map[uint64]bool{}
	for range 100 {
		next := store.NextRev(7)
		assert.Greater(t, next, uint64(7))
		assert.LessOrEqual(t, next, uint64(7+1<<20))
		seen[next] = true
	}
	assert.Greater(t, len(seen), 90)
}

func TestUnsafeError(t *testing.T) {
	err := &store.UnsafeError{
		Store:   "redisstore",
		Setting: "appendfsync",
		Is:      "everysec",
		Must:    "always",
		Loses:   "the last second is lost",
	}
	assert.EqualError(
		t, err,
		`redisstore: the server is refused: appendfsync is "everysec" and must be "always", because the last second is lost`,
	)
}
