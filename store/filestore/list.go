package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	listKeys    = 128 // records that are read before they are yielded
	listReaders = 4   // of them at a time
)

// List implements [store.Store]. It holds the names of the matching records in memory, and the content of
// at most 128 at a time. A record that this Store has seen and that is gone is yielded as an error, with
// its key. If more than 64 records may not be durable, one sync of the file system makes all of them
// durable, on Linux with ext4, XFS or Btrfs. Elsewhere each is synced.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := s.usable(ctx); err != nil {
			yield(store.Entry{}, err)
			return
		}
		keys, err := s.listed(prefix)
		syncs := s.allowance()
		for err == nil && len(keys) > 0 {
			var read []listing
			read, keys, err = s.readSome(ctx, keys, syncs)
			if errors.Is(err, errMany) {
				syncs, err = nil, s.syncTogether(ctx, keys)
			}
			for _, l := range read {
				if err := s.usable(ctx); err != nil {
					yield(store.Entry{}, err)
					return
				}
				if !yield(l.Entry, l.err) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Entry{}, err)
		}
	}
}

// listed returns the keys under prefix that have a file, and those that should have one, in order.
func (s *Store) listed(prefix string) ([]string, error) {
	keys := s.known.under(prefix) // before the directory is read
	if err := s.present(); err != nil {
		return nil, err
	}
	for _, place := range []string{"", apart} {
		if !strings.HasPrefix(place, prefix) && !strings.HasPrefix(prefix, place) {
			continue
		}
		if place == "" && strings.HasPrefix(prefix, apart) {
			continue
		}
		names, err := namesIn(s.dirOf(place))
		if err != nil {
			return nil, fmt.Errorf("filestore: %w", err)
		}
		for _, name := range names {
			if key, ok := keyOf(place, name); ok && strings.HasPrefix(key, prefix) {
				keys = append(keys, key)
			}
		}
	}
	if err := s.present(); err != nil {
		return nil, err
	}
	slices.Sort(keys) // file names have another order, because "=" is not "/"
	return slices.Compact(keys), nil
}

// namesIn returns the names in a directory, none if it does not exist.
func namesIn(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// listing is one entry of a List or its error.
type listing struct {
	store.Entry
	mark     mark
	born     uint32
	doubtful bool // the name may not be durable
	err      error
}

// readSome reads some of keys, several at a time, and ensures that what it read is durable: each file
// by a sync of its own if need be, and all names by one sync of the directory. It returns the keys
// that it did not read. If syncs does not allow a sync of its own to each record that needs one, the
// error is errMany, and all of keys remain.
func (s *Store) readSome(
	ctx context.Context, keys []string, syncs *atomic.Int32,
) (read []listing, rest []string, err error) {
	n := min(len(keys), listKeys)
	read = make([]listing, n)
	inTurn(n, func(i int) { read[i] = s.listing(ctx, keys[i], syncs) })
	if err := errors.Join(s.usable(ctx), s.present()); err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(read, func(l listing) bool { return errors.Is(l.err, errMany) }) {
		return nil, keys, errMany
	}
	read = slices.DeleteFunc(read, func(l listing) bool { // it moved
		return errors.Is(l.err, store.ErrNotFound)
	})
	synced := ""
	for _, l := range read { // in order, so each directory once
		if dir := s.dirOf(l.Key); l.doubtful && synced != dir {
			if err := s.syncDir(dir); err != nil {
				return nil, nil, &unsyncedError{l.Key, err}
			}
			synced = dir
		}
	}
	for i, l := range read {
		var unsynced *unsyncedError
		if errors.As(l.err, &unsynced) {
			return read[:i], nil, l.err
		}
		if l.err == nil {
			s.known.saw(l.Key, l.mark, l.born, false)
		}
	}
	return read, keys[n:], nil
}

// inTurn calls do for 0 to n - 1, several at a time.
func inTurn(n int, do func(i int)) {
	var next atomic.Int32
	var readers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), listReaders) {
		readers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	readers.Wait()
}

// listing reads one record and ensures that its content is durable. A nil syncs allows any number.
func (s *Store) listing(ctx context.Context, key string, syncs *atomic.Int32) listing {
	l := listing{Entry: store.Entry{Key: key}}
	f, err := s.read(ctx, key)
	if err != nil {
		l.err = err
		return l
	}
	defer f.close()
	l.mark, l.born, l.doubtful = f.mark, f.born, !s.durable(key, f)
	if l.doubtful && !f.old { // in format 1 only the name can still vanish
		if syncs != nil && syncs.Add(-1) < 0 {
			l.err = errMany
			return l
		}
		if err := s.sync(f.file); err != nil {
			l.err = &unsyncedError{key, err}
			return l
		}
	}
	l.Data, l.Rev = f.data, f.mark.rev
	return l
}

// unsyncedError means that a record that was read could not be synced.
type unsyncedError struct {
	key string
	err error
}

func (e *unsyncedError) Error() string {
	return fmt.Sprintf("filestore: cannot ensure that %s is durable: %v", e.key, e.err)
}

func (e *unsyncedError) Unwrap() error { return e.err }
