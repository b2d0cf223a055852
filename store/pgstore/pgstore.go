// Package pgstore keeps payment records in one table of a PostgreSQL database, so that many machines share their
// channels. PostgreSQL 12 or newer.
//
// # What it needs
//
// The table of [Schema]; [Migrate] makes it. A user of the store needs SELECT, INSERT and UPDATE on it, and nothing
// else. The table is found by the search_path, so another fleet takes another schema.
//
//	fsync on                 the default
//	synchronous_commit       anything but off; the default is on
//	a primary, not a standby
//	a table that is not UNLOGGED
//
// A server that is set up in another way may forget what it has acknowledged: [Open] refuses it with a
// [store.UnsafeError] that names the setting, and so does every later connection, which is looked at before it is used, at
// least once an hour. full_page_writes should be on unless the storage writes pages whole; that is not looked at,
// because only the storage knows.
//
// # What it promises
//
//   - A write is one statement and one round trip. When it returns, the write-ahead log is on disk.
//   - A reader sees committed records only, and these are on disk; it waits for no writer.
//   - A write whose answer was lost is an error that is not [store.ErrConflict]. Nothing is sent twice.
//   - A record that went back to an older revision, or away, while this process knew better, is [store.ErrCorrupt].
//
// # What it survives
//
//   - The death of the server, of its machine, and of any client: nothing acknowledged is lost.
//   - A full disk: writes fail, nothing is lost.
//   - A failover to a synchronous standby: name it in synchronous_standby_names, and leave synchronous_commit on. Commits then
//     wait for the standby. Open does not ask for one, since one server with a good disk is safe as well.
//   - Not a failover to an asynchronous standby, nor a restore from a backup: what was acknowledged and had not arrived there is
//     gone. A running process notices that a record it knows went back. One that starts later cannot. The money is still safe
//     (see docs/trust-model.md); channels of since then have to be found again.
//
// # Poolers
//
// PgBouncer and its kind work, also in transaction mode where default_query_exec_mode=exec is in the connection
// string. The look at a new connection then shows the server that the pooler led it to at that moment.
package pgstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Store is a [store.Store] on a PostgreSQL database. Make one with [Open] and end it with [Store.Close]. It is safe
// for concurrent use, and so are any number of Stores on one table.
type Store struct {
	db   *pgxpool.Pool
	seen store.Seen
}

// Open connects and makes sure that the server keeps what it acknowledges. The config is the driver's:
// [pgxpool.ParseConfig] reads it from a connection string, and TLS, credentials and the number of connections are its. It is
// copied; AfterConnect, if set, runs before our own look.
//
// Errors: [*store.UnsafeError], [ErrNoTable], and those of the connection.
func Open(ctx context.Context, config *pgxpool.Config) (*Store, error) {
	c := config.Copy()
	before := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if before != nil {
			if err := before(ctx, conn); err != nil {
				return err
			}
		}
		return look(ctx, conn)
	}
	db, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	if err := db.Ping(ctx); err != nil {
		db.Close()
		if strings.HasPrefix(err.Error(), "pgstore: ") { // from our own look
			return nil, err
		}
		return nil, fmt.Errorf("pgstore: %w", err)
	}
	return &Store{db: db}, nil
}

// Close waits for running calls and closes the connections. Calls that begin after it fail. The error is always nil.
func (s *Store) Close() error {
	s.db.Close()
	return nil
}

// Get implements [store.Store], in one round trip.
func (s *Store) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := check(ctx, key, nil); err != nil {
		return nil, 0, err
	}
	before := s.seen.Rev(key)
	var data []byte
	var rev int64
	err := s.db.QueryRow(ctx, `SELECT rev, data FROM tallystick_records WHERE key = $1`, key).Scan(&rev, &data)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, 0, fmt.Errorf("pgstore: read of %s: %w", key, because(ctx, err))
	}
	if lost := s.seen.Note(key, before, uint64(rev)); lost != nil {
		return nil, 0, fmt.Errorf("pgstore: %w", lost)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("pgstore: %w: %s", store.ErrNotFound, key)
	}
	return data, uint64(rev), nil
}

// Put implements [store.Store], in one round trip. The first one on a connection prepares the statement in another.
func (s *Store) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	if err := check(ctx, key, data); err != nil {
		return 0, err
	}
	if data == nil {
		data = []byte{} // nil is NULL
	}
	next := store.NextRev(rev)
	if rev > math.MaxInt64 || next > math.MaxInt64 {
		return 0, conflict(key, rev) // the column holds none like it
	}
	var tag pgconn.CommandTag
	var err error
	if rev == 0 {
		tag, err = s.db.Exec(ctx, `INSERT INTO tallystick_records (key, rev, data) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING`, key, int64(next), data)
	} else {
		tag, err = s.db.Exec(ctx, `UPDATE tallystick_records SET rev = $2, data = $3 WHERE key = $1 AND rev = $4`, key, int64(next), data, int64(rev))
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

func conflict(key string, rev uint64) error {
	return fmt.Errorf("pgstore: %w: %s is not at revision %d", store.ErrConflict, key, rev)
}

// serialization reports whether the server refused a write for one beside it, as it does where transactions are
// repeatable reads or serializable by default. Nothing was written then.
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

// because adds the error of a context that ended to what it made of a call, where the driver left it out.
func because(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
