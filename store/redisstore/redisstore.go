// Package redisstore keeps payment records in one Redis (or Valkey) server, so that many machines share their
// channels. Redis 6.2 or newer.
//
// # What it needs
//
//	appendonly yes
//	appendfsync always
//	no-appendfsync-on-rewrite no
//	maxmemory-policy noeviction
//
// and no replicas, no Sentinel and no cluster. A server that is set up in another way may forget what it has
// acknowledged: [Open] refuses it with a [store.UnsafeError] that names the setting, and so does every later
// connection, which is looked at before it is used, at least once an hour. Write the settings into the server's
// configuration file: what is only set with CONFIG SET is gone at its next start.
//
// The server's own word on this comes from INFO and CONFIG GET. Where an ACL forbids them, Open says so; allow them:
//
//	ACL SETUSER tallystick on >… ~tallystick:* +@read +@write +@scripting +@connection +info +config|get
//
// A managed service that has no CONFIG at all does not let appendfsync be seen, and is refused: use PostgreSQL
// (package pgstore) there.
//
// # What it promises
//
//   - A write is one round trip, one Lua script: compare, replace, index. Under appendfsync always the answer leaves
//     the server after the append-only file was synced, and so does the answer to a read beside it. It is on disk.
//   - A write whose answer was lost is an error that is not [store.ErrConflict]. The driver sends nothing twice.
//   - A record that went back to an older revision, or away, while this process knew better, is [store.ErrCorrupt].
//
// # What it survives
//
//   - The death of the server, of its machine, and of any client: nothing acknowledged is lost.
//   - A full disk: the server ends itself, and goes on from its file when there is room. A full memory: writes are refused.
//   - Not the loss of the disk. There is no second copy that is in step: Redis replicates after it has answered, so a
//     failover forgets the newest writes. That is why replicas are refused, even those that WAIT could wait for, which
//     have a write in memory only. Where the server itself must be replaced without a pause, use PostgreSQL with a
//     synchronous standby.
//   - Not an old copy put in its place while nobody ran: revisions cannot show that. The money is still safe (see
//     docs/trust-model.md); channels of since then have to be found again.
//
// # What is in the server
//
//	tallystick:record:channel/0x12ab…   hash: rev, data
//	tallystick:keys                     sorted set: all keys, for listings
//
// Another fleet on the same server takes another database number ([redis.Options.DB]).
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	recordPrefix = "tallystick:record:"
	indexKey     = "tallystick:keys"
)

// Store is a [store.Store] on a Redis server. Make one with [Open] and end it with [Store.Close]. It is safe for
// concurrent use, and so are any number of Stores on one server.
type Store struct {
	db   *redis.Client
	seen store.Seen
}

// Open connects and makes sure that the server keeps what it acknowledges. Options are those of the driver:
// [redis.ParseURL] reads them from a URL, and TLS and credentials are theirs. They are copied; OnConnect, if set, runs
// before our own look. Three are not obeyed: nothing is sent again (MaxRetries), nothing is cached (ClientSideCache),
// and the server announces no move to another one (MaintNotificationsConfig).
//
// Errors: [*store.UnsafeError], [ErrForbidden], and those of the connection.
func Open(ctx context.Context, options *redis.Options) (*Store, error) {
	o := *options
	// A write that is sent again after its answer was lost would meet itself and call it a conflict.
	o.MaxRetries = -1
	o.ClientSideCache, o.ClientSideCacheConfig = nil, nil
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if o.ConnMaxLifetime <= 0 {
		o.ConnMaxLifetime = time.Hour // look at the settings again
	}
	before := o.OnConnect
	o.OnConnect = func(ctx context.Context, cn *redis.Conn) error {
		if before != nil {
			if err := before(ctx, cn); err != nil {
				return err
			}
		}
		return look(ctx, cn)
	}
	s := &Store{db: redis.NewClient(&o)}
	if _, err := await(ctx, func() (string, error) { return s.db.Ping(ctx).Result() }); err != nil {
		_ = s.db.Close()
		if strings.HasPrefix(err.Error(), "redisstore: ") { // from our own look
			return nil, err
		}
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	return s, nil
}

// Close closes the connections. Calls that begin after it fail. It waits for nothing and loses nothing: what Put
// acknowledged is on disk.
func (s *Store) Close() error { return s.db.Close() }

// Get implements [store.Store], in one round trip.
func (s *Store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	before := s.seen.Rev(key)
	fields, err := await(ctx, func() ([]any, error) { return s.db.HMGet(ctx, recordPrefix+key, "rev", "data").Result() })
	if err != nil {
		return nil, 0, damaged(key, err)
	}
	data, rev, err := record(key, fields[0], fields[1])
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, 0, err
	}
	if lost := s.seen.Note(key, before, rev); lost != nil {
		return nil, 0, fmt.Errorf("redisstore: %w", lost)
	}
	return data, rev, err
}

// record reads the two fields of a record.
func record(key string, revField, dataField any) ([]byte, uint64, error) {
	if revField == nil && dataField == nil {
		return nil, 0, fmt.Errorf("redisstore: %w: %s", store.ErrNotFound, key)
	}
	text, ok := revField.(string)
	data, also := dataField.(string)
	rev, err := strconv.ParseUint(text, 10, 64)
	if !ok || !also || err != nil || rev == 0 {
		return nil, 0, fmt.Errorf("redisstore: %w: %s%s is not what this store writes", store.ErrCorrupt, recordPrefix, key)
	}
	return []byte(data), rev, nil
}

func check(ctx context.Context, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("redisstore: %w", err)
	}
	return store.Check(key, data)
}

// damaged turns the server's word that a key holds something else than a hash into ErrCorrupt.
func damaged(key string, err error) error {
	if strings.Contains(err.Error(), "WRONGTYPE") { // not always at its beginning, when a script meets it
		return fmt.Errorf("redisstore: %w: %s%s: %w", store.ErrCorrupt, recordPrefix, key, err)
	}
	return fmt.Errorf("redisstore: %s: %w", key, err)
}

// await returns what f returns, or the error of a context that ends before it does. The driver looks at a context
// before it sends and not while it waits for an answer; f then ends later, by the driver's own timeouts.
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
