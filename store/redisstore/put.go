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

// swap compares and swaps; no other command writes. It returns what is in the way, and nothing was
// written then: the stored revision at a conflict, or the index. It compares revisions as text,
// because numbers in Lua are exact only up to 2^53.
var swap = redis.NewScript(`
local have = redis.call('HGET', KEYS[1], 'rev') or '0'
if have ~= ARGV[1] then
	return {'revision', have}
end
local index = redis.call('TYPE', KEYS[2]).ok
if index ~= 'zset' and not (index == 'none' and have == '0' and ARGV[5] == 'rebuilt') then
	return {'index', index}
end
if have ~= '0' and not redis.call('ZSCORE', KEYS[2], ARGV[4]) then
	return {'index', 'none'}
end
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'data', ARGV[3])
if have == '0' then
	redis.call('ZADD', KEYS[2], 0, ARGV[4])
end
return {'', ''}
`)

// Put implements [store.Store] with one round trip, or two if the server does not know the script
// yet. The first one in an empty database looks for records that are not in the index.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	next := store.NextRev(rev)
	if next >= store.MovedRev || next < rev {
		return 0, conflict(key, rev)
	}
	before := s.seen.Rev(key)
	if rev < before {
		return 0, s.below(ctx, key, rev)
	}
	// After the context has ended, the caller may change data while the driver still reads it.
	data = slices.Clone(data)
	keys := []string{recordPrefix + key, indexKey}
	what, have, err := s.run(ctx, swap, keys, text(rev), text(next), data, key)
	switch {
	case err != nil:
		return 0, damaged(key, err)
	case what == "index":
		return 0, badIndex(have)
	case what != "":
		if now, err := strconv.ParseUint(have, 10, 64); err == nil {
			if lost := s.seen.Note(key, before, now); lost != nil {
				return 0, fmt.Errorf("redisstore: %w", lost)
			}
		}
		return 0, fmt.Errorf(
			"redisstore: %w: %s is at revision %s, not %d", store.ErrConflict, key, have, rev,
		)
	}
	return next, s.seen.Note(key, 0, next)
}

// below returns the error of a write that names a revision lower than one that this process has
// seen. Only a server that was set back would take it, so it is not sent.
func (s *Store) below(ctx context.Context, key string, rev uint64) error {
	if _, _, _, err := s.get(ctx, key); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return conflict(key, rev)
}

func conflict(key string, rev uint64) error {
	return fmt.Errorf("redisstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
}

// run runs a script that returns what is in the way. If that is an index without the record, it
// rebuilds the index and runs the script again.
func (s *Store) run(
	ctx context.Context, script *redis.Script, keys []string, args ...any,
) (what, detail string, err error) {
	for _, rebuilt := range []string{"", "rebuilt"} {
		answer, err := await(ctx, func() ([]string, error) {
			return script.Run(ctx, s.db, keys, append(args, rebuilt)...).StringSlice()
		})
		if err != nil {
			return "", "", err
		}
		if len(answer) != 2 {
			return "", "", fmt.Errorf("the script returned %d values", len(answer))
		}
		what, detail = answer[0], answer[1]
		if what != "index" || detail != "none" || rebuilt != "" {
			break
		}
		if err := s.reindex(ctx); err != nil {
			return "", "", fmt.Errorf("rebuilding the index: %w", err)
		}
	}
	return what, detail, nil
}

// move compares and moves. It returns what is in the way, like swap, and the key that is not as it
// must be.
var move = redis.NewScript(`
local rev = redis.call('HGET', KEYS[1], 'rev') or '0'
local data = redis.call('HGET', KEYS[1], 'data')
if rev ~= ARGV[1] or not data then
	return {'key', ARGV[3]}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
	return {'key', ARGV[4]}
end
local index = redis.call('TYPE', KEYS[3]).ok
if index ~= 'zset' then
	return {'index', index}
end
redis.call('HSET', KEYS[2], 'rev', rev, 'data', data)
redis.call('ZADD', KEYS[3], 0, ARGV[4])
redis.call('HSET', KEYS[1], 'rev', ARGV[2], 'data', ARGV[4])
redis.call('ZREM', KEYS[3], ARGV[3])
return {'', ''}
`)

// Move implements [store.Mover] with one round trip, or two if the server does not know the script
// yet.
func (s *Store) Move(ctx context.Context, key string, rev uint64, to string) error {
	if err := errors.Join(check(ctx, key, nil), check(ctx, to, nil)); err != nil {
		return err
	}
	if rev == 0 || rev >= store.MovedRev {
		return conflict(key, rev)
	}
	if rev < s.seen.Rev(key) {
		return s.below(ctx, key, rev)
	}
	if s.seen.Rev(to) > 0 { // only a server that lost it would take another
		return s.below(ctx, to, 0)
	}
	keys := []string{recordPrefix + key, recordPrefix + to, indexKey}
	what, detail, err := s.run(ctx, move, keys, text(rev), text(store.MovedRev), key, to)
	switch {
	case err != nil:
		return damaged(key, err)
	case what == "index":
		return badIndex(detail)
	case what != "" && detail == to:
		return fmt.Errorf("redisstore: %w: %s is used already", store.ErrConflict, to)
	case what != "":
		return conflict(key, rev)
	}
	return errors.Join(s.seen.Note(to, 0, rev), s.seen.Note(key, 0, store.MovedRev))
}

func text(rev uint64) string { return strconv.FormatUint(rev, 10) }
