package filestore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// TestFailedBeforeTheRename checks that a failed write leaves the old record and no files.
func TestFailedBeforeTheRename(t *testing.T) {
	for name, breakIt := range map[string]func(*Store){
		"disk full":     func(s *Store) { s.sync = func(*os.File) error { return syscall.ENOSPC } },
		"no rename":     func(s *Store) { s.rename = func(string, string) error { return syscall.EROFS } },
		"name is taken": func(s *Store) { require.NoError(t, os.MkdirAll(filepath.Join(s.dir, ".tmp+k.rec", "x"), 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			rev := mustPut(t, s, "k", "old", 0)
			breakIt(s)
			_, err := s.Put(t.Context(), "k", []byte("new"), rev)
			require.Error(t, err)
			for _, decided := range []error{store.ErrConflict, store.ErrCorrupt, store.ErrKey, store.ErrTooLarge, store.ErrNotFound} {
				assert.NotErrorIs(t, err, decided, "to the caller it is unknown")
			}
			data, have, err := s.Get(t.Context(), "k")
			require.NoError(t, err)
			assert.Equal(t, "old", string(data))
			assert.Equal(t, rev, have)
			if name != "name is taken" {
				assert.Equal(t, []string{"k.rec", "lock", "tallystick.store"}, names(t, s))
				s.sync, s.rename = (*os.File).Sync, rename
				mustPut(t, s, "k", "new", rev)
			}
		})
	}
}

// TestFailedAfterTheRename checks that a reader syncs a record that is visible but may not be
// durable. Otherwise it could sign a sum that a power cut takes back.
func TestFailedAfterTheRename(t *testing.T) {
	dir := t.TempDir()
	a, b := openAt(t, dir), openAt(t, dir)
	rev := mustPut(t, a, "k", "old", 0)
	syncs := 0
	failing := func(string) error { syncs++; return syscall.EIO }
	working := func(string) error { syncs++; return nil }

	a.syncDir = failing
	_, err := a.Put(t.Context(), "k", []byte("new"), rev)
	require.ErrorIs(t, err, syscall.EIO)
	require.Equal(t, 1, syncs)

	for _, s := range []*Store{a, b} { // the writer and another process
		s.syncDir = failing
		_, _, err = s.Get(t.Context(), "k")
		require.ErrorIs(t, err, syscall.EIO)
		for e, err := range s.List(t.Context(), "") {
			require.ErrorIs(t, err, syscall.EIO)
			assert.Empty(t, e)
		}
		s.syncDir, syncs = working, 0
		for range 3 {
			data, have, err := s.Get(t.Context(), "k")
			require.NoError(t, err)
			assert.Equal(t, "new", string(data))
			assert.Equal(t, rev+1, have)
		}
		assert.Equal(t, 1, syncs, "once for a revision that is new to this process")
	}
}

func TestListSyncsOnce(t *testing.T) {
	dir := t.TempDir()
	a, b := openAt(t, dir), openAt(t, dir)
	syncs := 0
	for _, key := range []string{"a", "b", "c"} {
		rev := mustPut(t, a, key, "", 0)
		mustPut(t, a, key, key, rev)
	}
	a.syncDir = func(string) error { syncs++; return nil }
	for _, err := range a.List(t.Context(), "") {
		require.NoError(t, err)
	}
	assert.Zero(t, syncs, "its own writes are durable already")
	b.syncDir = func(string) error { syncs++; return nil }
	for range 2 {
		for _, err := range b.List(t.Context(), "") {
			require.NoError(t, err)
		}
	}
	assert.Equal(t, 1, syncs)
}

func TestKilledWritersFilesAreRemoved(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "k", "one", 0)
	require.NoError(
		t, os.WriteFile(filepath.Join(s.dir, ".tmp+k.rec"), []byte("half a rec"), 0o644),
	)
	mustPut(t, s, "k", "two", rev)
	assert.Equal(t, []string{"k.rec", "lock", "tallystick.store"}, names(t, s))
}

// TestWaitForAnotherWriter checks that a writer waits for another process no longer than its
// context and a limit, and that a reader does not wait.
func TestWaitForAnotherWriter(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "k", "one", 0)
	other := flock.New(filepath.Join(s.dir, lockDir, "k.lock"))
	held, err := other.TryLock()
	require.NoError(t, err)
	require.True(t, held)

	data, _, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "one", string(data))
	mustPut(t, s, "free", "one lock a record", 0)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = s.Put(ctx, "k", []byte("two"), rev)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	s.wait = 20 * time.Millisecond
	_, err = s.Put(t.Context(), "k", []byte("two"), rev)
	require.ErrorContains(t, err, "k has been locked for more than 20ms")
	assert.NotErrorIs(t, err, context.DeadlineExceeded, "it was not the caller's deadline")
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	assert.Equal(t, os.Getpid(), busy.PID, "the last holder that wrote its name")

	slot := s.slot("k") // held by a goroutine of this process
	slot.turn <- struct{}{}
	_, err = s.Put(t.Context(), "k", []byte("two"), rev)
	require.ErrorContains(t, err, "k has been locked")
	<-slot.turn

	require.NoError(t, other.Close())
	s.wait = time.Minute
	mustPut(t, s, "k", "two", rev)
}

func TestCannotLock(t *testing.T) {
	s := openAt(t, t.TempDir())
	require.NoError(t, os.RemoveAll(filepath.Join(s.dir, lockDir)))
	_, err := s.Put(t.Context(), "k", nil, 0)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, errors.Is(err, store.ErrNotFound))
	require.ErrorContains(t, err, "cannot lock k")
}
