package pgstore

import (
	"context"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/seed-5fe1f529/tallystick/store"
)

// pageSize is the number of records per round trip of a listing.
const pageSize = 100

// nextPage selects records in byte order, independent of the collation of the database.
const nextPage = `SELECT key, data, rev FROM tallystick_records
WHERE key COLLATE "C" >= $1 AND key COLLATE "C" > $2 AND key COLLATE "C" < $3
AND rev <> $5 ORDER BY key COLLATE "C" LIMIT $4`

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
				if !moved && !yield(e, err) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
		}
	}
}

func (s *Store) page(ctx context.Context, prefix, last string) ([]store.Entry, error) {
	rows, err := s.db.Query(
		ctx, nextPage, prefix, last, prefix+"\x7f", pageSize, int64(store.MovedRev),
	) // \x7f is above all characters of keys
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e store.Entry, err error) {
		var rev int64
		err = row.Scan(&e.Key, &e.Data, &rev)
		e.Rev = uint64(rev)
		return e, err
	})
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
