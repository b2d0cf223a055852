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
