package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// swap compares and swaps; no other command writes. It returns an empty string, or the stored
// revision at a conflict. It compares revisions as text, because numbers in Lua are exact only up
// to 2^53.
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

// Put implements [store.Store] with one round trip, or two if the server does not know the script
// yet.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	next := store.NextRev(rev)
	if next >= store.MovedRev || next < rev {
		return 0, fmt.Errorf("redisstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
	}
	// After the context has ended, the caller may change data while the driver still reads it.
	data = slices.Clone(data)
	keys, args := []string{recordPrefix + key, indexKey}, []any{text(rev), text(next), data, key}
	have, err := await(ctx, func() (string, error) {
		return swap.Run(ctx, s.db, keys, args...).Text()
	})
	if err != nil {
		return 0, damaged(key, err)
	}
	if have != "" {
		return 0, fmt.Errorf(
			"redisstore: %w: %s is at revision %s, not %d", store.ErrConflict, key, have, rev,
		)
	}
	return next, s.seen.Note(key, 0, next)
}

// move compares and moves. It returns an empty string, or the key that is not as it must be.
var move = redis.NewScript(`
local rev = redis.call('HGET', KEYS[1], 'rev') or '0'
local data = redis.call('HGET', KEYS[1], 'data')
if rev ~= ARGV[1] or not data then
	return ARGV[3]
end
if redis.call('EXISTS', KEYS[2]) == 1 then
	return ARGV[4]
end
redis.call('HSET', KEYS[2], 'rev', rev, 'data', data)
redis.call('ZADD', KEYS[3], 0, ARGV[4])
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'data', ARGV[4])
redis.call('ZREM', KEYS[3], ARGV[3])
return ''
`)

// Move implements [store.Mover] with one round trip, or two if the server does not know the script
// yet.
func (s *Store) Move(ctx context.Context, key string, rev uint64, to string) error {
	if err := errors.Join(check(ctx, key, nil), check(ctx, to, nil)); err != nil {
		return err
	}
	if rev == 0 || rev >= store.MovedRev {
		return fmt.Errorf("redisstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
	}
	keys := []string{recordPrefix + key, recordPrefix + to, indexKey}
	wrong, err := await(ctx, func() (string, error) {
		return move.Run(ctx, s.db, keys, text(rev), text(store.MovedRev), key, to).Text()
	})
	switch {
	case err != nil:
		return damaged(key, err)
	case wrong == to:
		return fmt.Errorf("redisstore: %w: %s is used already", store.ErrConflict, to)
	case wrong != "":
		return fmt.Errorf("redisstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
	}
	return errors.Join(s.seen.Note(to, 0, rev), s.seen.Note(key, 0, store.MovedRev))
}

func text(rev uint64) string { return strconv.FormatUint(rev, 10) }
