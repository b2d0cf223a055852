package shared

import (
	"context"
	"fmt"
	"testing"

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

// kind is a kind of durable store: how a test gets an empty place for one, and how a process opens it.
type kind struct {
	empty func(t *testing.T) (at string)
	open  func(ctx context.Context, at string) (store.Store, error)
}

// kinds are all durable stores.
var kinds = map[string]kind{
	"file":     {func(t *testing.T) string { return t.TempDir() }, openFiles},
	"redis":    {func(t *testing.T) string { return fleet.Redis(t, fleet.SafeRedis...).Addr }, openRedis},
	"postgres": {emptyPostgres, openPostgres},
}

func openFiles(_ context.Context, at string) (store.Store, error) { return filestore.Open(at) }

func openRedis(ctx context.Context, at string) (store.Store, error) {
	return redisstore.Open(ctx, &redis.Options{Addr: at})
}

func emptyPostgres(t *testing.T) string {
	at := fleet.Postgres(t, "max_connections=200").ConnString()
	c, err := pgxpool.ParseConfig(at)
	require.NoError(t, err)
	require.NoError(t, pgstore.Migrate(t.Context(), c))
	return at
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
