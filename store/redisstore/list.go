package redisstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// pageSize is the number of records per round trip of a listing.
const pageSize = 100

// page returns the type of the index and the next records in the order of their keys: key, rev,
// data, key, rev, data, ….
var page = redis.NewScript(`
local index = redis.call('TYPE', KEYS[1]).ok
local out = {index}
if index ~= 'zset' then
	return out
end
for _, key in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])) do
	local fields = redis.pcall('HMGET', ARGV[4] .. key, 'rev', 'data')
	out[#out + 1] = key
	out[#out + 1] = fields[1] or false
	out[#out + 1] = fields[2] or false
end
return out
`)

// List implements [store.Store] with one round trip for every hundred records. It yields an error
// for each record that cannot be read, and continues.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, fmt.Errorf("redisstore: %w", err))
			return
		}
		if prefix != "" && store.Check(prefix, nil) != nil {
			return // no key has this prefix
		}
		begun := s.seen.Listing()
		from, to := "["+prefix, "["+prefix+"\x7f" // \x7f is above all characters of keys
		for {
			rows, err := s.page(ctx, from, to)
			if err != nil {
				yield(store.Entry{}, fmt.Errorf("redisstore: listing: %w", err))
				return
			}
			for row := range slices.Chunk(rows, 3) {
				key, _ := row[0].(string)
				if err := ctx.Err(); err != nil {
					yield(store.Entry{}, fmt.Errorf("redisstore: listing: %w", err))
					return
				}
				from = "(" + key
				e, moved, err := s.entry(ctx, key, row[1], row[2])
				if err != nil {
					s.seen.Met(key)
				}
				if !moved && !yield(e, err) {
					return
				}
			}
			if len(rows) < 3*pageSize {
				break
			}
		}
		s.missing(ctx, prefix, begun, yield)
	}
}

// page returns the next rows of a listing: key, rev, data, key, rev, data, …. If there is no index,
// it rebuilds it: somebody may have deleted it.
func (s *Store) page(ctx context.Context, from, to string) ([]any, error) {
	for {
		rows, err := await(ctx, func() ([]any, error) {
			return page.Run(ctx, s.db, []string{indexKey}, from, to, pageSize, recordPrefix).Slice()
		})
		if err != nil {
			return nil, err
		}
		switch kind, _ := rows[0].(string); {
		case kind == "none" && !s.rebuilt.Swap(true):
			if err := s.reindex(ctx); err != nil {
				return nil, fmt.Errorf("rebuilding the index: %w", err)
			}
			continue
		case kind != "zset" && kind != "none":
			return nil, badIndex(kind)
		}
		return rows[1:], nil
	}
}

// missing yields an error for every record that this process knew before a listing began and that
// the listing lacks. If only the index lacks it, it is added to the index.
func (s *Store) missing(
	ctx context.Context, prefix string, begun uint64, yield func(store.Entry, error) bool,
) {
	rebuilt := false
	for _, key := range s.seen.Missing(prefix, begun) {
		_, _, moved, err := s.get(ctx, key)
		switch {
		case moved:
			continue
		case err == nil && !rebuilt:
			if err = s.reindex(ctx); err != nil {
				yield(store.Entry{}, fmt.Errorf("redisstore: rebuilding the index: %w", err))
				return
			}
			rebuilt = true
			fallthrough
		case err == nil:
			err = fmt.Errorf("redisstore: %w: %s lacked %s; it was rebuilt, list again",
				store.ErrCorrupt, indexKey, key)
		case !errors.Is(err, store.ErrCorrupt): // it is not known whether the record is there
			yield(store.Entry{}, err)
			return
		}
		if !yield(store.Entry{Key: key}, err) {
			return
		}
	}
}

// entry returns one record of a listing. It reads a record again with Get if it is damaged, or
// older than a revision that this process has seen: another writer may have changed it during the
// listing, or moved it to another key.
func (s *Store) entry(
	ctx context.Context,
	key string,
	revField, dataField any,
) (e store.Entry, moved bool, err error) {
	data, rev, err := record(key, revField, dataField)
	if err == nil && rev >= s.seen.Rev(key) && rev != store.MovedRev {
		return store.Entry{Key: key, Data: data, Rev: rev}, false, s.seen.Note(key, 0, rev)
	}
	data, rev, moved, err = s.get(ctx, key)
	if errors.Is(err, store.ErrNotFound) && !moved { // the index contains it, so it existed
		err = fmt.Errorf("redisstore: %w: %s%s is gone", store.ErrCorrupt, recordPrefix, key)
	}
	return store.Entry{Key: key, Data: data, Rev: rev}, moved, err
}
