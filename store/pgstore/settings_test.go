package pgstore_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
)

func refused(t *testing.T, c *pgxpool.Config) *store.UnsafeError {
	t.Helper()
	s, err := pgstore.Open(t.Context(), c)
	if err == nil {
		s.Close()
	}
	var unsafe *store.UnsafeError
	require.ErrorAs(t, err, &unsafe)
	assert.Equal(t, "pgstore", unsafe.Store)
	assert.Equal(t, unsafe.Error(), err.Error())
	return unsafe
}

func unsafeServers(t *testing.T, server *fleet.Server) {
	c := config(t, server, "")
	_, err := pgstore.Open(t.Context(), c)
	require.ErrorIs(t, err, pgstore.ErrNoTable)
	exec(
		t, server,
		`CREATE UNLOGGED TABLE tallystick_records (key text PRIMARY KEY, rev bigint, data bytea)`,
	)
	assert.Equal(t, "relpersistence of tallystick_records", refused(t, c).Setting)
	exec(t, server, `DROP TABLE tallystick_records`)
	require.NoError(t, pgstore.Migrate(t.Context(), c))
	openAt(t, c)

	shapes(t, server)
	ownSettings(t, server)

	for _, commit := range []string{"local", "remote_write", "remote_apply", "on"} {
		exec(t, server, `ALTER ROLE tally SET synchronous_commit = `+commit)
		openAt(t, c)
	}
	exec(t, server, `ALTER ROLE tally SET synchronous_commit = off`)
	assert.Equal(t, "synchronous_commit", refused(t, c).Setting)

	exec(t, server, `ALTER ROLE tally RESET synchronous_commit`)
	exec(
		t, server, `CHECKPOINT`,
	) // the reset was an asynchronous commit itself, and the kill below would undo it

	server.Kill(t)
	server.Set("fsync=off")
	server.Start(t)
	assert.Equal(t, "fsync", refused(t, c).Setting)
	server.Kill(t)
	server.Set()
	server.Start(t)
	openAt(t, c)
}

// ownSettings checks that a program's own AfterConnect decides on search_path and synchronous_commit.
func ownSettings(t *testing.T, server *fleet.Server) {
	exec(t, server, `CREATE SCHEMA own`)
	require.NoError(t, pgstore.Migrate(t.Context(), config(t, server, "own")))
	for set, wanted := range map[string]string{
		`SET search_path = own`: "", `SET synchronous_commit = off`: "synchronous_commit",
	} {
		c := config(t, server, "")
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, set)
			return err
		}
		if wanted != "" {
			assert.Equal(t, wanted, refused(t, c).Setting)
			continue
		}
		rev, err := openAt(t, c).Put(t.Context(), "own", []byte("x"), 0)
		require.NoError(t, err)
		assert.Equal(t, rev, mustRev(t, openAt(t, config(t, server, "own")), "own"))
	}
}

// shapes checks that a table is refused if records could be kept in something that is empty after a
// crash, or that does not show what keeps them.
func shapes(t *testing.T, server *fleet.Server) {
	const columns = ` (key text COLLATE "C" PRIMARY KEY, rev bigint NOT NULL, data bytea NOT NULL)`
	const parted = `CREATE TABLE tallystick_records` + columns + ` PARTITION BY HASH (key);`
	for _, shape := range []struct{ create, setting, is string }{
		{
			`CREATE UNLOGGED TABLE part` + columns + `; CREATE VIEW tallystick_records AS TABLE part`,
			"relkind", "v",
		},
		{
			`CREATE TABLE part` + columns + `; CREATE MATERIALIZED VIEW tallystick_records AS TABLE part`,
			"relkind", "m",
		},
		{
			parted + `CREATE TABLE half PARTITION OF tallystick_records
				FOR VALUES WITH (MODULUS 2, REMAINDER 0);
			CREATE UNLOGGED TABLE part PARTITION OF tallystick_records
				FOR VALUES WITH (MODULUS 2, REMAINDER 1)`,
			"relpersistence", "u",
		},
		{
			parted + `CREATE TABLE half PARTITION OF tallystick_records
				FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY HASH (key);
			CREATE UNLOGGED TABLE part PARTITION OF half FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
			"relpersistence", "u",
		},
		{
			`CREATE TABLE tallystick_records` + columns + `;
			CREATE UNLOGGED TABLE part () INHERITS (tallystick_records)`,
			"relpersistence", "u",
		},
		{
			parted + `CREATE TABLE part PARTITION OF tallystick_records
				FOR VALUES WITH (MODULUS 1, REMAINDER 0)`,
			"", "",
		},
	} {
		exec(t, server, `DROP SCHEMA IF EXISTS "A shape" CASCADE; CREATE SCHEMA "A shape";
			SET search_path = "A shape"; `+shape.create)
		c := config(t, server, "")
		c.ConnConfig.RuntimeParams["search_path"] = `"A shape"`
		if shape.setting != "" {
			unsafe := refused(t, c)
			assert.Equal(t, shape.setting+" of tallystick_records", unsafe.Setting, shape.create)
			assert.Equal(t, shape.is, unsafe.Is, shape.create)
			continue
		}
		s := openAt(t, c)
		rev, err := s.Put(t.Context(), "k", []byte("first"), 0)
		require.NoError(t, err)
		_, err = s.Put(t.Context(), "k", []byte("second"), rev)
		require.NoError(t, err)
		require.NoError(t, s.Move(t.Context(), "k", mustRev(t, s, "k"), "l"))
		assert.Equal(t, []string{"l"}, keysOf(t, s))
	}
}

// failover checks that a standby is refused, and that a running process detects records that are
// missing after a failover to it.
func failover(t *testing.T, primary *fleet.Server) {
	ctx := t.Context()
	require.NoError(t, pgstore.Migrate(ctx, config(t, primary, "")))
	standby := fleet.Standby(t, primary)
	assert.Equal(t, "pg_is_in_recovery", refused(t, config(t, standby, "")).Setting)

	// One store finds the primary among both servers, as in an application.
	c, err := pgxpool.ParseConfig(
		"postgres://tally@" + primary.Addr + "," + standby.Addr + "/postgres?sslmode=disable&target_session_attrs=read-write",
	)
	require.NoError(t, err)
	s := openAt(t, c)
	first, err := s.Put(ctx, "k", []byte("first"), 0)
	require.NoError(t, err)
	await(t, func() bool { return count(t, standby) == 1 }, "the standby has the first write")
	standby.Kill(t) // it lags behind from now on
	second, err := s.Put(ctx, "k", []byte("second"), first)
	require.NoError(t, err, "without synchronous_standby_names nothing waits for a standby")
	primary.Kill(t)
	standby.Start(t)
	standby.Promote(t)

	await(t, func() bool { // the first calls may use a broken connection
		_, _, err = s.Get(ctx, "k")
		return err == nil || isCorrupt(err)
	}, "the store finds the new primary")
	require.ErrorIs(t, err, store.ErrCorrupt, "revision %d is lost", second)
	data, _, err := openAt(t, c).Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "first", string(data), "who starts now cannot know")

	// A failover to a synchronous standby loses nothing.
	standby.Kill(t)
	standby.Set("synchronous_standby_names=*")
	standby.Start(t)
	twin := fleet.Standby(t, standby)
	c, err = pgxpool.ParseConfig(
		"postgres://tally@" + standby.Addr + "," + twin.Addr + "/postgres?sslmode=disable&target_session_attrs=read-write",
	)
	require.NoError(t, err)
	s = openAt(t, c)
	rev, err := s.Put(ctx, "synchronous", []byte("here"), 0)
	require.NoError(t, err)
	standby.Kill(t)
	twin.Promote(t)
	await(t, func() bool {
		data, again, err := s.Get(ctx, "synchronous")
		require.NotErrorIs(t, err, store.ErrNotFound)
		require.NotErrorIs(t, err, store.ErrCorrupt)
		return err == nil && assert.Equal(t, rev, again) && assert.Equal(t, "here", string(data))
	}, "the store finds the second new primary")
}
