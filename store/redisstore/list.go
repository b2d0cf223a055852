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

// pageSize is how many records a round trip of a listing brings.
const pageSize = 100

// page answers with the next records in the order of their keys: key, rev, data, key, rev, data, ….
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

// List implements [store.Store], in one round trip for every hundred records. A record that cannot be read is one
// error, and the listing goes on.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Entry{}, fmt.Errorf("redisstore: %w", err))
			return
		}
		if prefix != "" && store.Check(prefix, nil) != nil {
			return // no key begins like this
		}
		from, to := "["+prefix, "["+prefix+"\x7f" // above every character of a key
		for {
			rows, err := await(ctx, func() ([]any, error) {
				return page.Run(ctx, s.db, []string{indexKey}, from, to, pageSize, recordPrefix).Slice()
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
				if !yield(s.entry(ctx, key, row[1], row[2])) {
					return
				}
				from = "(" + key
			}
			if len(rows) < 3*pageSize {
				return
			}
		}
	}
}

// entry is one record of a listing. One that is not in order, or older than what this process knows, is read by
// itself: another writer may have been between, and the error is Get's if it was not.
func (s *Store) entry(ctx context.Context, key string, revField, dataField any) (store.Entry, error) {
	data, rev, err := record(key, revField, dataField)
	if err == nil && rev >= s.seen.Rev(key) {
		return store.Entry{Key: key, Data: data, Rev: rev}, s.seen.Note(key, 0, rev)
	}
	data, rev, err = s.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) { // it is in the index, so it was here
		err = fmt.Errorf("redisstore: %w: %s%s is gone", store.ErrCorrupt, recordPrefix, key)
	}
	return store.Entry{Key: key, Data: data, Rev: rev}, err
}
