package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/seed-5fe1f529/tallystick/store"
)

// read returns the current record of key, which the caller closes. It does not wait for a writer,
// but it may see a part of a write, which looks like damage. So damage is reported only if it is
// still there while no writer holds the record.
func (s *Store) read(ctx context.Context, key string) (*found, error) {
	end := time.Now().Add(s.wait)
	for tries := 0; ; tries++ {
		f, err := s.readOnce(key, syncable)
		if !errors.Is(err, store.ErrCorrupt) {
			return f, err
		}
		if tries < 3 {
			continue
		}
		lock := flock.New(s.lockPath(key), flock.SetFlag(os.O_RDONLY|noFollow))
		if free, lockErr := lock.TryRLock(); free || lockErr != nil {
			// An error means that there is no lock that a writer could hold.
			f, err = s.readOnce(key, syncable)
			_ = lock.Close()
			return f, err
		}
		if time.Now().After(end) {
			return nil, busy(key, s.lockPath(key), s.wait)
		}
		if err := s.usable(ctx); err != nil {
			return nil, err
		}
		time.Sleep(poll)
	}
}

// readOnce reads the record of key once. It refuses a record that cannot be the successor of the one
// that this Store knows: vouchers that were signed since are missing in it. It refuses a record whose last
// write failed and could not be taken back.
func (s *Store) readOnce(key string, flag int) (*found, error) {
	if err, stuck := s.stuck.Load(key); stuck {
		return nil, fmt.Errorf("filestore: %s: an earlier write failed: %w", key, err.(error))
	}
	// Before the file is read, so that a concurrent write is not mistaken for a rollback.
	before, path := s.known.of(key), s.path(key)
	file, raw, err := openRecord(path, flag)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, s.missing(key, before)
	}
	if err != nil {
		return nil, err
	}
	v, err := decode(path, key, raw)
	if err == nil && before.rev == 0 {
		err = s.returned(key)
	}
	if err == nil {
		if reason := before.denies(v, s.id); reason != "" {
			err = &CorruptError{Path: path, Reason: reason + " (if this is the newest copy, start this program again)"}
		}
	}
	f := &found{view: v, file: file, raw: raw}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// missing returns the error of a key without a file: ErrNotFound, unless this Store knows a record
// that did not move to another key.
func (s *Store) missing(key string, before memory) error {
	// If the whole directory is gone, for example unmounted, the record may still exist.
	if err := s.present(); err != nil {
		return err
	}
	if strings.HasPrefix(key, apart) {
		path := filepath.Join(s.dir, fileName(key, recordExt))
		if _, err := os.Lstat(path); err == nil {
			return &CorruptError{Path: path, Reason: "it must be in the directory " + apartDir}
		}
	}
	if before.rev > 0 && !before.moved {
		left, err := s.left(key)
		if err != nil {
			return err
		}
		if left.rev < before.rev || !s.arrived(left, maxHops) {
			return &CorruptError{
				Path:   s.path(key),
				Reason: fmt.Sprintf("it had revision %d and is gone", before.rev),
			}
		}
		s.known.moved(key, "")
	}
	return fmt.Errorf("%w: %s in %s", store.ErrNotFound, key, s.dir)
}

// maxHops bounds how often a record that moved is looked for under another key.
const maxHops = 8

// returned returns an error if the record of key moved to another key, so that the file is an old
// copy. A note alone may be left by a move that was cut short.
func (s *Store) returned(key string) error {
	left, err := s.left(key)
	if err == nil && s.arrived(left, maxHops) {
		err = &CorruptError{
			Path:   s.path(key),
			Reason: fmt.Sprintf("it is an old copy, the record moved to %s", left.to),
		}
	}
	return err
}

// durable reports whether the revision that was read needs no sync.
func (s *Store) durable(key string, f *found) bool {
	known := s.known.of(key)
	return f.noted == f.mark || known.durable && known.mark == f.mark
}

// settle ensures that a record that was just read is durable. A revision of another process may not
// be on disk yet, if its writer is still syncing or has crashed. A caller must not act on a record
// that can still vanish.
func (s *Store) settle(key string, f *found) error {
	if !s.durable(key, f) {
		var err error
		if !f.old { // in format 1 only the name can still vanish
			err = s.sync(f.file)
		}
		if err == nil {
			err = s.syncDir(s.dirOf(key))
		}
		if err != nil {
			return &unsyncedError{key, err}
		}
	}
	s.known.saw(key, f.mark, f.born, false)
	return nil
}
