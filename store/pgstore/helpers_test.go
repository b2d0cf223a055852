package pgstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
)

// await waits until a condition holds.
func await(t testing.TB, done func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "not in a minute: %s", what)
	}
}

func isCorrupt(err error) bool { return errors.Is(err, store.ErrCorrupt) }

// count returns the number of records on a server.
func count(t testing.TB, server *fleet.Server) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.ConnString())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(
		t, conn.QueryRow(t.Context(), `SELECT count(*) FROM tallystick_records`).Scan(&n),
	)
	return n
}
