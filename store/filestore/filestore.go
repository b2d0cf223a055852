// Package filestore stores payment records as files in one directory of one machine. It is the
// durable default: nothing has to be installed, and several programs may use one directory at the
// same time.
//
// # The directory
//
//	tallystick.store              marks the directory as a store and names its format
//	channel=0x12ab….rec           one record; "/" of the key is "=" in the name
//	closed/0x34cd….rec            one record of a key that begins with "closed/"
//	lock/channel=0x12ab….lock     locked by writers of that record; names the holder
//	moved/channel=0x34cd….moved   where the record of a key moved to
//	.tmp+channel=0x12ab….rec      a write in progress or the rest of a killed one; never read
//
// A record file has two slots for the newest two revisions. Each begins with a line with the key, the
// revision, the last writers and a checksum, followed by the bytes of the record. Every 512 bytes have
// a checksum of their own, so a changed byte is detected. To back up the directory, copy all of it
// while no program uses it. An old copy is dangerous: it lacks the vouchers that were signed after it
// was made.
//
// Records of the first format, one line and the bytes, are read and converted when they are written.
// Programs that know only that format then refuse the directory.
//
// # Guarantees
//
//   - A finished Put survives a crash of the process and of the machine. It writes the slot that does
//     not hold the current revision, and syncs it once. A new or a grown record is written to a file
//     under another name, synced and renamed, and then the directory is synced.
//   - After a power failure at any moment a record is the old or the new one, and can be written. A
//     Move leaves it under one of the keys.
//   - A reader sees the old record or the new one, never a mixture, and never waits for a writer.
//   - The results of Get and List are durable. If the writer of a record crashed before its last
//     sync, the reader syncs first.
//   - A damaged record, or one of a newer format, is reported and never overwritten, and never read as
//     an older one.
//   - A record that was set back to an old copy, removed or replaced is damage for every Store that knew
//     a newer revision or wrote to it, also if others have written to the old copy since. So is another
//     directory in the place of the one that was opened. A Store that is opened later cannot detect it.
//     See docs/adr/0015-a-record-is-two-slots.md.
//   - A directory that others may write, or that belongs to another user, is refused, also by root. A
//     link, a FIFO or a device in the place of a file is refused and not waited for.
//
// # Requirements
//
// It needs a local file system with working flock and fsync, and a disk that writes a sector of 512
// bytes whole or not at all. Network file systems guarantee none of it; use a database there. On
// Windows a directory cannot be synced, so a record that was created or grew last may be missing or
// old after a power failure.
package filestore

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Store is a [store.Store] in a directory. Create one with [Open]. It is safe for concurrent use.
// Several Stores, in one process or many, may use the same directory.
type Store struct {
	dir    string
	info   os.FileInfo   // of dir, to notice that it was replaced
	id     string        // names this Store in the records that it writes
	format atomic.Uint32 // of the directory
	known  known
	turns  sync.Map // key -> chan struct{}, see lock
	stuck  sync.Map // key -> error: of a write that failed and could not be taken back
	closed atomic.Bool

	// wait bounds the wait for another writer of the same record. A write takes less than a
	// millisecond, so a longer wait means that the other process is blocked.
	wait time.Duration

	// The steps of a write that can fail. Tests replace them.
	writeAt func(f *os.File, b []byte, at int64) error
	sync    func(*os.File) error
	rename  func(from, to string) error
	syncDir func(dir string) error

	// A List syncs this many records one by one before it syncs the file system, or all of them if
	// it is negative. Tests replace it and the steps of the latter.
	alone     int32
	writeBack func(*os.File) error
	syncWhole func(*os.File) error
}

// Open returns the store in dir. It creates dir and its parents if they do not exist, with mode
// 0700. An existing directory must be empty or a store; Open removes the access of other users to
// it. It resolves symbolic links once. It reads no records.
//
// It returns an error and changes nothing if the directory contains other files, belongs to another
// user, is a store that others may write, cannot be made private, or has a newer format
// ([ErrVersion]).
func Open(dir string) (*Store, error) {
	dir, version, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	s := newStore(dir)
	s.format.Store(version)
	if s.info, err = os.Lstat(dir); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	return s, nil
}

func newStore(dir string) *Store {
	return &Store{
		dir:     dir,
		id:      fmt.Sprintf("%08x", random()),
		wait:    10 * time.Second,
		writeAt: writeAt,
		sync:    syncFile,
		rename:  rename,
		syncDir: syncDir,

		alone:     syncedAlone(dir),
		writeBack: writeBack,
		syncWhole: syncWhole,
	}
}

// random returns a number that is not 0.
func random() uint32 {
	var n [4]byte
	_, _ = rand.Read(n[:]) // it never fails
	return max(1, binary.BigEndian.Uint32(n[:]))
}

func writeAt(f *os.File, b []byte, at int64) error {
	_, err := f.WriteAt(b, at)
	return err
}

// Close ends the use of this Store. Later calls fail with [os.ErrClosed]; running calls finish. A
// Store holds nothing open between calls, so a program that ends without Close loses nothing. The
// error is always nil.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

// Get implements [store.Store]. Further errors are [CorruptError], which matches
// [store.ErrCorrupt], [ErrVersion], [BusyError], and those of the file system.
func (s *Store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := s.check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	f, err := s.read(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	defer f.close()
	if err := s.settle(key, f); err != nil {
		return nil, 0, err
	}
	return f.data, f.mark.rev, nil
}

func (s *Store) check(ctx context.Context, key string, data []byte) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := store.Check(key, data); err != nil {
		return err
	}
	return s.present()
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
