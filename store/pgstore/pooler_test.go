package pgstore_test

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
)

func parse(t testing.TB, url string) *pgxpool.Config {
	t.Helper()
	c, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	return c
}

// leave runs a statement as another application of the same pooler, which leaves its settings on the
// connection to the server.
func leave(t testing.TB, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), statement)
	require.NoError(t, err, statement)
}

// TestPooler runs the store behind a pgbouncer that has one connection to the server, so that what
// one client leaves on it is what the next one gets.
func TestPooler(t *testing.T) {
	server := fleet.Postgres(t, "wal_writer_delay=10s") // what is not synced at once stays away for long
	require.NoError(t, pgstore.Migrate(t.Context(), parse(t, server.ConnString())))
	bouncer := fleet.Bouncer(t, server, "ignore_startup_parameters=search_path,options")
	url := bouncer.ConnString() + "&default_query_exec_mode=exec"

	t.Run("several stores", func(t *testing.T) { pooledStores(t, url) })
	t.Run("search_path ignored", func(t *testing.T) { ignoredPath(t, server, url) })
	t.Run("search_path left behind", func(t *testing.T) { leftPath(t, server, url) })
	t.Run("synchronous_commit left behind", func(t *testing.T) { leftCommit(t, server, url) }) // kills it
}

func pooledStores(t *testing.T, url string) {
	const stores, each = 3, 10
	var all sync.WaitGroup
	for range stores {
		s := openAt(t, parse(t, url))
		all.Go(func() {
			for n := 0; n < each; {
				n0, rev := 0, uint64(0)
				data, have, err := s.Get(t.Context(), "count")
				if err == nil {
					rev = have
					n0, err = strconv.Atoi(string(data))
				} else if errors.Is(err, store.ErrNotFound) {
					err = nil
				}
				if !assert.NoError(t, err) {
					return
				}
				_, err = s.Put(t.Context(), "count", []byte(strconv.Itoa(n0+1)), rev)
				if err == nil {
					n++
				} else if !assert.ErrorIs(t, err, store.ErrConflict) {
					return
				}
			}
		})
	}
	all.Wait()
	data, _, err := openAt(t, parse(t, url)).Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(stores*each), string(data))
}

// ignoredPath checks that a store is refused if the pooler does not pass on the search_path that its
// connection string asks for: it would use the records of another application.
func ignoredPath(t *testing.T, server *fleet.Server, url string) {
	exec(t, server, `CREATE SCHEMA mine`)
	c := config(t, server, "mine")
	require.NoError(t, pgstore.Migrate(t.Context(), c))
	openAt(t, c)
	for _, ask := range []string{
		"&search_path=mine", "&options=-csearch_path%3Dmine", "&options=-c%20search_path%3Dmine",
		"&options=--search_path%3Dmine",
	} {
		unsafe := refused(t, parse(t, url+ask))
		assert.Equal(t, "search_path", unsafe.Setting, ask)
		assert.Equal(t, "mine", unsafe.Must, ask)
		openAt(t, parse(t, server.ConnString()+ask)) // which passes it on
	}
}

// leftPath checks that a search_path that another application leaves on the connection leads nobody
// to another table: neither a store that is open nor one that is opened.
func leftPath(t *testing.T, server *fleet.Server, url string) {
	exec(t, server, `CREATE SCHEMA other`)
	require.NoError(t, pgstore.Migrate(t.Context(), config(t, server, "other")))
	s := openAt(t, parse(t, url))
	rev, err := s.Put(t.Context(), "path", []byte("first"), 0)
	require.NoError(t, err)
	leave(t, url, `SET search_path = other`)
	data, _, err := s.Get(t.Context(), "path")
	require.NoError(t, err)
	assert.Equal(t, "first", string(data))
	rev, err = s.Put(t.Context(), "path", []byte("second"), rev)
	require.NoError(t, err)
	_, again, err := openAt(t, parse(t, url)).Get(t.Context(), "path")
	require.NoError(t, err)
	assert.Equal(t, rev, again)
	leave(t, url, `RESET search_path`)

	// A search_path that is configured otherwise since then is noticed by the next connection.
	exec(t, server, `ALTER ROLE tally SET search_path = other`)
	c := parse(t, server.ConnString())
	assert.Empty(t, keysOf(t, openAt(t, c)), "who starts uses what is configured")
	exec(t, server, `ALTER ROLE tally RESET search_path`)
	c.MaxConns = 1
	direct := openAt(t, c)
	_, _, err = direct.Get(t.Context(), "path")
	require.NoError(t, err)
	exec(t, server, `ALTER ROLE tally SET search_path = other`)
	exec(t, server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
	var unsafe *store.UnsafeError
	await(t, func() bool { // the first call meets the connection that was cut
		_, _, err = direct.Get(t.Context(), "path")
		return errors.As(err, &unsafe)
	}, "the next connection is refused")
	assert.Equal(t, "search_path", unsafe.Setting)
	exec(t, server, `ALTER ROLE tally RESET search_path`)
}

func keysOf(t testing.TB, s *pgstore.Store) (keys []string) {
	t.Helper()
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, e.Key)
	}
	return keys
}

// leftCommit checks that no acknowledged write is lost because another application leaves
// synchronous_commit = off on the connection.
func leftCommit(t *testing.T, server *fleet.Server, url string) {
	ctx := t.Context()
	s := openAt(t, parse(t, url))
	rev, err := s.Put(ctx, "kept", []byte("first"), 0)
	require.NoError(t, err)
	for name, write := range map[string]func() error{
		"update": func() (err error) { rev, err = s.Put(ctx, "kept", []byte("second"), rev); return err },
		"insert": func() error { _, err := s.Put(ctx, "new", []byte("x"), 0); return err },
		"move":   func() error { return s.Move(ctx, "moves", mustRev(t, s, "moves"), "moved") },
	} {
		if name == "move" {
			_, err = s.Put(ctx, "moves", []byte("x"), 0)
			require.NoError(t, err)
		}
		leave(t, url, `SET synchronous_commit = off`)
		openAt(t, parse(t, url)) // it is not the server's setting
		require.NoError(t, write(), name)
		server.Kill(t)
		server.Start(t)
		fresh := openAt(t, parse(t, server.ConnString()))
		switch name {
		case "update":
			assert.Equal(t, rev, mustRev(t, fresh, "kept"))
		case "insert":
			assert.NotZero(t, mustRev(t, fresh, "new"))
		case "move":
			assert.NotZero(t, mustRev(t, fresh, "moved"))
		}
		await(t, func() bool { // the pooler's connection was cut
			_, _, err = s.Get(ctx, "kept")
			return err == nil
		}, "the pooler is back")
	}
}

func mustRev(t testing.TB, s *pgstore.Store, key string) uint64 {
	t.Helper()
	_, rev, err := s.Get(t.Context(), key)
	require.NoError(t, err, key)
	return rev
}
