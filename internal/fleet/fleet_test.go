package fleet_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
)

// place is a server that stores can be made on.
type place struct {
	*fleet.Server
	// fresh makes an empty store and returns what opens it; each call stands for another machine.
	fresh func(t testing.TB) (open func(t testing.TB) store.Store)
	// cut closes all connections of stores at once.
	cut func(t testing.TB)
	// trips is how many commands stores have sent so far.
	trips func(t testing.TB) int
}

// TestMain runs the tests.
func TestMain(m *testing.M) {
	testrun.OnlyPeers()
	os.Exit(m.Run())
}

func TestRedis(t *testing.T)    { everything(t, redisPlace(t)) }
func TestPostgres(t *testing.T) { everything(t, postgresPlace(t)) }

// everything is one server a driver, since a new one takes its time. The last ones kill it.
func everything(t *testing.T, p *place) {
	t.Run("no update is lost", func(t *testing.T) { contend(t, p, 500, false) })
	t.Run("no update is lost with cut connections", func(t *testing.T) { contend(t, p, 200, true) })
	t.Run("round trips", func(t *testing.T) { roundTrips(t, p) })
	t.Run("many machines", func(t *testing.T) { manyMachines(t, p) })
	t.Run("whole life", func(t *testing.T) { wholeLife(t, p) })
	t.Run("killed server", func(t *testing.T) { killedServer(t, p) })
	t.Run("full disk", func(t *testing.T) { fullDisk(t, p) })
}

func redisPlace(t testing.TB) *place {
	server := fleet.Redis(t, fleet.SafeRedis...)
	admin := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = admin.Close() })
	var n atomic.Int64
	return &place{
		Server: server,
		fresh: func(testing.TB) func(testing.TB) store.Store {
			db := int(n.Add(1))
			return func(t testing.TB) store.Store {
				s, err := redisstore.Open(t.Context(), &redis.Options{Addr: server.Addr, DB: db})
				require.NoError(t, err)
				t.Cleanup(func() { _ = s.Close() })
				return s
			}
		},
		cut: func(t testing.TB) {
			require.NoError(t, admin.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes").Err())
		},
		trips: func(t testing.TB) (n int) {
			stats, err := admin.Info(t.Context(), "commandstats").Result()
			require.NoError(t, err)
			for line := range strings.Lines(stats) {
				name, rest, _ := strings.Cut(line, ":")
				switch name {
				case "cmdstat_evalsha", "cmdstat_eval": // the commands inside of scripts are counted too, under their own names
					var calls int
					_, err := fmt.Sscanf(rest, "calls=%d,", &calls)
					require.NoError(t, err)
					n += calls
				}
			}
			return n
		},
	}
}

// counter counts the statements of a store.
type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if strings.Contains(q.SQL, "tallystick_records") && !strings.Contains(q.SQL, "pg_is_in_recovery") {
		c.n.Add(1)
	}
	return ctx
}

func (c *counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func postgresPlace(t testing.TB) *place {
	server := fleet.Postgres(t)
	var n atomic.Int64
	counted := &counter{}
	config := func(t testing.TB) *pgxpool.Config {
		c, err := pgxpool.ParseConfig(server.ConnString())
		require.NoError(t, err)
		return c
	}
	exec := func(t testing.TB, statement string) {
		conn, err := pgx.Connect(t.Context(), server.ConnString())
		require.NoError(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	return &place{
		Server: server,
		fresh: func(t testing.TB) func(testing.TB) store.Store {
			schema := fmt.Sprintf("s%d", n.Add(1))
			exec(t, "CREATE SCHEMA "+schema)
			c := config(t)
			c.ConnConfig.RuntimeParams["search_path"] = schema
			require.NoError(t, pgstore.Migrate(t.Context(), c))
			c.ConnConfig.Tracer = counted
			return func(t testing.TB) store.Store {
				s, err := pgstore.Open(t.Context(), c)
				require.NoError(t, err)
				t.Cleanup(func() { _ = s.Close() })
				return s
			}
		},
		cut: func(t testing.TB) {
			exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`)
		},
		trips: func(testing.TB) int { return int(counted.n.Load()) },
	}
}

// await waits for a condition that comes by itself.
func await(t testing.TB, done func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not in a minute: %s", what)
	}
}
