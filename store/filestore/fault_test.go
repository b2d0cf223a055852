package filestore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

var errNever = []error{
	store.ErrConflict, store.ErrCorrupt, store.ErrKey, store.ErrTooLarge, store.ErrNotFound,
}

// large does not fit into the slots of a small record, so a Put of it makes a new file.
var large = strings.Repeat("large", 2000)

// TestFailedWrite checks that a write that failed leaves the old record, also if the new one was
// visible for a moment, and no files.
func TestFailedWrite(t *testing.T) {
	full := func(*os.File, []byte, int64) error { return syscall.ENOSPC }
	half := func(f *os.File, b []byte, at int64) error {
		return errors.Join(writeAt(f, b[:len(b)/1024*512], at), syscall.ENOSPC)
	}
	for name, c := range map[string]struct {
		data    string
		breakIt func(*Store)
	}{
		"in place, disk full":  {"new", func(s *Store) { s.writeAt = once(full, writeAt) }},
		"in place, half of it": {strings.Repeat("new", 500), func(s *Store) { s.writeAt = once(half, writeAt) }},
		"in place, no sync":    {"new", func(s *Store) { s.sync = func(*os.File) error { return syscall.EIO } }},
		"new file, disk full":  {large, func(s *Store) { s.writeAt = half }},
		"new file, no sync":    {large, func(s *Store) { s.sync = func(*os.File) error { return syscall.EIO } }},
		"new file, no rename": {large, func(s *Store) {
			s.rename = func(string, string) error { return syscall.EROFS }
		}},
		"new file, name is taken": {large, func(s *Store) {
			require.NoError(t, os.MkdirAll(filepath.Join(s.dir, ".tmp+k.rec", "x"), 0o700))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, t.TempDir())
			rev := mustPut(t, s, "k", "old", mustPut(t, s, "k", "first", 0))
			c.breakIt(s)
			_, err := s.Put(t.Context(), "k", []byte(c.data), rev)
			require.Error(t, err)
			for _, decided := range errNever {
				assert.NotErrorIs(t, err, decided, "to the caller it is unknown")
			}
			for _, reader := range []*Store{s, openAt(t, s.dir)} {
				data, have, err := reader.Get(t.Context(), "k")
				require.NoError(t, err)
				assert.Equal(t, "old", string(data))
				assert.Equal(t, rev, have)
			}
			if name != "new file, name is taken" {
				assert.Equal(t, []string{"k.rec", "lock", "tallystick.store"}, names(t, s))
				repair(s)
				mustPut(t, s, "k", c.data, rev)
			}
		})
	}
}

// TestWriteThatCannotBeTakenBack: a sync fails, and the system makes the disk read-only before the old bytes are
// put back. The Store does not read the record any more, which may not be on the disk, and says so.
func TestWriteThatCannotBeTakenBack(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "k", "old", mustPut(t, s, "k", "first", 0))
	mustPut(t, s, "other", "1", 0)
	s.sync = func(*os.File) error { return syscall.EIO }
	s.writeAt = once(writeAt, func(*os.File, []byte, int64) error { return syscall.EROFS })
	_, err := s.Put(t.Context(), "k", []byte("new"), rev)
	repair(s)
	_, _, got := s.Get(t.Context(), "k")
	_, put := s.Put(t.Context(), "k", []byte("new"), rev)
	var listed error
	for e, err := range s.List(t.Context(), "") {
		if e.Key == "k" {
			listed = err
		}
	}
	for _, err := range []error{err, got, put, listed, s.Move(t.Context(), "k", rev, "l")} {
		require.ErrorIs(t, err, syscall.EIO)
		require.ErrorIs(t, err, syscall.EROFS)
		require.ErrorContains(t, err, "check the disk")
		for _, decided := range errNever {
			require.NotErrorIs(t, err, decided, "to the caller it is unknown")
		}
	}
	_, _, err = s.Get(t.Context(), "other")
	require.NoError(t, err)
	data, _, err := openAt(t, s.dir).Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "new", string(data), "another Store cannot know")
}

// TestWriteOfAPartThatCannotBeTakenBack: the disk is full, so a part of the record is written and cannot be taken
// back. No reader takes a part for a record, so the Store goes on when there is room again.
func TestWriteOfAPartThatCannotBeTakenBack(t *testing.T) {
	s := openAt(t, t.TempDir())
	old, next := strings.Repeat("old", 700), strings.Repeat("new", 700)
	rev := mustPut(t, s, "k", old, mustPut(t, s, "k", strings.Repeat("one", 700), 0))
	parts := 0
	s.writeAt = func(f *os.File, b []byte, at int64) error {
		if parts++; parts > 1 {
			return syscall.ENOSPC
		}
		return errors.Join(writeAt(f, b[:len(b)/1024*512], at), syscall.ENOSPC)
	}
	_, err := s.Put(t.Context(), "k", []byte(next), rev)
	require.ErrorIs(t, err, syscall.ENOSPC)
	repair(s)
	for _, s := range []*Store{s, openAt(t, s.dir)} {
		data, got, err := s.Get(t.Context(), "k")
		require.NoError(t, err)
		assert.Equal(t, old, string(data))
		assert.Equal(t, rev, got)
	}
	mustPut(t, s, "k", next, rev)
}

func repair(s *Store) { s.writeAt, s.sync, s.rename, s.syncDir = writeAt, syncFile, rename, syncDir }

// once returns a write that fails the first time.
func once(first, then func(*os.File, []byte, int64) error) func(*os.File, []byte, int64) error {
	calls := 0
	return func(f *os.File, b []byte, at int64) error {
		if calls++; calls == 1 {
			return first(f, b, at)
		}
		return then(f, b, at)
	}
}

// TestReaderSyncsWhatNobodySynced checks that a reader syncs a record that is visible but may not be
// durable. Otherwise it could sign a sum that a power cut takes back.
func TestReaderSyncsWhatNobodySynced(t *testing.T) {
	for name, c := range map[string]struct {
		data  string
		leave func(s *Store, syncs *int) // makes the writer die before its last sync
	}{
		"in place": {"new", func(s *Store, _ *int) {
			s.sync = func(*os.File) error { panic("killed") }
		}},
		"new file": {large, func(s *Store, _ *int) {
			s.syncDir = func(string) error { panic("killed") }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := openAt(t, dir)
			rev := mustPut(t, a, "k", "old", 0)
			c.leave(a, nil)
			assert.Panics(t, func() { _, _ = a.Put(t.Context(), "k", []byte(c.data), rev) })
			b := openAt(t, dir)
			syncs := 0
			b.sync = func(*os.File) error { syncs++; return syscall.EIO }
			_, _, err := b.Get(t.Context(), "k")
			require.ErrorIs(t, err, syscall.EIO)
			for e, err := range b.List(t.Context(), "") {
				require.ErrorIs(t, err, syscall.EIO)
				assert.Empty(t, e)
			}
			_, err = b.Put(t.Context(), "k", []byte("next"), rev+1)
			require.ErrorIs(t, err, syscall.EIO)
			b.sync = syncFile
			b.syncDir = func(string) error { return syscall.EIO }
			_, _, err = b.Get(t.Context(), "k")
			require.ErrorIs(t, err, syscall.EIO)
			repair(b)
			syncs = 0
			b.sync = func(*os.File) error { syncs++; return nil }
			for range 3 {
				data, have, err := b.Get(t.Context(), "k")
				require.NoError(t, err)
				assert.Equal(t, c.data, string(data))
				assert.Equal(t, rev+1, have)
			}
			assert.Equal(t, 1, syncs, "once for a revision that is new to this process")
		})
	}
}

// TestSyncsOfAWriteInPlace checks that a Put in place syncs once, and that neither it nor a reader of
// what was noted to be durable syncs anything else.
func TestSyncsOfAWriteInPlace(t *testing.T) {
	a := openAt(t, t.TempDir())
	rev := mustPut(t, a, "k", "1", 0)
	files, dirs := 0, 0
	count := func(s *Store) {
		s.sync = func(*os.File) error { files++; return nil }
		s.syncDir = func(string) error { dirs++; return nil }
	}
	count(a)
	rev = mustPut(t, a, "k", "2", rev)
	assert.Equal(t, []int{1, 0}, []int{files, dirs})
	b := openAt(t, a.dir)
	count(b)
	_, _, err := b.Get(t.Context(), "k")
	require.NoError(t, err)
	for _, err := range openAt(t, a.dir).List(t.Context(), "") {
		require.NoError(t, err)
	}
	assert.Equal(t, []int{1, 0}, []int{files, dirs})
	mustPut(t, b, "k", "3", rev)
	assert.Equal(t, []int{2, 0}, []int{files, dirs})
}

// TestListSyncsOnce checks that a listing of records of format 1, of which nobody noted that they
// are durable, syncs the directory once.
func TestListSyncsOnce(t *testing.T) {
	s := oldStore(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	syncs := 0
	s.syncDir = func(string) error { syncs++; return nil }
	for range 2 {
		for _, err := range s.List(t.Context(), "") {
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
	rev = mustPut(t, s, "k", "two", rev)
	mustPut(t, s, "k", large, rev)
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

	s.turn("k") <- struct{}{} // held by a goroutine of this process
	_, err = s.Put(t.Context(), "k", []byte("two"), rev)
	require.ErrorContains(t, err, "k has been locked")
	<-s.turn("k")

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

// TestReadDuringAWrite lets a reader see a sector that is half written. It is no damage while a writer
// holds the record: the reader looks again, and does not wait for the lock.
func TestReadDuringAWrite(t *testing.T) {
	s, last := lived(t, 100, 100, 100)
	good, err := os.ReadFile(s.path("k"))
	require.NoError(t, err)
	half := bytes.Clone(good)
	copy(half[sector+100:], "half a sector")
	require.NoError(t, os.WriteFile(s.path("k"), half, 0o600))
	_, _, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrCorrupt, "nobody writes")

	other := flock.New(s.lockPath("k"))
	held, err := other.TryLock()
	require.NoError(t, err)
	require.True(t, held)
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, _, err = s.Get(ctx, "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.wait = 20 * time.Millisecond
	_, _, err = s.Get(t.Context(), "k")
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	for e, err := range s.List(t.Context(), "") {
		require.ErrorAs(t, err, &busy)
		require.Equal(t, "k", e.Key)
	}

	s.wait = time.Minute
	read := make(chan error)
	go func() { _, _, err := s.Get(t.Context(), "k"); read <- err }()
	time.Sleep(5 * time.Millisecond)
	require.NoError(t, os.WriteFile(s.path("k"), good, 0o600))
	require.NoError(t, <-read, "the write went on, and the lock is still held")
	have, err := stateOf(t, s, "k")
	require.NoError(t, err)
	assert.Equal(t, last, have)
}
