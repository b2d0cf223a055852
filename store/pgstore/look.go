package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Schema is the one statement that makes the table; it does nothing where the table is there. Run it by your own
// tools, or with [Migrate].
const Schema = `CREATE TABLE IF NOT EXISTS tallystick_records (
	key  text COLLATE "C" PRIMARY KEY,
	rev  bigint NOT NULL CHECK (rev > 0),
	data bytea NOT NULL
)`

// ErrNoTable: the table is not there, or not in the search_path of this user.
var ErrNoTable = errors.New("pgstore: there is no table tallystick_records in the search_path: run pgstore.Migrate once, as a user who may create it")

// Migrate makes the table with [Schema]. Any number of processes may do so at once. It takes the rights of a user who
// may create tables, which the store itself does not need, and looks at no setting.
func Migrate(ctx context.Context, config *pgxpool.Config) error {
	db, err := pgxpool.NewWithConfig(ctx, config.Copy())
	if err != nil {
		return fmt.Errorf("pgstore: %w", err)
	}
	defer db.Close()
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Two that create a table at once: one fails in spite of IF NOT EXISTS. The number is ours alone.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(8389754676633367404)`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, Schema)
		return err
	})
	if err != nil {
		return fmt.Errorf("pgstore: the table cannot be made: %w", because(ctx, err))
	}
	return nil
}

// settings is what decides whether a server keeps what it acknowledges.
const settings = `SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('synchronous_commit'),
coalesce((SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass('tallystick_records')), '')`

// look asks a new connection's server for its settings, in one round trip. Every connection is looked at, since it
// may lead to another server than the one before.
func look(ctx context.Context, conn *pgx.Conn) error {
	var standby bool
	var fsync, commit, table string
	if err := conn.QueryRow(ctx, settings).Scan(&standby, &fsync, &commit, &table); err != nil {
		return fmt.Errorf("pgstore: the server does not show its settings: %w", because(ctx, err))
	}
	unsafe := func(setting, is, must, loses string) error {
		return &store.UnsafeError{Store: "pgstore", Setting: setting, Is: is, Must: must, Loses: loses}
	}
	switch {
	case standby:
		return unsafe("pg_is_in_recovery", "true", "false", "a standby lags behind and cannot be written; connect to the primary (target_session_attrs=read-write)")
	case fsync != "on":
		return unsafe("fsync", fsync, "on", "nothing is sure to be on disk when the machine ends")
	case commit == "off":
		return unsafe("synchronous_commit", commit, "on", "the last fraction of a second is lost when the server ends")
	case table == "":
		return ErrNoTable
	case table != "p":
		return unsafe("relpersistence of tallystick_records", table, "p", "a table that is unlogged or temporary is empty after the server ended")
	}
	return nil
}
