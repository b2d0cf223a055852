package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// badIndex is returned before anything is written. kind is the type of the key that should be the
// index.
func badIndex(kind string) error {
	return fmt.Errorf("redisstore: %w: %s is a %s and not the index of the records; nothing was written: "+
		"rename it, the index is rebuilt then", store.ErrCorrupt, indexKey, kind)
}

// add puts records into the index, except those that have moved away. It returns how many records
// there were, or -1 if the index is something else.
var add = redis.NewScript(`
local index = redis.call('TYPE', KEYS[1]).ok
if index ~= 'zset' and index ~= 'none' then
	return -1
end
local n = 0
for i = 2, #KEYS do
	local kind = redis.call('TYPE', KEYS[i]).ok
	local moved = kind == 'hash' and redis.call('HGET', KEYS[i], 'rev') == ARGV[2]
	if kind ~= 'none' and not moved then
		redis.call('ZADD', KEYS[1], 0, string.sub(KEYS[i], #ARGV[1] + 1))
		n = n + 1
	end
end
return n
`)

// scanned is the number of keys that a step of a rebuild looks at.
const scanned = 1000

// reindex adds every record to the index. Writers may write meanwhile: each of them adds its own.
func (s *Store) reindex(ctx context.Context) error {
	for cursor := uint64(0); ; {
		var keys []string
		_, err := await(ctx, func() (any, error) {
			var err error
			keys, cursor, err = s.db.Scan(ctx, cursor, recordPrefix+"*", scanned).Result()
			return nil, err
		})
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			_, err = await(ctx, func() (int, error) {
				return add.Run(
					ctx, s.db, append([]string{indexKey}, keys...), recordPrefix, text(store.MovedRev),
				).Int()
			})
			if err != nil {
				return err
			}
		}
		if cursor == 0 {
			return nil
		}
	}
}
