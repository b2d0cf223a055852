package filestore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/store"
)

// errMany means that more records need a sync than are synced one by one.
var errMany = errors.New("filestore: many records may not be durable")

// syncedAlone returns how many records in dir a List syncs one by one, see Store.
func syncedAlone(dir string) int32 {
	if canSyncWhole(dir) {
		return 64
	}
	return -1
}

// allowance returns how many records a List still syncs one by one, or nil for all of them.
func (s *Store) allowance() *atomic.Int32 {
	if s.alone < 0 {
		return nil
	}
	var n atomic.Int32
	n.Store(s.alone)
	return &n
}

// syncTogether makes the current revisions of keys durable, with one sync of the file system for each
// directory, and remembers that. What cannot be made durable in this way is left to a sync of its own,
// unless a write of it failed, because the kernel reports that only once.
//
// Each file is written back by itself first, which reports its failed writes as its own sync does. A sync
// of the file system does not report what another program was told.
func (s *Store) syncTogether(ctx context.Context, keys []string) error {
	var mu sync.Mutex // guards the following
	var failed error
	seen := map[string][]listing{} // by directory
	files := map[string]*os.File{} // one of each directory
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	inTurn(len(keys), func(i int) {
		if s.usable(ctx) != nil {
			return
		}
		key := keys[i]
		f, err := s.read(ctx, key)
		if err != nil {
			return // the listing reads it again and reports it
		}
		defer f.close()
		if s.durable(key, f) {
			return
		}
		err = s.writeBack(f.file)
		if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) { // a filter of calls
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = &unsyncedError{key, err} // one of them is enough
			return
		}
		dir := s.dirOf(key)
		seen[dir] = append(seen[dir], listing{Entry: store.Entry{Key: key}, mark: f.mark, born: f.born})
		if files[dir] == nil {
			files[dir], f.file = f.file, nil
		}
	})
	if err := errors.Join(failed, s.usable(ctx), s.present()); err != nil {
		return err
	}
	for dir, f := range files {
		if s.syncWhole(f) != nil {
			continue
		}
		for _, l := range seen[dir] {
			s.known.saw(l.Key, l.mark, l.born, false)
		}
	}
	return nil
}
