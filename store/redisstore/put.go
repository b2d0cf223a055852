package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// swap is the compare and swap: nothing else writes. It answers with an empty string, or with the revision that is
// there instead. Revisions are compared as text, since Lua's numbers end at 2^53.
var swap = redis.NewScript(`
local have = redis.call('HGET', KEYS[1], 'rev') or '0'
if have ~= ARGV[1] then
	return have
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'data', ARGV[3])
if ARGV[1] == '0' then
	redis.call('ZADD', KEYS[2], 0, ARGV[4])
end
return ''
`)

// Put implements [store.Store], in one round trip; the first one of a server that does not know the script takes two.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	next := store.NextRev(rev)
	// The caller may change data as soon as its context has ended, and the driver may still read it.
	data = slices.Clone(data)
	have, err := await(ctx, func() (string, error) {
		return swap.Run(ctx, s.db, []string{recordPrefix + key, indexKey}, text(rev), text(next), data, key).Text()
	})
	if err != nil {
		return 0, damaged(key, err)
	}
	if have != "" {
		return 0, fmt.Errorf("redisstore: %w: %s is at revision %s, not %d", store.ErrConflict, key, have, rev)
	}
	return next, s.seen.Note(key, 0, next)
}

func text(rev uint64) string { return strconv.FormatUint(rev, 10) }
