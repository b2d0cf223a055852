package redisstore_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
)

const index = "tallystick:keys"

// listed returns the keys that a listing yields without an error, and those with one.
func listed(t testing.TB, s *redisstore.Store) (good, bad []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), "") {
		if err == nil {
			good = append(good, e.Key)
			continue
		}
		require.ErrorIs(t, err, store.ErrCorrupt)
		bad = append(bad, e.Key)
	}
	return good, bad
}

// TestIndexOfAnotherType checks that a write is refused before anything is written if the name of
// the index is used for something else, and that the index is rebuilt when that is out of the way.
func TestIndexOfAnotherType(t *testing.T) {
	ctx := t.Context()
	o := &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr}
	admin := redis.NewClient(o)
	defer admin.Close()
	s := openAt(t, o)
	rev, err := s.Put(ctx, "channel/a", []byte("a"), 0)
	require.NoError(t, err)
	require.NoError(t, admin.Set(ctx, index, "a string", 0).Err())

	_, err = s.Put(ctx, "channel/b", []byte("b"), 0)
	require.ErrorIs(t, err, store.ErrCorrupt)
	assert.ErrorContains(t, err, index+" is a string")
	_, err = s.Put(ctx, "channel/a", []byte("new"), rev)
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorIs(t, s.Move(ctx, "channel/a", rev, "closed/a"), store.ErrCorrupt)
	for _, s := range []*redisstore.Store{s, openAt(t, o)} {
		good, bad := listed(t, s)
		assert.Empty(t, good)
		assert.Equal(t, []string{""}, bad, "the listing ends")
	}
	assert.Equal(t, []string{"tallystick:record:channel/a"}, admin.Keys(ctx, "*record*").Val())
	assert.Equal(t, "a", admin.HGet(ctx, "tallystick:record:channel/a", "data").Val(), "nothing was written")
	assert.Equal(t, "a string", admin.Get(ctx, index).Val())

	require.NoError(t, admin.Rename(ctx, index, "elsewhere").Err())
	_, err = s.Put(ctx, "channel/b", []byte("b"), 0)
	require.NoError(t, err)
	good, bad := listed(t, openAt(t, o))
	assert.Equal(t, []string{"channel/a", "channel/b"}, good)
	assert.Empty(t, bad)
}

// TestLostIndex checks that no record is forgotten because the index was deleted: by those that
// know it, by those that start, and by those that write.
func TestLostIndex(t *testing.T) {
	ctx := t.Context()
	next := databases(fleet.Redis(t, fleet.SafeRedis...))
	var all []string
	for i := range 250 {
		all = append(all, fmt.Sprintf("channel/%03d", i))
	}
	for name, lose := range map[string]func(*redis.Client) error{
		"deleted":      func(c *redis.Client) error { return c.Del(ctx, index).Err() },
		"some missing": func(c *redis.Client) error { return c.ZRem(ctx, index, all[7], all[249]).Err() },
	} {
		t.Run(name, func(t *testing.T) {
			o := next()
			admin := redis.NewClient(o)
			defer admin.Close()
			s := openAt(t, o)
			for _, key := range all {
				_, err := s.Put(ctx, key, []byte(key), 0)
				require.NoError(t, err)
			}
			_, rev, err := s.Get(ctx, all[0])
			require.NoError(t, err)
			require.NoError(t, s.Move(ctx, all[0], rev, "closed/0"))
			want := slices.Concat(all[1:], []string{"closed/0"})

			require.NoError(t, lose(admin))
			if name == "deleted" { // nobody has to know the records
				good, bad := listed(t, openAt(t, o))
				assert.Equal(t, want, good, "a new process rebuilds the index")
				assert.Empty(t, bad)
				require.NoError(t, lose(admin))
			}
			good, bad := listed(t, s)
			if name == "some missing" {
				assert.Equal(t, []string{all[7], all[249]}, bad, "one that knows them says so once")
			}
			assert.ElementsMatch(t, want, append(good, bad...))
			good, bad = listed(t, s)
			assert.Equal(t, want, good, "and has rebuilt it")
			assert.Empty(t, bad)

			require.NoError(t, lose(admin))
			other := openAt(t, o)
			data, rev, err := other.Get(ctx, all[7])
			require.NoError(t, err)
			_, err = other.Put(ctx, all[7], data, rev)
			require.NoError(t, err, "a write that finds its record missing rebuilds it")
			good, bad = listed(t, openAt(t, o))
			assert.Equal(t, want, good)
			assert.Empty(t, bad)
		})
	}
}
