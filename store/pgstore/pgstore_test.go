package pgstore_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

// config returns the configuration for the server and the schema, if one is named.
func config(t testing.TB, server *fleet.Server, schema string) *pgxpool.Config {
	t.Helper()
	c, err := pgxpool.ParseConfig(server.ConnString())
	require.NoError(t, err)
	if schema != "" {
		exec(t, server, "CREATE SCHEMA IF NOT EXISTS "+schema)
		c.ConnConfig.RuntimeParams["search_path"] = schema
	}
	return c
}

// exec runs a statement as the superuser.
func exec(t testing.TB, server *fleet.Server, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.ConnString())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err, statement)
}

func openAt(t testing.TB, c *pgxpool.Config) *pgstore.Store {
	t.Helper()
	s, err := pgstore.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestPostgres runs all parts on one server, because a server starts slowly. The last part kills
// it.
// TestMain runs the tests.
func TestMain(m *testing.M) {
	testrun.OnlyPeers()
	os.Exit(m.Run())
}

func TestPostgres(t *testing.T) {
	server := fleet.Postgres(t)
	next := places(server)
	t.Run("store", func(t *testing.T) {
		storetest.Run(t, func(t testing.TB) store.Store { return openAt(t, next(t)) })
		storetest.Durable(t, func(t testing.TB) func() store.Store {
			c := next(t)
			return func() store.Store { return openAt(t, c) }
		})
	})
	t.Run("other defaults", func(t *testing.T) { otherDefaults(t, server) })
	t.Run("long list", func(t *testing.T) { longList(t, next(t)) })
	t.Run("set back", func(t *testing.T) { setBack(t, server, next) })
	t.Run("lost revision", func(t *testing.T) { lostRevision(t, server, next(t)) })
	t.Run("locked row", func(t *testing.T) { lockedRow(t, server, next(t)) })
	t.Run("many migrate", func(t *testing.T) { manyMigrate(t, config(t, server, "migrated")) })
	t.Run("closed", func(t *testing.T) { closed(t, next(t)) })
	t.Run("unsafe servers", func(t *testing.T) { unsafeServers(t, server) })
	t.Run("failover", func(t *testing.T) { failover(t, server) })
}

// places returns a store in a new schema for each test.
func places(server *fleet.Server) func(t testing.TB) *pgxpool.Config {
	var n atomic.Int64
	return func(t testing.TB) *pgxpool.Config {
		c := config(t, server, fmt.Sprintf("s%d", n.Add(1)))
		require.NoError(t, pgstore.Migrate(t.Context(), c))
		return c
	}
}

// otherDefaults is like places in a database with serializable transactions and a linguistic
// collation by default.
func otherDefaults(t *testing.T, server *fleet.Server) {
	exec(
		t, server,
		`CREATE DATABASE people TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`,
	)
	exec(t, server, `ALTER DATABASE people SET default_transaction_isolation = serializable`)
	var n atomic.Int64
	storetest.Run(t, func(t testing.TB) store.Store {
		c := config(t, server, "")
		c.ConnConfig.Database = "people"
		schema := fmt.Sprintf("s%d", n.Add(1))
		conn, err := pgx.ConnectConfig(t.Context(), c.ConnConfig)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), "CREATE SCHEMA "+schema)
		require.NoError(t, err)
		require.NoError(t, conn.Close(t.Context()))
		c.ConnConfig.RuntimeParams["search_path"] = schema
		require.NoError(t, pgstore.Migrate(t.Context(), c))
		return openAt(t, c)
	})
}

// longList checks a listing of several pages: in order, and with each record once although others
// write.
func longList(t *testing.T, c *pgxpool.Config) {
	s := openAt(t, c)
	const records = 350
	for i := range records {
		_, err := s.Put(t.Context(), fmt.Sprintf("channel/%03d", i), []byte{byte(i)}, 0)
		require.NoError(t, err)
	}
	n := 0
	for e, err := range s.List(t.Context(), "channel/") {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("channel/%03d", n), e.Key)
		require.Equal(t, []byte{byte(n)}, e.Data)
		n++
	}
	assert.Equal(t, records, n)
}

// setBack sets a table back to what it held before, as a restored backup does.
func setBack(t *testing.T, server *fleet.Server, next func(t testing.TB) *pgxpool.Config) {
	storetest.SetBack(t, func(t testing.TB) storetest.Place {
		c := next(t)
		table := c.ConnConfig.RuntimeParams["search_path"] + ".tallystick_records"
		return storetest.Place{
			Open: func() store.Store { return openAt(t, c) },
			Copy: func() func() {
				exec(t, server, `CREATE TABLE `+table+`_copy AS TABLE `+table)
				return func() {
					exec(t, server, `TRUNCATE `+table+`; INSERT INTO `+table+` TABLE `+table+`_copy`)
				}
			},
		}
	})
}

// lostRevision checks that a process with a revision that is lost does not overwrite what others
// wrote since.
func lostRevision(t *testing.T, server *fleet.Server, c *pgxpool.Config) {
	ctx := t.Context()
	s, table := openAt(t, c), c.ConnConfig.RuntimeParams["search_path"]+".tallystick_records"
	first, err := s.Put(ctx, "k", []byte("first"), 0)
	require.NoError(t, err)
	second, err := s.Put(ctx, "k", []byte("second"), first)
	require.NoError(t, err)
	exec(
		t, server,
		fmt.Sprintf(`UPDATE %s SET rev = %d, data = 'first' WHERE key = 'k'`, table, first),
	)
	other := openAt(t, c)
	third, err := other.Put(ctx, "k", []byte("another's"), first)
	require.NoError(t, err)
	assert.NotEqual(t, second, third)
	_, err = s.Put(ctx, "k", []byte("over it"), second)
	require.ErrorIs(t, err, store.ErrConflict)
	data, _, err := other.Get(ctx, "k")
	require.NoError(t, err)
	assert.Equal(t, "another's", string(data))
}

// lockedRow checks that a locked row does not delay readers, and delays writers no longer than
// their context. The write that was given up is late, which is harmless: it lands as one that was
// unknown, or not at all if another one lands first.
func lockedRow(t *testing.T, server *fleet.Server, c *pgxpool.Config) {
	s := openAt(t, c)
	rev, err := s.Put(t.Context(), "k", []byte("before"), 0)
	require.NoError(t, err)
	holder, err := pgx.Connect(t.Context(), server.ConnString())
	require.NoError(t, err)
	defer holder.Close(context.Background())
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(
		t.Context(),
		`SELECT FROM `+c.ConnConfig.RuntimeParams["search_path"]+`.tallystick_records FOR UPDATE`,
	)
	require.NoError(t, err)

	data, _, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "before", string(data))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = s.Put(ctx, "k", []byte("after"), rev)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, store.ErrConflict)
	data, again, err := s.Get(t.Context(), "k") // as after every unknown write
	require.NoError(t, err)
	assert.Equal(t, "before", string(data))
	assert.Equal(t, rev, again)

	second := make(chan error, 1)
	go func() {
		_, err := s.Put(t.Context(), "k", []byte("decided again"), again)
		second <- err
	}()
	watch, err := pgx.Connect(t.Context(), server.ConnString()) // a transaction keeps what it has seen
	require.NoError(t, err)
	defer watch.Close(context.Background())
	waiting := func(n int) bool {
		var have int
		require.NoError(t, watch.QueryRow(
			t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'`,
		).Scan(&have))
		return have == n
	}
	await(t, func() bool { return waiting(2) }, "both writes wait for the row")
	require.NoError(t, tx.Rollback(t.Context()))
	lost := <-second
	await(t, func() bool { return waiting(0) }, "the late write has ended")
	data, last, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Greater(t, last, rev)
	if lost == nil {
		assert.Equal(t, "decided again", string(data))
	} else {
		require.ErrorIs(t, lost, store.ErrConflict)
		assert.Equal(t, "after", string(data))
	}
}

func manyMigrate(t *testing.T, c *pgxpool.Config) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, pgstore.Migrate(t.Context(), c)) })
	}
	all.Wait()
	openAt(t, c)
}

func closed(t *testing.T, c *pgxpool.Config) {
	s, err := pgstore.Open(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, _, err = s.Get(t.Context(), "k")
	require.Error(t, err)
	goleak.VerifyNone(
		t, goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"),
		goleak.IgnoreAnyFunction("testing.(*T).Run"),
	)
}

func Example() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("TALLY_POSTGRES")) // postgres://user@host/database
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := pgstore.Migrate(ctx, config); err != nil { // or pgstore.Schema by your own tools
		fmt.Println(err)
		return
	}
	s, err := pgstore.Open(ctx, config) // refuses a server that may forget
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	// client.New(client.Config{Store: s, …})
}
