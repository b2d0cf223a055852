package shared

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
)

// place is where a store is, in words that another process understands.
type place struct{ Kind, At string }

// kind is a kind of durable store: how a test gets empty places for one, and how a process opens it.
type kind struct {
	empties func(t *testing.T) (empty func(t *testing.T) (at string))
	open    func(ctx context.Context, at string) (store.Store, error)
}

// kinds are all durable stores.
var kinds = map[string]kind{
	"file":     {emptyFiles, openFiles},
	"redis":    {emptyRedis, openRedis},
	"postgres": {emptyPostgres, openPostgres},
}

func emptyFiles(*testing.T) func(*testing.T) string {
	return func(t *testing.T) string { return t.TempDir() }
}

func openFiles(_ context.Context, at string) (store.Store, error) { return filestore.Open(at) }

func emptyRedis(t *testing.T) func(*testing.T) string {
	server, n := fleet.Redis(t, fleet.SafeRedis...), 0
	return func(*testing.T) string {
		n++
		return fmt.Sprintf("redis://%s/%d", server.Addr, n)
	}
}

func openRedis(ctx context.Context, at string) (store.Store, error) {
	options, err := redis.ParseURL(at)
	if err != nil {
		return nil, err
	}
	return redisstore.Open(ctx, options)
}

func emptyPostgres(t *testing.T) func(*testing.T) string {
	server, n := fleet.Postgres(t, "max_connections=200"), 0
	return func(t *testing.T) string {
		n++
		db := fmt.Sprint("fleet", n)
		conn, err := pgx.Connect(t.Context(), server.ConnString())
		require.NoError(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		_, err = conn.Exec(t.Context(), "CREATE DATABASE "+db)
		require.NoError(t, err)
		c, err := pgxpool.ParseConfig(server.ConnString())
		require.NoError(t, err)
		c.ConnConfig.Database = db
		require.NoError(t, pgstore.Migrate(t.Context(), c))
		return strings.Replace(server.ConnString(), "postgres?", db+"?", 1)
	}
}

func openPostgres(ctx context.Context, at string) (store.Store, error) {
	c, err := pgxpool.ParseConfig(at)
	if err != nil {
		return nil, err
	}
	return pgstore.Open(ctx, c)
}

func (p place) open(ctx context.Context) (store.Store, func(), error) {
	k, ok := kinds[p.Kind]
	if !ok {
		return nil, nil, fmt.Errorf("shared: no store %q", p.Kind)
	}
	s, err := k.open(ctx, p.At)
	if err != nil {
		return nil, nil, err
	}
	return s, func() { _ = s.(interface{ Close() error }).Close() }, nil
}
