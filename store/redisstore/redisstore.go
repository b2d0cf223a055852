// Package redisstore stores payment records in one Redis server, so that many machines can share
// their channels. It needs Redis 6.2 or newer.
//
// # Requirements
//
//	appendonly yes
//	appendfsync always
//	no-appendfsync-on-rewrite no
//	maxmemory-policy noeviction
//
// The server must have these settings, and no replicas, Sentinel or cluster. Otherwise it could
// lose acknowledged writes. [Open] refuses such a server with a [store.UnsafeError] that names the
// setting. Every later connection is checked before its first use, and connections are replaced at
// least once an hour. Write the settings into the configuration file of the server; those of CONFIG
// SET are lost at a restart.
//
// It also refuses a server that was promoted, until it is restarted, and one that had a replica lately,
// for as long as the server keeps the backlog for it (repl-backlog-ttl). While the server rewrites its
// append-only file, a new connection waits for at most two seconds until that ends, and is refused
// otherwise: the server does not show whether the file was complete before.
//
// The settings are read with INFO and CONFIG GET. The ACL must allow them:
//
//	ACL SETUSER tallystick on >… ~tallystick:* +@read +@write +@scripting +@connection +info
//	  +config|get
//
// A managed service without CONFIG is refused, because appendfsync cannot be checked. Use
// PostgreSQL (package pgstore) instead.
//
// # Guarantees
//
//   - A write is one Lua script in one round trip: it compares, replaces and indexes. With
//     appendfsync always, the server responds to a write, and to a concurrent read of it, only
//     after the append-only file was synced to disk.
//   - If the response to a write is lost, the error is not [store.ErrConflict]. Nothing is sent
//     twice.
//   - If a record is older than a revision that this process has seen, or gone, the error is
//     [store.ErrCorrupt].
//   - If the index for listings is lost, it is rebuilt: by the next listing if all of it is lost,
//     and by whoever misses a record in it. If its name is used for something else, nothing is
//     written.
//
// # Failures
//
//   - Crash of the server, its machine or a client: no acknowledged write is lost.
//   - Full disk: the server stops, and continues from its file when there is space again. Full
//     memory: writes are refused.
//   - Loss of the disk: the records are lost. Redis replicates after it has responded, so a
//     failover loses the newest writes. For this reason replicas are refused, even with WAIT, which
//     only ensures that a replica has a write in memory. If you need failover, use PostgreSQL with
//     a synchronous standby.
//   - Old copy restored while no process was running: it cannot be detected. The money is still
//     safe (see docs/trust-model.md), but channels that were opened since must be found again.
//
// # Keys
//
//	tallystick:record:channel/0x12ab…   hash: rev, data
//	tallystick:keys                     sorted set: all keys of records, for listings
//
// The hash of a record that has moved to another key stays, with [store.MovedRev] as its revision and the
// other key as its data, so that nothing is written under the old key again.
//
// Different applications can use one server with different database numbers ([redis.Options.DB]).
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	recordPrefix = "tallystick:record:"
	indexKey     = "tallystick:keys"
)

// Store is a [store.Store] in a Redis server. Create one with [Open] and call [Store.Close] at the
// end. It is safe for concurrent use. Any number of Stores may use one server.
type Store struct {
	db      *redis.Client
	seen    store.Seen
	rebuilt atomic.Bool // a listing that found no index has rebuilt it
}

// Open connects and checks the settings of the server. [redis.ParseURL] returns options for a URL;
// they contain TLS and credentials. Open copies them. OnConnect, if set, runs before the check of
// the settings. Open disables three options: retries (MaxRetries), client-side caching
// (ClientSideCache) and maintenance notifications (MaintNotificationsConfig).
//
// The errors are [*store.UnsafeError], [ErrForbidden], and those of the connection.
func Open(ctx context.Context, options *redis.Options) (*Store, error) {
	o := *options
	// A write that is sent again after its response was lost would conflict with itself.
	o.MaxRetries = -1
	o.ClientSideCache, o.ClientSideCacheConfig = nil, nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if o.ConnMaxLifetime <= 0 || o.ConnMaxLifetime > time.Hour {
		o.ConnMaxLifetime = time.Hour // check the settings again
	}
	before := o.OnConnect
	o.OnConnect = func(ctx context.Context, cn *redis.Conn) error {
		if before != nil {
			if err := before(ctx, cn); err != nil {
				return err
			}
		}
		return checkSettings(ctx, cn)
	}
	s := &Store{db: redis.NewClient(&o)}
	if _, err := await(ctx, func() (string, error) { return s.db.Ping(ctx).Result() }); err != nil {
		_ = s.db.Close()
		if strings.HasPrefix(err.Error(), "redisstore: ") { // from checkSettings
			return nil, err
		}
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return s, nil
}

// Close closes the connections without waiting. Later calls fail. No acknowledged write is lost.
func (s *Store) Close() error { return s.db.Close() }

// Get implements [store.Store] with one round trip.
func (s *Store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	data, rev, _, err := s.get(ctx, key)
	return data, rev, err
}

// get also reports whether the record has moved to another key; the error is store.ErrNotFound then.
func (s *Store) get(ctx context.Context, key string) (data []byte, rev uint64, moved bool, err error) {
	before := s.seen.Rev(key)
	fields, err := await(
		ctx,
		func() ([]any, error) { return s.db.HMGet(ctx, recordPrefix+key, "rev", "data").Result() },
	)
	if err != nil {
		return nil, 0, false, damaged(key, err)
	}
	data, rev, err = record(key, fields[0], fields[1])
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, 0, false, err
	}
	if lost := s.seen.Note(key, before, rev); lost != nil {
		return nil, 0, false, fmt.Errorf("redisstore: %w", lost)
	}
	if rev == store.MovedRev {
		return nil, 0, true, fmt.Errorf("redisstore: %w: %s has moved to %s", store.ErrNotFound, key, data)
	}
	return data, rev, false, err
}

// record parses the two fields of a record.
func record(key string, revField, dataField any) ([]byte, uint64, error) {
	if revField == nil && dataField == nil {
		return nil, 0, fmt.Errorf("redisstore: %w: %s", store.ErrNotFound, key)
	}
	text, ok := revField.(string)
	data, also := dataField.(string)
	rev, err := strconv.ParseUint(text, 10, 64)
	if !ok || !also || err != nil || rev == 0 {
		return nil, 0, fmt.Errorf(
			"redisstore: %w: %s%s was not written by this store", store.ErrCorrupt, recordPrefix,
			key,
		)
	}
	return []byte(data), rev, nil
}

func check(ctx context.Context, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return store.Check(key, data)
}

// damaged wraps an error of the server. It adds ErrCorrupt if the record is not a hash, which is
// found before anything is written.
func damaged(key string, err error) error {
	if strings.Contains(
		err.Error(), "WRONGTYPE",
	) { // not always at the beginning, in errors of scripts
		return fmt.Errorf("redisstore: %w: %s%s: %w", store.ErrCorrupt, recordPrefix, key, err)
	}
	return fmt.Errorf("redisstore: %s: %w", key, err)
}

// await returns the result of f, or the error of the context if it ends first. The driver checks a
// context only before it sends, not while it waits for a response; f then continues until the
// timeouts of the driver end it.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := f()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		if cause := ctx.Err(); o.err != nil && cause != nil {
			return o.value, fmt.Errorf("%w: %w", cause, o.err)
		}
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
