package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// ErrForbidden means that this user may not read the settings of the server, so that they cannot be
// checked. Allow INFO and CONFIG GET in the ACL, or use PostgreSQL if the service does not support
// CONFIG.
var ErrForbidden = errors.New("redisstore: the settings of the server cannot be checked: " +
	"allow this user +info and +config|get, or use pgstore")

// rules are the settings that the server needs to keep acknowledged writes, the most important
// first.
var rules = []struct{ setting, must, loses string }{
	{
		"redis_mode",
		"standalone",
		"a cluster or Sentinel can fail over to a copy without the newest writes",
	},
	{"role", "master", "a replica is read-only and can lag behind"},
	{
		"connected_slaves",
		"0",
		"a failover to a replica loses writes, because Redis does not wait for replicas",
	},
	{"maxmemory_policy", "noeviction", "a server without free memory evicts records"},
	{
		"aof_enabled",
		"1",
		"without appendonly yes all writes since the last snapshot are lost when the server stops",
	},
	{
		"appendfsync",
		"always",
		"with any other policy the writes of the last seconds are lost when the machine crashes",
	},
	{"no-appendfsync-on-rewrite", "no", "writes are not synced while the server rewrites its file"},
}

// checkSettings checks the settings of the server of a new connection, in one round trip. Every
// connection is checked, because it may lead to another server.
func checkSettings(ctx context.Context, cn *redis.Conn) error {
	var info *redis.StringCmd
	var config *redis.MapStringStringCmd
	_, err := cn.Pipelined(ctx, func(p redis.Pipeliner) error {
		info = p.Info(ctx)
		config = p.ConfigGet(ctx, "*appendfsync*") // one pattern, because Redis 6 accepts only one
		return nil
	})
	if err != nil {
		if text := err.Error(); strings.HasPrefix(text, "NOPERM") ||
			strings.Contains(text, "unknown command") {
			return fmt.Errorf("%w (%w)", ErrForbidden, err)
		}
		return err
	}
	settings := config.Val()
	for line := range strings.Lines(info.Val()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			settings[name] = value
		}
	}
	return judge(settings)
}

// judge returns an error for the first rule that the settings violate. A missing setting violates
// its rule.
func judge(settings map[string]string) error {
	for _, r := range rules {
		if is := settings[r.setting]; is != r.must {
			return &store.UnsafeError{
				Store:   "redisstore",
				Setting: r.setting,
				Is:      is,
				Must:    r.must,
				Loses:   r.loses,
			}
		}
	}
	return nil
}
