package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/seed-5fe1f529/tallystick/store"
)

// ErrForbidden: the server does not show its settings to this user, so it is not known to be safe. Allow INFO and
// CONFIG GET in its ACL, or use PostgreSQL where a service has no CONFIG.
var ErrForbidden = errors.New("redisstore: the server does not show its settings, so it is refused: allow this user +info and +config|get, or use pgstore")

// rules are the settings without which a server may forget what it has acknowledged, in the order in which they are
// worth mending.
var rules = []struct{ setting, must, loses string }{
	{"redis_mode", "standalone", "a cluster or a Sentinel fails over to a copy that lacks the newest writes"},
	{"role", "master", "a replica lags behind and is written by its master only"},
	{"connected_slaves", "0", "a failover to a replica loses what it had not received, and Redis does not wait for it"},
	{"maxmemory_policy", "noeviction", "a full server throws records away"},
	{"aof_enabled", "1", "without appendonly yes all writes since the last snapshot are lost when the server ends"},
	{"appendfsync", "always", "with any other policy the last seconds are lost when the machine ends"},
	{"no-appendfsync-on-rewrite", "no", "nothing is synced while the server rewrites its file"},
}

// look asks a new connection's server for its settings, in one round trip. Every connection is looked at, since it
// may lead to another server than the one before.
func look(ctx context.Context, cn *redis.Conn) error {
	var info *redis.StringCmd
	var config *redis.MapStringStringCmd
	_, err := cn.Pipelined(ctx, func(p redis.Pipeliner) error {
		info = p.Info(ctx)
		config = p.ConfigGet(ctx, "*appendfsync*") // one pattern, since Redis 6 takes no more
		return nil
	})
	if err != nil {
		if text := err.Error(); strings.HasPrefix(text, "NOPERM") || strings.Contains(text, "unknown command") {
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

// judge returns the first rule that the settings break. One that is not shown is broken.
func judge(settings map[string]string) error {
	for _, r := range rules {
		if is := settings[r.setting]; is != r.must {
			return &store.UnsafeError{Store: "redisstore", Setting: r.setting, Is: is, Must: r.must, Loses: r.loses}
		}
	}
	return nil
}
