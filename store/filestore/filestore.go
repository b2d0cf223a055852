// Package filestore stores payment records as files in one directory of one machine. It is the
// durable default: nothing has to be installed, and several programs may use one directory at the
// same time.
//
// # The directory
//
//	tallystick.store              marks the directory as a store and names its format
//	channel=0x12ab….rec           one record; "/" of the key is "=" in the name
//	lock/channel=0x12ab….lock     locked by writers of that record; names the holder
//	.tmp+channel=0x12ab….rec      a write in progress or the rest of a killed one; never read
//
// A record file is one line with the format, the key, the revision and a checksum, followed by the
// bytes of the record. Any tool can read it, and a changed byte is detected. To back up the
// directory, copy it while no program uses it. An old copy is dangerous: it lacks the vouchers that
// were signed after it was made.
//
// # Guarantees
//
//   - A finished Put survives a crash of the process and of the machine: the file is written under
//     another name, synced and renamed, and then the directory is synced.
//   - A reader sees the old record or the new one, never a mixture, and never waits for a writer.
//   - The results of Get and List are durable. If the writer of a record crashed before its last
//     sync, the reader syncs first.
//   - A damaged record, or one of a newer format, is reported and never overwritten. The same holds
//     for a record that was rolled back or removed, if this process knows a newer revision.
//
// # Requirements
//
// It needs a local file system with working flock and fsync. Network file systems guarantee
// neither; use a database there. On Windows a directory cannot be synced, so the last writes may be
// missing after a power failure.
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

// Store is a [store.Store] in a directory. Create one with [Open]. It is safe for concurrent use.
// Several Stores, in one process or many, may use the same directory.
type Store struct {
	dir    string
	slots  sync.Map // key -> *slot
	closed atomic.Bool

	// wait bounds the wait for another writer of the same record. A write takes about a
	// millisecond, so a longer wait means that the other process is blocked.
	wait time.Duration

	// The steps of a write that can fail. Tests replace them.
	sync    func(*os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error
}

// slot holds the state of this process for one key.
type slot struct {
	turn    chan struct{} // contains a token while a goroutine of this Store writes the key
	durable atomic.Uint64 // revisions up to here are known to be durable
}

// Open returns the store in dir. It creates dir and its parents if they do not exist, with mode
// 0700. An existing directory must be empty or a store; Open removes the access of other users to
// it. It resolves symbolic links once.
//
// It returns an error and changes nothing if the directory contains other files, cannot be made
// private, or has a newer format ([ErrVersion]).
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

// Close ends the use of this Store. Later calls fail with [os.ErrClosed]; running calls finish. A
// Store holds nothing open between calls, so a program that ends without Close loses nothing. The
// error is always nil.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

// Get implements [store.Store]. Further errors are [CorruptError], which matches
// [store.ErrCorrupt], [ErrVersion], and those of the file system.
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

// List implements [store.Store]. It reads all matching records before it yields the first.
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

// readAll returns the records under prefix in the order of their keys, and an error for each that
// could not be read.
func (s *Store) readAll(
	ctx context.Context,
	prefix string,
) (entries []store.Entry, errs []error, err error) {
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
	slices.Sort(keys) // file names have another order, because "=" is not "/"
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

// settle ensures that records that were just read are durable. A revision of another process may
// not be on disk yet, if its writer is still syncing or has crashed. A caller must not act on a
// record that can still vanish. One sync covers all records.
func (s *Store) settle(read []store.Entry) error {
	synced := false
	for _, e := range read {
		if e.Rev == 0 { // unreadable
			continue
		}
		slot := s.slot(e.Key)
		if e.Rev <= slot.durable.Load() {
			continue
		}
		if !synced {
			if err := s.syncDir(s.dir); err != nil {
				return fmt.Errorf("filestore: cannot ensure that %s is durable: %w", e.Key, err)
			}
			synced = true
		}
		slot.raise(e.Rev)
	}
	return nil
}

// read returns the current record of key. A record that is missing, or older than a revision that
// this process knows to be durable, was rolled back. Vouchers that were signed since are missing in
// it.
func (s *Store) read(key string) ([]byte, uint64, error) {
	path, known := s.path(key), uint64(0)
	if v, ok := s.slots.Load(key); ok {
		// Before the file is read, so that a concurrent write is not mistaken for a rollback.
		known = v.(*slot).durable.Load()
	}
	raw, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// If the whole directory is gone, for example unmounted, the record may still exist.
		if err := s.present(); err != nil {
			return nil, 0, err
		}
		if known > 0 {
			return nil, 0, &CorruptError{
				Path:   path,
				Reason: fmt.Sprintf("it had revision %d and is gone", known),
			}
		}
		return nil, 0, fmt.Errorf("%w: %s in %s", store.ErrNotFound, key, s.dir)
	}
	if err != nil {
		return nil, 0, err
	}
	data, rev, err := decode(path, key, raw)
	if err == nil && rev < known {
		return nil, 0, &CorruptError{
			Path: path,
			Reason: fmt.Sprintf(
				"it had revision %d and now has %d: it was replaced by an old copy", known, rev,
			),
		}
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

// raise records that revisions up to rev are durable.
func (s *slot) raise(rev uint64) {
	for {
		have := s.durable.Load()
		if rev <= have || s.durable.CompareAndSwap(have, rev) {
			return
		}
	}
}
