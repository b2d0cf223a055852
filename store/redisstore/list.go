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

// page returns the next records in the order of their keys: key, rev, data, key, rev, data, ….
var page = redis.NewScript(`
local out = {}
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
		from, to := "["+prefix, "["+prefix+"\x7f" // \x7f is above all characters of keys
		for {
			rows, err := await(ctx, func() ([]any, error) {
				return page.Run(ctx, s.db, []string{indexKey}, from, to, pageSize, recordPrefix).
					Slice()
			})
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
				if !moved && !yield(e, err) {
					return
				}
			}
			if len(rows) < 3*pageSize {
				return
			}
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
