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

// poll is the interval between attempts to get a lock. A write holds it for less.
const poll = time.Millisecond

// Put implements [store.Store]. It waits for other writers of the same record until ctx ends, but
// at most ten seconds. The end of ctx does not interrupt a write that has begun. Further errors are
// [BusyError], [CorruptError], [ErrVersion], and those of the file system.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := s.check(ctx, key, data); err != nil {
		return 0, err
	}
	unlock, err := s.lock(ctx, key)
	if err != nil {
		return 0, err
	}
	defer unlock()

	have, err := s.readOnce(key, os.O_RDWR)
	if errors.Is(err, store.ErrNotFound) {
		have, err = &found{}, s.inUse(key)
	}
	if err != nil {
		return 0, err // an unreadable record is never overwritten
	}
	defer have.close()
	if have.mark.rev != rev {
		return 0, conflict(key, have.mark.rev, rev)
	}
	r := &record{key: key, born: have.born, rev: rev + 1, by: writtenBy(have.by, s.id, rev+1), data: data}
	if r.born == 0 {
		r.born = random()
	}
	next := r.image()
	if err := s.write(key, have, &next); err != nil {
		return 0, fmt.Errorf("filestore: write of %s: %w", key, err)
	}
	s.known.saw(key, next.mark, r.born, true)
	return r.rev, nil
}

func conflict(key string, have, rev uint64) error {
	return fmt.Errorf(
		"filestore: %w: %s is at revision %d, not %d", store.ErrConflict, key, have, rev,
	)
}

// write durably replaces the record have by next.
func (s *Store) write(key string, have *found, next *image) error {
	if err := s.upgrade(); err != nil {
		return err
	}
	if err := s.makeDirOf(key); have.file == nil && err != nil {
		return err
	}
	if size := next.size(); have.file == nil || have.old || size > have.size {
		have.shut()
		return s.create(s.path(key), next, max(size, have.size))
	}
	return s.overwrite(key, have, next)
}

// create writes a new file for a record that has none, or has an old or a small one.
func (s *Store) create(path string, next *image, size int) error {
	if err := s.replace(path, newFile(next, size)); err != nil {
		return err
	}
	if f, err := open(path, os.O_RDWR); err == nil {
		s.note(f, next.mark, 1, size)
		_ = f.Close()
	}
	return s.still()
}

// overwrite writes next into the slot that does not hold the current record.
func (s *Store) overwrite(key string, have *found, next *image) error {
	if !s.durable(key, have) {
		// The slot that is overwritten may be the only one on disk that is whole. The current
		// record is written again, because a sync does not repeat a write that failed.
		raw := have.raw[have.slot*have.size : (have.slot+1)*have.size]
		err := s.writeAt(have.file, raw, int64(have.slot*have.size))
		if err = errors.Join(err, s.sync(have.file), s.syncDir(s.dirOf(key))); err != nil {
			return err
		}
	}
	raw, at := next.sectors(1-have.slot, have.size)
	err := s.writeAt(have.file, raw, at)
	whole := err == nil // a part of it is no record: the checksum is wrong
	if whole {
		err = s.sync(have.file)
	}
	if err != nil {
		// The new revision may be visible and never reach the disk. A later sync would not notice,
		// so nobody must read it. Which of the two the sync leaves on the disk does not matter.
		if undo := s.writeAt(have.file, have.raw[at:at+int64(len(raw))], at); undo != nil && whole {
			err = fmt.Errorf("%w; it could not be taken back (%w), so readers may see what is not on the disk: end all "+
				"programs that use this store, and check the disk", err, undo)
			s.stuck.Store(key, err)
		}
		_ = s.sync(have.file)
		return err
	}
	if same, err := sameFile(have.file, s.path(key)); err != nil || !same {
		return errReplaced
	}
	s.note(have.file, next.mark, have.slot, have.size)
	return nil
}

// note tells readers that m is durable. It is only a hint for them, so it is not synced and errors
// are ignored. slot is the one that the next write fills, so it costs no write of its own.
func (s *Store) note(f *os.File, m mark, slot, size int) {
	raw, at := label(m, slot, size)
	_ = s.writeAt(f, raw, at)
}

// errReplaced means that the record is unknown. It matches no error that says that nothing was written.
var errReplaced = errors.New("the file or the directory was replaced while it was written")

// still returns an error if the directory was replaced during a write.
func (s *Store) still() error {
	if s.present() != nil {
		return errReplaced
	}
	return nil
}

func sameFile(f *os.File, path string) (bool, error) {
	_, _, own, err := statFile(f)
	if err != nil {
		return false, err
	}
	there, err := statPath(path)
	return err == nil && own.same(there), err
}

// lock makes the caller the only writer of key: in this process with a token, among processes with
// flock. The kernel releases the flock of a process that dies. Lock files are separate files,
// because a lock on a file that is replaced protects nothing. They are never removed, because a
// lock on a removed file protects nothing either.
func (s *Store) lock(ctx context.Context, key string) (unlock func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	turn := s.turn(key)
	select {
	case turn <- struct{}{}:
	case <-waiting.Done():
		return nil, s.waitError(ctx, key)
	}
	path := s.lockPath(key)
	file := newLock(path)
	held, err := file.TryLockContext(waiting, poll)
	if held {
		err = hold(path)
	}
	if !held || err != nil {
		_ = file.Close()
		<-turn
		if waiting.Err() != nil {
			return nil, s.waitError(ctx, key)
		}
		return nil, fmt.Errorf("filestore: cannot lock %s: %w", key, err)
	}
	return func() {
		_ = file.Close() // closing releases the lock, even if it returns an error
		<-turn
	}, nil
}

func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE|noFollow), flock.SetPermissions(0o600))
}

// turn returns the channel that contains a token while a goroutine of this Store writes key.
func (s *Store) turn(key string) chan struct{} {
	if v, ok := s.turns.Load(key); ok {
		return v.(chan struct{})
	}
	v, _ := s.turns.LoadOrStore(key, make(chan struct{}, 1))
	return v.(chan struct{})
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
// which a power failure can undo the rename.
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
	return s.syncDir(filepath.Clean(dir))
}

// writeFile creates a file with content and syncs it.
func (s *Store) writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = s.writeAt(f, content, 0)
	if err == nil {
		err = s.sync(f)
	}
	return errors.Join(err, f.Close())
}
