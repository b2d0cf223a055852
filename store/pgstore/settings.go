package pgstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Schema is the statement that creates the table if it does not exist. Run it with your own tools
// or with [Migrate].
const Schema = `CREATE TABLE IF NOT EXISTS tallystick_records (
	key  text COLLATE "C" PRIMARY KEY,
	rev  bigint NOT NULL CHECK (rev > 0),
	data bytea NOT NULL
)`

// ErrNoTable means that the table does not exist, or is not in the search_path of this user.
var ErrNoTable = errors.New("pgstore: table tallystick_records is not in the search_path: " +
	"run pgstore.Migrate once, as a user who can create it")

// Migrate creates the table with [Schema]. Several processes may call it at the same time. Its user
// needs the right to create tables, which the store itself does not need. It does not check the
// settings of the server.
func Migrate(ctx context.Context, config *pgxpool.Config) error {
	db, err := pgxpool.NewWithConfig(ctx, config.Copy())
	if err != nil {
		return fmt.Errorf("pgstore: %w", err)
	}
	defer db.Close()
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		// Despite IF NOT EXISTS, one of two concurrent statements can fail. The number of the lock
		// is arbitrary.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(8389754676633367404)`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, Schema)
		return err
	})
	if err != nil {
		return fmt.Errorf("pgstore: creating the table: %w", because(ctx, err))
	}
	return nil
}

// settings queries the settings that decide whether acknowledged writes are durable.
const settings = `SELECT pg_is_in_recovery(), current_setting('fsync'),
current_setting('synchronous_commit'), coalesce((SELECT relpersistence::text FROM pg_class
WHERE oid = to_regclass('tallystick_records')), '')`

// checkSettings checks the settings of the server of a new connection, in one round trip. Every
// connection is checked, because it may lead to another server.
func checkSettings(ctx context.Context, conn *pgx.Conn) error {
	var standby bool
	var fsync, commit, table string
	if err := conn.QueryRow(ctx, settings).Scan(&standby, &fsync, &commit, &table); err != nil {
		return fmt.Errorf("pgstore: reading the settings of the server: %w", because(ctx, err))
	}
	unsafe := func(setting, is, must, loses string) error {
		return &store.UnsafeError{
			Store:   "pgstore",
			Setting: setting,
			Is:      is,
			Must:    must,
			Loses:   loses,
		}
	}
	switch {
	case standby:
		return unsafe(
			"pg_is_in_recovery", "true", "false",
			"a standby is read-only and can lag behind; "+
				"connect to the primary (target_session_attrs=read-write)",
		)
	case fsync != "on":
		return unsafe(
			"fsync", fsync, "on", "acknowledged writes may not be on disk when the machine crashes",
		)
	case commit == "off":
		return unsafe(
			"synchronous_commit", commit, "on",
			"the writes of the last fraction of a second are lost when the server crashes",
		)
	case table == "":
		return ErrNoTable
	case table != "p":
		return unsafe(
			"relpersistence of tallystick_records", table, "p",
			"an unlogged or temporary table is empty after a crash of the server",
		)
	}
	return nil
}
