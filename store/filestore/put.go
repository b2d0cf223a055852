package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/seed-5fe1f529/tallystick/store"
)

// poll is the interval between attempts to get a lock. A write holds it for about as long.
const poll = time.Millisecond

// Put implements [store.Store]. It waits for other writers of the same record until ctx ends, but
// at most ten seconds. The end of ctx does not interrupt a write that has begun. Further errors are
// [BusyError], [CorruptError], [ErrVersion], and those of the file system.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := s.check(ctx, key, data); err != nil {
		return 0, err
	}
	slot := s.slot(key)
	unlock, err := s.lock(ctx, key, slot.turn)
	if err != nil {
		return 0, err
	}
	defer unlock()

	_, have, err := s.read(key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err // an unreadable record is never overwritten
	}
	if have != rev {
		return 0, fmt.Errorf(
			"filestore: %w: %s is at revision %d, not %d", store.ErrConflict, key, have, rev,
		)
	}
	if err := s.replace(s.path(key), encode(key, rev+1, data)); err != nil {
		return 0, fmt.Errorf("filestore: write of %s: %w", key, err)
	}
	slot.raise(rev + 1)
	return rev + 1, nil
}

// lock makes the caller the only writer of key: in this process with turn, among processes with
// flock. The kernel releases the flock of a process that dies. Lock files are separate files,
// because a lock on a file that is replaced protects nothing. They are never removed, because a
// lock on a removed file protects nothing either.
func (s *Store) lock(
	ctx context.Context,
	key string,
	turn chan struct{},
) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	select {
	case turn <- struct{}{}:
	case <-waiting.Done():
		return nil, s.waitError(ctx, key)
	}
	path := s.lockPath(key)
	file := flock.New(path)
	held, err := file.TryLockContext(waiting, poll)
	if !held {
		<-turn
		if waiting.Err() != nil {
			return nil, s.waitError(ctx, key)
		}
		return nil, fmt.Errorf("filestore: cannot lock %s: %w", key, err)
	}
	hold(path)
	return func() {
		_ = file.Close() // closing releases the lock, even if it returns an error
		<-turn
	}, nil
}

func (s *Store) lockPath(key string) string {
	return filepath.Join(s.dir, lockDir, fileName(key, ".lock"))
}

// waitError returns the error of a wait that ended: that of ctx, or a BusyError.
func (s *Store) waitError(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("filestore: waiting for another writer of %s: %w", key, err)
	}
	return busy(key, s.lockPath(key), s.wait)
}

// replace durably replaces the file at path. The caller holds the lock, so no other writer uses the
// temporary name. replace removes a temporary file that a killed writer left.
//
// No available library does all of this: google/renameio v2.0.2 is empty on Windows,
// natefinch/atomic v1.0.1 copies the mode of the old file, and neither syncs the directory, without
// which a power failure can undo the rename. With a directory sync added, both were as fast as this
// function (in one run 0.41 to 0.47 ms for 1 KiB; an fsync alone took 0.10 ms).
func (s *Store) replace(path string, content []byte) error {
	dir, name := filepath.Split(path)
	tmp := filepath.Join(dir, tmpPrefix+name)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.writeFile(tmp, content); err != nil {
		_ = os.Remove(tmp) // also frees the space on a full disk
		return err
	}
	if err := s.rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return s.syncDir(dir)
}

// writeFile creates a file with content and syncs it.
func (s *Store) writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}
