// Package filestore keeps payment records as plain files in one directory of one machine. It is the
// durable default: several programs may use one directory at once, and nothing has to be installed.
//
// # What is in the directory
//
//	tallystick.store              marks the directory as a store and names its format
//	channel=0x12ab….rec           one record; "/" of the key is "=" in the name
//	lock/channel=0x12ab….lock     taken by writers of that record; says who has it
//	.tmp+channel=0x12ab….rec      a write in progress, or what a killed one left; never read
//
// A record is one line with the format, the key, the revision and a checksum, then the bytes of the
// record as they are. It can be read with any tool, and a changed byte is found out. Copy the
// directory to back it up while no program uses it. An old copy is dangerous: it does not know what
// was signed since.
//
// # What it promises
//
//   - A finished Put survives the death of the process and of the machine: the file is written under
//     another name, synced, renamed, and then the directory is synced.
//   - A reader sees the old record or the new one, never a part, and never waits for a writer.
//   - What Get and List return is durable too. A record that another process renamed into place and
//     did not live to sync is synced by the reader first.
//   - A damaged record, or one of a newer format, is reported and never overwritten. So is one that
//     went back to an older revision, or away, while a process that knew better was running.
//
// # What it needs
//
// A local file system with working flock and fsync. On network file systems neither is sure, so
// do not put a store there; use a database. On Windows a directory cannot be synced, so after a
// power cut the last writes may be missing there.
package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Store is a [store.Store] on files. Make one with [Open]. It is safe for concurrent use; so are
// several Stores, in one process or many, on the same directory.
type Store struct {
	dir    string
	slots  sync.Map // key -> *slot
	closed atomic.Bool

	// wait bounds the wait for another writer of the same record. A write takes about a
	// millisecond, so who waits this long waits for a process that was stopped.
	wait time.Duration

	// The steps of a write that can fail on a real disk. Tests make them fail.
	sync    func(*os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

// slot is what this process knows about one key.
type slot struct {
	turn    chan struct{} // holds one token while a goroutine of this Store writes the key
	durable atomic.Uint64 // revisions up to here are known to be durable
}

// Open returns the store in dir. A directory that does not exist is made, with its parents, for the
// user alone. An existing one must be empty or a store already; where others may enter it, that is
// taken away from them (mode 0700). A symbolic link is followed once, now.
//
// Errors: the directory holds other files, cannot be made private, or is of a newer format
// ([ErrVersion]). Nothing is changed then.
func Open(dir string) (*Store, error) {
	dir, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	return &Store{
		dir:     dir,
		wait:    10 * time.Second,
		sync:    (*os.File).Sync,
		rename:  rename,
		syncDir: syncDir,
	}, nil
}

// Close ends the use of this Store: calls that begin after it fail with [os.ErrClosed], running ones
// finish. It holds nothing open between calls, so a program that just ends loses nothing. The error
// is always nil.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

// Get implements [store.Store]. Besides the errors named there: [CorruptError] (which is
// [store.ErrCorrupt]), [ErrVersion], and those of the file system.
func (s *Store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := s.check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	data, rev, err := s.read(key)
	if err != nil {
		return nil, 0, err
	}
	if err := s.settle([]store.Entry{{Key: key, Rev: rev}}); err != nil {
		return nil, 0, err
	}
	return data, rev, nil
}

// List implements [store.Store]. It reads all records that match before it yields the first.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		entries, errs, err := s.readAll(ctx, prefix)
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for i, e := range entries {
			if err := s.usable(ctx); err != nil {
				yield(store.Entry{}, err)
				return
			}
			if !yield(e, errs[i]) {
				return
			}
		}
	}
}

// readAll returns the records under prefix in order of their keys, and for each the error that kept
// it from being read.
func (s *Store) readAll(ctx context.Context, prefix string) (entries []store.Entry, errs []error, err error) {
	if err := s.usable(ctx); err != nil {
		return nil, nil, err
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("filestore: %w", err)
	}
	if err := s.present(); err != nil {
		return nil, nil, err
	}
	var keys []string
	for _, f := range files {
		if key, ok := keyOf(f.Name()); ok && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys) // the order of names is another one: "=" is not "/"
	for _, key := range keys {
		if err := s.usable(ctx); err != nil {
			return nil, nil, err
		}
		data, rev, err := s.read(key)
		entries = append(entries, store.Entry{Key: key, Data: data, Rev: rev})
		errs = append(errs, err)
	}
	if err := s.settle(entries); err != nil {
		return nil, nil, err
	}
	return entries, errs, nil
}

// settle makes sure that records which were just read are durable. A revision that this process
// did not write may be in the directory and not yet on the disk, if its writer still syncs or died
// before; somebody who signs by it must not see it vanish. One sync covers all of them.
func (s *Store) settle(read []store.Entry) error {
	synced := false
	for _, e := range read {
		if e.Rev == 0 { // could not be read
			continue
		}
		slot := s.slot(e.Key)
		if e.Rev <= slot.durable.Load() {
			continue
		}
		if !synced {
			if err := s.syncDir(s.dir); err != nil {
				return fmt.Errorf("filestore: cannot make sure that %s is durable: %w", e.Key, err)
			}
			synced = true
		}
		slot.raise(e.Rev)
	}
	return nil
}

// read returns the record in the file of key as it is now. A record that is older than one which this
// process knows to be durable, or gone, was put back by hand; what was signed since stands nowhere.
func (s *Store) read(key string) ([]byte, uint64, error) {
	path, known := s.path(key), uint64(0)
	if v, ok := s.slots.Load(key); ok {
		known = v.(*slot).durable.Load() // before the file is read, so that a writer beside us is no fault
	}
	raw, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Gone with the whole directory (a volume that was unmounted) is not the same as never written.
		if err := s.present(); err != nil {
			return nil, 0, err
		}
		if known > 0 {
			return nil, 0, &CorruptError{Path: path, Reason: fmt.Sprintf("revision %d was here and is gone", known)}
		}
		return nil, 0, fmt.Errorf("filestore: %w: %s", store.ErrNotFound, key)
	}
	if err != nil {
		return nil, 0, err
	}
	data, rev, err := decode(path, key, raw)
	if err == nil && rev < known {
		return nil, 0, &CorruptError{Path: path, Reason: fmt.Sprintf("revision %d was here and now it is %d, an old copy", known, rev)}
	}
	return data, rev, err
}

func (s *Store) check(ctx context.Context, key string, data []byte) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	return store.Check(key, data)
}

func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return fmt.Errorf("filestore: %w", os.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

func (s *Store) slot(key string) *slot {
	if v, ok := s.slots.Load(key); ok {
		return v.(*slot)
	}
	v, _ := s.slots.LoadOrStore(key, &slot{turn: make(chan struct{}, 1)})
	return v.(*slot)
}

// raise notes that revisions up to rev are durable.
func (s *slot) raise(rev uint64) {
	for have := s.durable.Load(); rev > have && !s.durable.CompareAndSwap(have, rev); have = s.durable.Load() {
	}
}
