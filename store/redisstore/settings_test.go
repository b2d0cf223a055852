package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
)

func refused(t *testing.T, o *redis.Options) *store.UnsafeError {
	t.Helper()
	s, err := redisstore.Open(t.Context(), o)
	if err == nil {
		s.Close()
	}
	var unsafe *store.UnsafeError
	require.ErrorAs(t, err, &unsafe)
	assert.Equal(t, "redisstore", unsafe.Store)
	assert.Equal(t, unsafe.Error(), err.Error())
	return unsafe
}

// refusedFor waits until a server is refused for a setting. It may be refused first because it
// rewrites its append-only file, which takes as long as the machine is busy.
func refusedFor(t *testing.T, o *redis.Options, setting string) {
	t.Helper()
	await(t, func() bool { return refused(t, o).Setting == setting }, "refused for "+setting)
}

// accepted waits until a server is accepted.
func accepted(t *testing.T, o *redis.Options) {
	t.Helper()
	await(t, func() bool {
		s, err := redisstore.Open(t.Context(), o)
		return err == nil && s.Close() == nil
	}, "accepted")
}

// TestUnsafeServers sets each setting that may lose writes on a running server: the store refuses
// the server until the setting is removed.
func TestUnsafeServers(t *testing.T) {
	server := fleet.Redis(t, fleet.SafeRedis...)
	o := &redis.Options{Addr: server.Addr}
	admin := redis.NewClient(o)
	defer admin.Close()
	for _, c := range []struct{ name, value, safe, setting, is string }{
		{"maxmemory-policy", "allkeys-lru", "noeviction", "maxmemory_policy", "allkeys-lru"},
		{"maxmemory-policy", "volatile-ttl", "noeviction", "maxmemory_policy", "volatile-ttl"},
		{"appendfsync", "everysec", "always", "appendfsync", "everysec"},
		{"appendfsync", "no", "always", "appendfsync", "no"},
		{"no-appendfsync-on-rewrite", "yes", "no", "no-appendfsync-on-rewrite", "yes"},
		{"appendonly", "no", "yes", "aof_enabled", "0"},
	} {
		require.NoError(t, admin.ConfigSet(t.Context(), c.name, c.value).Err())
		e := refused(t, o)
		assert.Equal(t, c.setting, e.Setting)
		assert.Equal(t, c.is, e.Is)
		require.NoError(t, admin.ConfigSet(t.Context(), c.name, c.safe).Err())
		accepted(t, o)
	}
}

// TestFullMemory: a server without memory refuses every write as a whole, and goes on where it was with more.
func TestFullMemory(t *testing.T) {
	ctx := t.Context()
	o := &redis.Options{Addr: fleet.Redis(t, fleet.SafeRedis...).Addr}
	s := openAt(t, o)
	admin := redis.NewClient(o)
	defer admin.Close()
	rev, err := s.Put(ctx, "channel/a", []byte("1"), 0)
	require.NoError(t, err)
	require.NoError(t, admin.ConfigSet(ctx, "maxmemory", "1").Err())
	for range 2 {
		_, err = s.Put(ctx, "channel/a", []byte("2"), rev)
		require.ErrorContains(t, err, "OOM")
		require.NotErrorIs(t, err, store.ErrConflict)
		require.NotErrorIs(t, err, store.ErrCorrupt)
		_, err = s.Put(ctx, "channel/b", []byte("2"), 0)
		require.ErrorContains(t, err, "OOM")
		require.ErrorContains(t, s.Move(ctx, "channel/a", rev, "closed/a"), "OOM")
		data, have, err := s.Get(ctx, "channel/a")
		require.NoError(t, err)
		assert.Equal(t, "1", string(data))
		assert.Equal(t, rev, have)
	}
	for e, err := range openAt(t, o).List(ctx, "") {
		require.NoError(t, err)
		assert.Equal(t, "channel/a", e.Key, "nothing of the others was written")
	}
	require.NoError(t, admin.ConfigSet(ctx, "maxmemory", "0").Err())
	_, err = s.Put(ctx, "channel/b", []byte("2"), 0)
	require.NoError(t, err)
	require.NoError(t, s.Move(ctx, "channel/a", rev, "closed/a"))
}

func TestDefaultsAreRefused(t *testing.T) {
	assert.Equal(t, "aof_enabled", refused(t, &redis.Options{Addr: fleet.Redis(t).Addr}).Setting)
}

func TestReplicasAndClustersAreRefused(t *testing.T) {
	master := fleet.Redis(t, fleet.SafeRedis...)
	replica := fleet.Redis(t, fleet.SafeRedis...)
	o := &redis.Options{Addr: master.Addr}
	s := openAt(t, o)
	admin := redis.NewClient(&redis.Options{Addr: replica.Addr})
	defer admin.Close()
	host, port := split(t, master.Addr)
	require.NoError(t, admin.ReplicaOf(t.Context(), host, port).Err())
	require.Equal(t, "role", refused(t, &redis.Options{Addr: replica.Addr}).Setting)

	await(t, func() bool {
		other, err := redisstore.Open(t.Context(), o)
		if err == nil {
			other.Close()
		}
		return err != nil
	}, "the replica arrives at its master")
	assert.Equal(t, "connected_slaves", refused(t, o).Setting)

	// An open store checks the settings of each new connection.
	require.NoError(t, admin.Do(t.Context(), "PING").Err())
	kill := redis.NewClient(o)
	defer kill.Close()
	require.NoError(t, kill.ClientKillByFilter(t.Context(), "TYPE", "normal").Err())
	var unsafe *store.UnsafeError
	await(t, func() bool { // the first calls may use a broken connection
		_, err := s.Put(t.Context(), "k", nil, 0)
		return errors.As(err, &unsafe)
	}, "a new connection is looked at")
	assert.Equal(t, "connected_slaves", unsafe.Setting)

	cluster := fleet.Redis(
		t,
		append(fleet.SafeRedis, "--cluster-enabled", "yes", "--databases", "1")...)
	assert.Equal(t, "redis_mode", refused(t, &redis.Options{Addr: cluster.Addr}).Setting)
}

// TestAppendOnlyFileWithoutARewrite checks that a server is refused while its append-only file, which
// was just switched on, keeps nothing: until a rewrite has succeeded.
func TestAppendOnlyFileWithoutARewrite(t *testing.T) {
	ctx := t.Context()
	server := fleet.Redis(t, "--appendfsync", "always")
	o := &redis.Options{Addr: server.Addr}
	admin := redis.NewClient(o)
	defer admin.Close()
	for i := range 20 {
		require.NoError(t, admin.Set(ctx, fmt.Sprint("other", i), "x", 0).Err())
	}
	// Each key takes a second to rewrite, so it takes as long as that of a large data set.
	require.NoError(t, admin.ConfigSet(ctx, "rdb-key-save-delay", "1000000").Err())
	require.NoError(t, admin.ConfigSet(ctx, "appendonly", "yes").Err())
	assert.Equal(t, "aof_rewrite_in_progress", refused(t, o).Setting)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err := redisstore.Open(short, o)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, admin.ConfigSet(ctx, "appendonly", "no").Err()) // ends the rewrite

	// The name of a file that the rewrite makes is taken.
	require.NoError(t, admin.ConfigSet(ctx, "rdb-key-save-delay", "0").Err())
	temporary := filepath.Join(server.Dir, "appendonlydir", "temp-appendonly.aof.manifest")
	require.NoError(t, os.MkdirAll(filepath.Join(temporary, "not empty"), 0o700))
	require.NoError(t, admin.ConfigSet(ctx, "appendonly", "yes").Err())
	await(t, func() bool {
		return strings.Contains(admin.Info(ctx, "persistence").Val(), "aof_last_bgrewrite_status:err")
	}, "the rewrite fails")
	unsafe := refused(t, o)
	assert.Contains(t, []string{
		"aof_last_bgrewrite_status", "aof_rewrite_in_progress", "aof_rewrite_scheduled",
	}, unsafe.Setting)
	require.NoError(t, os.RemoveAll(temporary))
	require.NoError(t, admin.BgRewriteAOF(ctx).Err())
	await(t, func() bool {
		info := admin.Info(ctx, "persistence").Val()
		return strings.Contains(info, "aof_last_bgrewrite_status:ok") &&
			strings.Contains(info, "aof_rewrite_in_progress:0")
	}, "the rewrite succeeds")

	rev, err := openAt(t, o).Put(ctx, "k", []byte("kept"), 0)
	require.NoError(t, err)
	server.Kill(t)
	again := fleet.Redis(t, append(fleet.SafeRedis, "--dir", server.Dir)...) // as CONFIG REWRITE would write it
	data, kept, err := openAt(t, &redis.Options{Addr: again.Addr}).Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, rev, kept)
	assert.Equal(t, "kept", string(data))
}

// replicated starts a server that lets replicas follow it at once.
func replicated(t *testing.T) *fleet.Server {
	t.Helper()
	return fleet.Redis(t, append([]string{"--repl-diskless-sync-delay", "0"}, fleet.SafeRedis...)...)
}

// TestReplicaThatIsAway checks that a server is refused if its replica is away only at the time of
// the check, and that the replica is refused when it was promoted, until it is restarted.
func TestReplicaThatIsAway(t *testing.T) {
	ctx := t.Context()
	master, replica := replicated(t), replicated(t)
	o, other := &redis.Options{Addr: master.Addr}, &redis.Options{Addr: replica.Addr}
	s := openAt(t, o)
	first, err := s.Put(ctx, "k", []byte("first"), 0)
	require.NoError(t, err)
	admin := redis.NewClient(other)
	defer admin.Close()
	host, port := split(t, master.Addr)
	require.NoError(t, admin.ReplicaOf(ctx, host, port).Err())
	await(t, func() bool {
		return admin.HGet(ctx, "tallystick:record:k", "data").Val() == "first"
	}, "it follows")

	replica.Kill(t)
	watch := redis.NewClient(o)
	defer watch.Close()
	await(t, func() bool {
		return strings.Contains(watch.Info(ctx, "replication").Val(), "connected_slaves:0")
	}, "the replica is away")
	refusedFor(t, o, "repl_backlog_active")

	replica.Start(t)
	admin = redis.NewClient(other)
	defer admin.Close()
	require.NoError(t, admin.ReplicaOf(ctx, host, port).Err())
	await(t, func() bool {
		return strings.Contains(admin.Info(ctx, "replication").Val(), "master_link_status:up")
	}, "it is back")
	require.NoError(t, admin.ReplicaOf(ctx, "NO", "ONE").Err())
	_, err = s.Put(ctx, "k", []byte("second"), first) // on a connection of before
	require.NoError(t, err)
	master.Kill(t)
	refusedFor(t, other, "master_replid2") // it was promoted, and lacks the second write
	replica.Kill(t)
	replica.Start(t)
	_, rev, err := openAt(t, other).Get(ctx, "k")
	require.NoError(t, err, "the operator has looked into it")
	assert.Equal(t, first, rev)
}

// TestSentinel lets a Sentinel fail over from a server to its replica: a new connection to either
// is refused, and a process that knows a newer revision says so if it is led there all the same.
func TestSentinel(t *testing.T) {
	ctx := t.Context()
	master, replica := replicated(t), replicated(t)
	o, other := &redis.Options{Addr: master.Addr}, &redis.Options{Addr: replica.Addr}
	s := openAt(t, o) // before there was a replica
	first, err := s.Put(ctx, "k", []byte("first"), 0)
	require.NoError(t, err)
	admin := redis.NewClient(other)
	defer admin.Close()
	host, port := split(t, master.Addr)
	require.NoError(t, admin.ReplicaOf(ctx, host, port).Err())
	await(t, func() bool {
		return admin.HGet(ctx, "tallystick:record:k", "data").Val() == "first"
	}, "it follows")

	refusedFor(t, o, "connected_slaves")

	sentinel := fleet.Sentinel(t, master)
	_, err = redisstore.Open(ctx, &redis.Options{Addr: sentinel.Addr})
	require.Error(t, err, "the Sentinel itself is no store")
	watch := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	defer watch.Close()
	await(t, func() bool {
		found, err := watch.Replicas(ctx, "tally").Result()
		return err == nil && len(found) == 1
	}, "the Sentinel knows the replica")
	master.Kill(t)
	await(t, func() bool { // what the Sentinel does when a server is away for long enough
		return strings.Contains(admin.Info(ctx, "replication").Val(), "role:master")
	}, "the Sentinel promotes the replica")
	refusedFor(t, other, "master_replid2")
	_, err = s.Put(ctx, "k", []byte("second"), first)
	require.Error(t, err, "its server is gone")
}

// TestForbiddenSettings checks that a user who may not read the settings gets an error that names
// the needed permissions. They suffice for all operations.
func TestForbiddenSettings(t *testing.T) {
	server := fleet.Redis(t, fleet.SafeRedis...)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer admin.Close()
	allow := func(rules ...any) {
		require.NoError(
			t,
			admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "tallystick"}, rules...)...).Err(),
		)
	}
	o := &redis.Options{Addr: server.Addr, Username: "tallystick", Password: "secret"}
	// As in the package comment, without the permission to read settings.
	allow("on", ">secret", "~tallystick:*", "+@read", "+@write", "+@scripting", "+@connection")
	_, err := redisstore.Open(t.Context(), o)
	require.ErrorIs(t, err, redisstore.ErrForbidden)
	assert.ErrorContains(t, err, "+config|get")
	allow("+info")
	_, err = redisstore.Open(t.Context(), o)
	require.ErrorIs(t, err, redisstore.ErrForbidden)

	allow("+config|get")
	s := openAt(t, o)
	rev, err := s.Put(t.Context(), "k", []byte("x"), 0)
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "k", []byte("y"), rev)
	require.NoError(t, err)
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		assert.Equal(t, "y", string(e.Data))
	}

	renamed := fleet.Redis(t, append(fleet.SafeRedis, "--rename-command", "CONFIG", "")...)
	_, err = redisstore.Open(t.Context(), &redis.Options{Addr: renamed.Addr})
	require.ErrorIs(t, err, redisstore.ErrForbidden, "a service without CONFIG")
}

func TestNoServer(t *testing.T) {
	server := fleet.Redis(t, fleet.SafeRedis...)
	s := openAt(t, &redis.Options{Addr: server.Addr})
	server.Kill(t)
	_, err := s.Put(t.Context(), "k", nil, 0)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrConflict)
	_, err = redisstore.Open(t.Context(), &redis.Options{Addr: server.Addr})
	require.Error(t, err)
	server.Start(t)
	_, err = s.Put(t.Context(), "k", nil, 0)
	require.NoError(t, err, "it goes on when the server is back")
}
