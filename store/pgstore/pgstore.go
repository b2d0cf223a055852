// Package pgstore stores payment records in one table of a PostgreSQL database, so that many
// machines can share their channels. It needs PostgreSQL 12 or newer.
//
// # Requirements
//
// [Migrate] creates the table of [Schema]. The user of the store needs the rights SELECT, INSERT
// and UPDATE on it. The table is found in the search_path, so different applications can use
// different schemas. The server must have these settings:
//
//	fsync on                 the default
//	synchronous_commit       anything but off; the default is on
//	a primary, not a standby
//	a table that is not UNLOGGED, nor is one of its partitions or children, and no view
//
// With other settings the server could lose acknowledged writes. [Open] refuses it with a
// [store.UnsafeError] that names the setting. Every later connection is checked before its first
// use, and connections are replaced at least once an hour. full_page_writes should be on unless the
// storage writes pages atomically; it is not checked, because the server does not know the storage.
//
// # Guarantees
//
//   - A write is one statement in one round trip. When it returns, the write-ahead log is on disk,
//     and on that of the synchronous standby, if there is one. A write goes on when its context has
//     ended, for up to 15 seconds, because to cancel it would only end the wait for the standby.
//   - A reader sees only committed records, which are on disk, and does not wait for writers. If the
//     server has a synchronous standby, Get and List wait until what they return is there too,
//     unless this process knows that it is: somebody may have canceled the wait of the writer. While
//     the standby is away they fail, when their context ends or after half a minute.
//   - If the response to a write is lost, the error is not [store.ErrConflict]. Nothing is sent
//     twice.
//   - If a record is older than a revision that this process has seen, or gone, the error is
//     [store.ErrCorrupt].
//
// # Failures
//
//   - Crash of the server, its machine or a client: no acknowledged write is lost.
//   - Full disk: writes fail, and nothing is lost.
//   - Failover to a synchronous standby: nothing is lost, if the standby is in
//     synchronous_standby_names and synchronous_commit is on. Commits then wait for the standby.
//     Open does not require a standby, because one server with a reliable disk is safe as well.
//   - Failover to an asynchronous standby, or a restored backup: later writes are lost. A running
//     process detects it for the records that it knows; a process that starts later cannot. The
//     money is still safe (see docs/trust-model.md), but channels that were opened since must be
//     found again.
//
// # Poolers
//
// Poolers such as PgBouncer work, in transaction mode with default_query_exec_mode=exec in the connection
// string. The check of a new connection then applies to the server that the pooler chose for it. Settings
// that other applications leave on a connection change nothing: every write sets synchronous_commit as
// the server configures it for this user and database, and statements name the schema of the table, which
// is found by the configured search_path. If the pooler does not pass on a search_path of the connection
// string, Open refuses it; use ALTER ROLE … SET search_path. Values of search_path and synchronous_commit
// that AfterConnect sets are used instead of the configured ones.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Store is a [store.Store] in a PostgreSQL database. Create one with [Open] and call [Store.Close]
// at the end. It is safe for concurrent use. Any number of Stores may use one table.
type Store struct {
	db    *pgxpool.Pool
	seen  store.Seen
	bound time.Duration // of a write

	table  atomic.Pointer[table]  // set by the first check of a connection
	commit atomic.Pointer[string] // synchronous_commit, as the last check found it configured

	flying sync.Mutex // held while one wait for the synchronous standby is under way
	mu     sync.Mutex // guards next
	next   *flight    // the wait that has not begun yet, nil if nobody wants one
}

// Open connects and checks the settings of the server. [pgxpool.ParseConfig] returns a config for a
// connection string; it contains TLS, credentials and the number of connections. Open copies it.
// AfterConnect, if set, runs before the check of the settings.
//
// The errors are [*store.UnsafeError], [ErrNoTable], and those of the connection.
func Open(ctx context.Context, config *pgxpool.Config) (*Store, error) {
	c, s := config.Copy(), &Store{bound: writeBound}
	if c.MaxConnLifetime <= 0 || c.MaxConnLifetime > time.Hour {
		c.MaxConnLifetime = time.Hour // check the settings again
	}
	c.ConnConfig.OnNotice = watchNotices(c.ConnConfig.OnNotice)
	before := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		return s.checkSettings(ctx, conn, before != nil)
	}
	db, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	if err := db.Ping(ctx); err != nil {
		db.Close()
		if strings.HasPrefix(err.Error(), "pgstore: ") { // from checkSettings
			return nil, err
		}
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	s.db = db
	return s, nil
}

// Close waits for running calls, also for writes whose callers do not wait any more, and closes the
// connections. Later calls fail. The error is always nil.
func (s *Store) Close() error {
	s.db.Close()
	return nil
}

// Get implements [store.Store] with one round trip. If the server has a synchronous standby and this
// process has not seen the revision yet, a second round trip waits until the standby has it.
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
	var standby bool
	err = s.db.QueryRow(ctx, s.table.Load().get, key).Scan(&rev, &data, &standby)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, false, fmt.Errorf("pgstore: read of %s: %w", key, because(ctx, err))
	}
	if rev > before && s.waits(standby) {
		if err := s.replicated(ctx); err != nil {
			return nil, 0, false, fmt.Errorf("pgstore: read of %s: %w", key, because(ctx, err))
		}
	}
	if lost := s.seen.Note(key, before, rev); lost != nil {
		return nil, 0, false, fmt.Errorf("pgstore: %w", lost)
	}
	switch {
	case err != nil:
		return nil, 0, false, fmt.Errorf("pgstore: %w: %s", store.ErrNotFound, key)
	case rev == store.MovedRev:
		return nil, 0, true, fmt.Errorf("pgstore: %w: %s has moved to %s", store.ErrNotFound, key, data)
	}
	return data, rev, false, nil
}

// waits reports whether a commit waits for a standby. standby reports whether the server has one.
func (s *Store) waits(standby bool) bool {
	commit := *s.commit.Load()
	return standby && commit != "local" && commit != "off"
}

// table holds the statements for the table in one schema. Those that write set synchronous_commit
// for themselves: behind a pooler, other applications leave their own setting on a connection.
type table struct{ schema, get, page, insert, update, move string }

const (
	get = `SELECT rev, data, current_setting('synchronous_standby_names') <> '' FROM %s WHERE key = $1`
	// nextPage selects records in byte order, independent of the collation of the database.
	nextPage = `SELECT key, data, rev, current_setting('synchronous_standby_names') <> '' FROM %s
WHERE key COLLATE "C" >= $1 AND key COLLATE "C" > $2 AND key COLLATE "C" < $3
AND rev <> $5 ORDER BY key COLLATE "C" LIMIT $4`
	insert = `INSERT INTO %s (key, rev, data) SELECT $1::text, $2::bigint, $3::bytea
WHERE set_config('synchronous_commit', $4, true) <> '' ON CONFLICT (key) DO NOTHING`
	update = `UPDATE %s SET rev = $2, data = $3
WHERE key = $1 AND rev = $5 AND set_config('synchronous_commit', $4, true) <> ''`
	// move moves a record, and leaves its new key and store.MovedRev under the old one. It locks the
	// record first, so that of several writers one goes on and the others see its result.
	move = `WITH old AS (
	SELECT data FROM %[1]s WHERE key = $1 AND rev = $2 FOR UPDATE
), new AS (
	INSERT INTO %[1]s (key, rev, data) SELECT $3, $2, data FROM old
	ON CONFLICT (key) DO NOTHING RETURNING key
)
UPDATE %[1]s SET rev = $4, data = convert_to($3, 'UTF8')
WHERE key = $1 AND rev = $2 AND EXISTS (SELECT 1 FROM new)
AND set_config('synchronous_commit', $5, true) <> ''`
)

func tableIn(schema string) *table {
	name := pgx.Identifier{schema, "tallystick_records"}.Sanitize()
	in := func(statement string) string { return fmt.Sprintf(statement, name) }
	return &table{schema, in(get), in(nextPage), in(insert), in(update), in(move)}
}

// Put implements [store.Store] with one round trip. The first Put of a connection needs another one
// to prepare the statement. If ctx ends, Put returns, and the write goes on for up to 15 seconds.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	next := store.NextRev(rev)
	if rev >= store.MovedRev || next >= store.MovedRev {
		return 0, conflict(key, rev) // no record has it, and the column cannot contain a higher one
	}
	if rev < s.seen.Rev(key) {
		return 0, s.below(ctx, key, rev)
	}
	data = append([]byte{}, data...) // nil would be NULL, and the caller may change it when ctx has ended
	var tag pgconn.CommandTag
	var err error
	if commit := *s.commit.Load(); rev == 0 {
		tag, err = s.exec(ctx, s.table.Load().insert, key, int64(next), data, commit)
	} else {
		tag, err = s.exec(ctx, s.table.Load().update, key, int64(next), data, commit, int64(rev))
	}
	switch {
	case serialization(err):
		return 0, fmt.Errorf("%w: %w", conflict(key, rev), err)
	case err != nil:
		return 0, fmt.Errorf("pgstore: write of %s: %w", key, because(ctx, err))
	case tag.RowsAffected() == 0:
		return 0, conflict(key, rev)
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

// Move implements [store.Mover] with one round trip. The first Move of a connection needs another
// one to prepare the statement.
func (s *Store) Move(ctx context.Context, key string, rev uint64, to string) error {
	if err := errors.Join(check(ctx, key, nil), check(ctx, to, nil)); err != nil {
		return err
	}
	if rev >= store.MovedRev || key == to {
		return conflict(key, rev)
	}
	if rev < s.seen.Rev(key) {
		return s.below(ctx, key, rev)
	}
	if s.seen.Rev(to) > 0 { // only a server that lost it would take another
		return s.below(ctx, to, 0)
	}
	tag, err := s.exec(
		ctx, s.table.Load().move, key, int64(rev), to, int64(store.MovedRev), *s.commit.Load(),
	)
	switch {
	case serialization(err):
		return fmt.Errorf("%w: %w", conflict(key, rev), err)
	case err != nil:
		return fmt.Errorf("pgstore: move of %s to %s: %w", key, to, because(ctx, err))
	case tag.RowsAffected() == 0:
		return fmt.Errorf("%w, or %s is used already", conflict(key, rev), to)
	}
	return errors.Join(s.seen.Note(to, 0, rev), s.seen.Note(key, 0, store.MovedRev))
}

func conflict(key string, rev uint64) error {
	return fmt.Errorf("pgstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
}

// serialization reports whether the server refused a write because of a concurrent one, which
// happens if the default isolation level is repeatable read or serializable. Nothing was written
// then.
func serialization(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "40001"
}

func check(ctx context.Context, key string, data []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("pgstore: %w", err)
	}
	return store.Check(key, data)
}

// because adds the error of a context that ended to err, unless err wraps it already.
func because(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
