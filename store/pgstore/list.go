package pgstore

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/seed-5fe1f529/tallystick/store"
)

// pageSize is the number of records per round trip of a listing.
const pageSize = 100

// List implements [store.Store] with one round trip for every hundred records. It holds no
// connection while the caller processes an entry.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, fmt.Errorf("pgstore: %w", err))
			return
		}
		if prefix != "" && store.Check(prefix, nil) != nil {
			return // no key has this prefix
		}
		begun := s.seen.Listing()
		for last := ""; ; {
			page, err := s.page(ctx, prefix, last)
			if err != nil {
				yield(store.Entry{}, fmt.Errorf("pgstore: listing: %w", because(ctx, err)))
				return
			}
			for _, e := range page {
				if err := ctx.Err(); err != nil {
					yield(store.Entry{}, fmt.Errorf("pgstore: listing: %w", err))
					return
				}
				last = e.Key
				e, moved, err := s.known(ctx, e)
				if err != nil {
					s.seen.Met(last)
				}
				if !moved && !yield(e, err) {
					return
				}
			}
			if len(page) < pageSize {
				break
			}
		}
		s.missing(ctx, prefix, begun, yield)
	}
}

// missing yields an error for every record that this process knew before a listing began and that
// the listing lacks.
func (s *Store) missing(
	ctx context.Context, prefix string, begun uint64, yield func(store.Entry, error) bool,
) {
	for _, key := range s.seen.Missing(prefix, begun) {
		_, _, moved, err := s.get(ctx, key)
		switch {
		case moved:
			continue
		case err == nil:
			err = fmt.Errorf("pgstore: %w: %s was missing in a listing", store.ErrCorrupt, key)
		case !errors.Is(err, store.ErrCorrupt): // it is not known whether the record is there
			yield(store.Entry{}, err)
			return
		}
		if !yield(store.Entry{Key: key}, err) {
			return
		}
	}
}

// page returns the next records of a listing. They are on the synchronous standby, if there is one.
func (s *Store) page(ctx context.Context, prefix, last string) ([]store.Entry, error) {
	rows, err := s.db.Query(
		ctx, s.table.Load().page, prefix, last, prefix+"\x7f", pageSize, int64(store.MovedRev),
	) // \x7f is above all characters of keys
	if err != nil {
		return nil, err
	}
	unknown := false
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e store.Entry, err error) {
		var standby bool
		err = row.Scan(&e.Key, &e.Data, &e.Rev, &standby)
		unknown = unknown || e.Rev > s.seen.Rev(e.Key) && s.waits(standby)
		return e, err
	})
	if err == nil && unknown {
		err = s.replicated(ctx)
	}
	return page, err
}

// known checks an entry against the revisions that this process has seen. It reads an older one
// again with Get, which detects a rollback: another writer may have changed the record during the
// listing, or moved it to another key.
func (s *Store) known(ctx context.Context, e store.Entry) (now store.Entry, moved bool, err error) {
	if e.Rev >= s.seen.Rev(e.Key) {
		return e, false, s.seen.Note(e.Key, 0, e.Rev)
	}
	data, rev, moved, err := s.get(ctx, e.Key)
	return store.Entry{Key: e.Key, Data: data, Rev: rev}, moved, err
}
