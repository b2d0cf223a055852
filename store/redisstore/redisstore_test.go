package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

func openAt(t testing.TB, o *redis.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// databases returns a store in a new database for each test.
func databases(server *fleet.Server) func() *redis.Options {
	var n atomic.Int64
	return func() *redis.Options { return &redis.Options{Addr: server.Addr, DB: int(n.Add(1))} }
}

// TestMain runs the tests.
func TestMain(m *testing.M) {
	testrun.OnlyPeers()
	os.Exit(m.Run())
}

func TestStore(t *testing.T) {
	next := databases(fleet.Redis(t, fleet.SafeRedis...))
	storetest.Run(t, func(t testing.TB) store.Store { return openAt(t, next()) })
	storetest.Durable(t, func(t testing.TB) func() store.Store {
		o := next()
		return func() store.Store { return openAt(t, o) }
	})
}

// TestSetBack sets a database back to what it held before, as a restored backup does.
func TestSetBack(t *testing.T) {
	next := databases(fleet.Redis(t, fleet.SafeRedis...))
	storetest.SetBack(t, func(t testing.TB) storetest.Place {
		o := next()
		admin := redis.NewClient(o)
		t.Cleanup(func() { _ = admin.Close() })
		return storetest.Place{
			Open: func() store.Store { return openAt(t, o) },
			Copy: func() func() {
				dumps := map[string]string{}
				for _, key := range admin.Keys(t.Context(), "*").Val() {
					dumps[key] = admin.Dump(t.Context(), key).Val()
				}
				return func() {
					require.NoError(t, admin.FlushDB(t.Context()).Err())
					for key, dump := range dumps {
						require.NoError(t, admin.Restore(t.Context(), key, 0, dump).Err())
					}
				}
			},
		}
	})
}

// TestLongList checks a listing of several pages: in order, and with each record once although
// others write.
func TestLongList(t *testing.T) {
	s := openAt(t, &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr})
	const records = 350
	for i := range records {
		_, err := s.Put(t.Context(), fmt.Sprintf("channel/%03d", i), []byte{byte(i)}, 0)
		require.NoError(t, err)
	}
	n := 0
	for e, err := range s.List(t.Context(), "channel/") {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("channel/%03d", n), e.Key)
		require.Equal(t, []byte{byte(n)}, e.Data)
		_, err = s.Put(t.Context(), e.Key+"-a", nil, 0) // sorts right after it
		require.NoError(t, err)
		n++
		if n == 100 || n == 200 { // the page ended here; the next one begins with the new key
			break
		}
	}
	n = 0
	for _, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		n++
	}
	assert.Equal(t, records+100, n)
}

// TestDamage checks that values of others are reported as damage, never overwritten, and hide no
// records.
func TestDamage(t *testing.T) {
	ctx := t.Context()
	o := &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr}
	s := openAt(t, o)
	admin := redis.NewClient(o)
	defer admin.Close()
	for _, key := range []string{"gone", "kind", "norev", "nodata", "word", "zz"} {
		_, err := s.Put(ctx, key, []byte("x"), 0)
		require.NoError(t, err)
	}
	const at = "tallystick:record:"
	require.NoError(t, admin.Del(ctx, at+"gone", at+"kind").Err())
	require.NoError(t, admin.Set(ctx, at+"kind", "a string", 0).Err())
	require.NoError(t, admin.HDel(ctx, at+"norev", "rev").Err())
	require.NoError(t, admin.HDel(ctx, at+"nodata", "data").Err())
	require.NoError(t, admin.HSet(ctx, at+"word", "rev", "seven").Err())

	for name, s := range map[string]*redisstore.Store{"one that wrote it": s, "a new one": openAt(t, o)} {
		for _, key := range []string{"kind", "norev", "nodata", "word"} {
			_, _, err := s.Get(ctx, key)
			assert.ErrorIs(t, err, store.ErrCorrupt, "%s: %s", name, key)
		}
		_, err := s.Put(ctx, "kind", []byte("y"), 7)
		assert.ErrorIs(t, err, store.ErrCorrupt, name)
		var good, bad []string
		for e, err := range s.List(ctx, "") {
			if err != nil {
				assert.ErrorIs(t, err, store.ErrCorrupt)
				bad = append(bad, e.Key)
				continue
			}
			good = append(good, e.Key)
		}
		assert.Equal(t, []string{"zz"}, good, name)
		assert.Equal(t, []string{"gone", "kind", "nodata", "norev", "word"}, bad, name)
	}
	assert.Equal(t, "a string", admin.Get(ctx, at+"kind").Val())
	_, _, err := s.Get(ctx, "gone")
	require.ErrorIs(t, err, store.ErrCorrupt, "the one that wrote it knows better")
}

// TestLostRevisionOverwritesNothing checks that a process with a revision that is lost does not
// overwrite what others wrote since.
func TestLostRevisionOverwritesNothing(t *testing.T) {
	ctx := t.Context()
	o := &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr}
	s, other := openAt(t, o), openAt(t, o)
	admin := redis.NewClient(o)
	defer admin.Close()
	for i := range 20 { // the steps of revisions are random
		key := fmt.Sprint("k", i)
		first, err := s.Put(ctx, key, []byte("first"), 0)
		require.NoError(t, err)
		copied, err := admin.Dump(ctx, "tallystick:record:"+key).Result()
		require.NoError(t, err)
		second, err := s.Put(ctx, key, []byte("second"), first)
		require.NoError(t, err)
		require.NoError(t, admin.RestoreReplace(ctx, "tallystick:record:"+key, 0, copied).Err())
		third, err := other.Put(ctx, key, []byte("another's"), first)
		require.NoError(t, err)
		assert.NotEqual(t, second, third)
		_, err = s.Put(ctx, key, []byte("over it"), second)
		if third < second {
			require.ErrorIs(t, err, store.ErrCorrupt, "this process knows better")
		} else {
			require.ErrorIs(t, err, store.ErrConflict)
		}
		data, _, err := other.Get(ctx, key)
		require.NoError(t, err)
		assert.Equal(t, "another's", string(data))
	}
}

// TestContextEndsWhileTheServerIsSilent checks that a call returns when its context ends.
func TestContextEndsWhileTheServerIsSilent(t *testing.T) {
	o := &redis.Options{
		Addr:        fleet.Redis(t, fleet.SafeRedis...).Addr,
		ReadTimeout: -1,
	} // the driver waits for ever
	s := openAt(t, o)
	admin := redis.NewClient(o)
	defer admin.Close()
	rev, err := s.Put(t.Context(), "k", []byte("before"), 0)
	require.NoError(t, err)
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "PAUSE", "100000", "ALL").Err())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var waiting sync.WaitGroup
	for _, call := range []func() error{
		func() error { _, _, err := s.Get(ctx, "k"); return err },
		func() error { _, err := s.Put(ctx, "k", []byte("after"), rev); return err },
		func() error {
			for _, err := range s.List(ctx, "") {
				return err
			}
			return nil
		},
		func() error { _, err := redisstore.Open(ctx, o); return err },
	} {
		waiting.Go(func() {
			err := call()
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.NotErrorIs(t, err, store.ErrConflict)
		})
	}
	waiting.Wait()
}

func TestClosed(t *testing.T) {
	s, err := redisstore.Open(
		t.Context(), &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr},
	)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, _, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, redis.ErrClosed)
	goleak.VerifyNone(
		t, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"),
		goleak.IgnoreAnyFunction("testing.(*T).Run"),
	)
}

func Example() {
	options, err := redis.ParseURL(os.Getenv("TALLY_REDIS")) // rediss://user:password@host:6379/0
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := redisstore.Open(context.Background(), options) // refuses a server that may forget
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	// client.New(client.Config{Store: s, …})
}
