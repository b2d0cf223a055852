package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
	{"aof_rewrite_scheduled", "0", pendingRewrite},
	{"aof_rewrite_in_progress", "0", pendingRewrite},
	{
		"aof_last_bgrewrite_status",
		"ok",
		"an append-only file that was switched on keeps nothing until a rewrite has succeeded: run " +
			"BGREWRITEAOF and see why it fails",
	},
	// Last, because a server that has to be restarted must have its file by then.
	{
		"master_replid2",
		strings.Repeat("0", 40),
		"this server was a replica and was promoted, so it lacks what it had not received: compare its " +
			"records with the chain and restart it without replicas",
	},
	{
		"repl_backlog_active",
		"0",
		"a replica was connected lately and a failover to it loses writes: remove it, and restart the server " +
			"or wait for repl-backlog-ttl",
	},
}

// pendingRewrite is said of a rewrite of the append-only file. The server does not show whether the
// file was complete before.
const pendingRewrite = "an append-only file that was just switched on keeps nothing until the first rewrite " +
	"is done: wait for it"

// A rewrite is awaited for a while, because a server makes them by itself from time to time.
const (
	rewriteWait = 2 * time.Second
	rewritePoll = 20 * time.Millisecond
)

// checkSettings checks the settings of the server of a new connection, in one round trip, or in
// more if it rewrites its append-only file now. Every connection is checked, because it may lead to
// another server.
func checkSettings(ctx context.Context, cn *redis.Conn) error {
	for end := time.Now().Add(rewriteWait); ; {
		settings, err := readSettings(ctx, cn)
		if err != nil {
			return err
		}
		err = judge(settings)
		var unsafe *store.UnsafeError
		if !errors.As(err, &unsafe) || unsafe.Loses != pendingRewrite || time.Now().After(end) {
			return err
		}
		select {
		case <-time.After(rewritePoll):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

func readSettings(ctx context.Context, cn *redis.Conn) (map[string]string, error) {
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
			return nil, fmt.Errorf("%w (%w)", ErrForbidden, err)
		}
		return nil, err
	}
	settings := config.Val()
	for line := range strings.Lines(info.Val()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			settings[name] = value
		}
	}
	return settings, nil
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
