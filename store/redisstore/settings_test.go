package redisstore_test

import (
	"errors"
	"testing"

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
		openAt(t, o)
	}
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
