package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

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

// settings queries the settings that decide whether acknowledged writes are durable, and finds the
// table. Behind a pooler another application may have left a search_path or a synchronous_commit on
// the connection. What the server configures for this user and database counts, or what the
// program's own AfterConnect has set ($1). The table is what that search_path leads to, with its
// partitions and children.
const settings = `WITH RECURSIVE configured AS MATERIALIZED (
	SELECT name, CASE WHEN $1 THEN setting ELSE reset_val END AS value FROM pg_settings
	WHERE name IN ('search_path', 'synchronous_commit')
), path AS MATERIALIZED (
	SELECT value, set_config('search_path', value, true) AS now FROM configured WHERE name = 'search_path'
), root AS MATERIALIZED (
	SELECT to_regclass(CASE WHEN now IS NOT NULL THEN 'tallystick_records' END)::oid AS oid FROM path
), tree(oid) AS (
	SELECT oid FROM root UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
)
SELECT pg_is_in_recovery(), current_setting('fsync'),
	(SELECT value FROM configured WHERE name = 'synchronous_commit'), (SELECT value FROM path),
	coalesce((SELECT nspname::text FROM pg_namespace JOIN pg_class ON relnamespace = pg_namespace.oid
		JOIN root ON pg_class.oid = root.oid), ''),
	coalesce((SELECT min(relkind::text) FROM pg_class JOIN tree ON pg_class.oid = tree.oid
		WHERE relkind NOT IN ('r', 'p')), ''),
	coalesce((SELECT min(relpersistence::text) FROM pg_class JOIN tree ON pg_class.oid = tree.oid
		WHERE relpersistence <> 'p'), '')`

// found is what the query of the settings returns.
type found struct {
	standby             bool
	fsync, commit       string
	path, schema        string
	kind, impermanently string
}

// checkSettings checks the settings of the server of a new connection, in one round trip. Every
// connection is checked, because it may lead to another server. hook reports that the program has
// set something on the connection.
func (s *Store) checkSettings(ctx context.Context, conn *pgx.Conn, hook bool) error {
	var f found
	err := conn.QueryRow(ctx, settings, hook).
		Scan(&f.standby, &f.fsync, &f.commit, &f.path, &f.schema, &f.kind, &f.impermanently)
	if err != nil {
		return fmt.Errorf("pgstore: reading the settings of the server: %w", because(ctx, err))
	}
	if wanted, ok := wantedPath(conn.Config().RuntimeParams); ok && !hook && f.path != wanted {
		return unsafe(
			"search_path", f.path, wanted,
			"a pooler that ignores the search_path of the connection string leads to the records of others; "+
				"set it with ALTER ROLE … SET search_path, or let the pooler pass it on",
		)
	}
	if err := f.judge(); err != nil {
		return err
	}
	s.table.CompareAndSwap(nil, tableIn(f.schema))
	if schema := s.table.Load().schema; schema != f.schema {
		return unsafe(
			"search_path", f.path, "one that leads to the table in schema "+schema,
			"this store was opened with that table, and this connection leads to another one",
		)
	}
	s.commit.Store(&f.commit)
	return nil
}

func unsafe(setting, is, must, loses string) error {
	return &store.UnsafeError{Store: "pgstore", Setting: setting, Is: is, Must: must, Loses: loses}
}

// judge returns an error for the first setting that could lose writes.
func (f *found) judge() error {
	switch {
	case f.standby:
		return unsafe(
			"pg_is_in_recovery", "true", "false",
			"a standby is read-only and can lag behind; "+
				"connect to the primary (target_session_attrs=read-write)",
		)
	case f.fsync != "on":
		return unsafe(
			"fsync", f.fsync, "on", "acknowledged writes may not be on disk when the machine crashes",
		)
	case f.commit == "off":
		return unsafe(
			"synchronous_commit", f.commit, "on",
			"the writes of the last fraction of a second are lost when the server crashes",
		)
	case f.schema == "":
		return ErrNoTable
	case f.kind != "":
		return unsafe(
			"relkind of tallystick_records", f.kind, "r",
			"a view or a foreign table does not show what keeps its records",
		)
	case f.impermanently != "":
		return unsafe(
			"relpersistence of tallystick_records", f.impermanently, "p",
			"an unlogged or temporary table or partition is empty after a crash of the server",
		)
	}
	return nil
}

// wantedPath returns the search_path that a connection string asks for, if it does.
func wantedPath(params map[string]string) (path string, ok bool) {
	for _, option := range strings.Fields(strings.ReplaceAll(params["options"], `\ `, "\x00")) {
		option = strings.TrimPrefix(strings.TrimPrefix(option, "-c"), "--")
		if value, found := strings.CutPrefix(option, "search_path="); found {
			path, ok = strings.ReplaceAll(strings.ReplaceAll(value, "\x00", " "), `\\`, `\`), true
		}
	}
	if value, found := params["search_path"]; found { // it wins over options
		path, ok = value, true
	}
	return path, ok
}
