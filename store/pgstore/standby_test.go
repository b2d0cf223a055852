package pgstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
)

// pair is a primary with a synchronous standby.
type pair struct {
	primary, standby *fleet.Server
	config           *pgxpool.Config // leads to whichever is the primary
	watch            *pgx.Conn       // to the primary, for what is asked again and again
}

func newPair(t *testing.T) *pair {
	t.Helper()
	primary := fleet.Postgres(t)
	require.NoError(t, pgstore.Migrate(t.Context(), config(t, primary, "")))
	exec(t, primary, `ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'`) // the standby copies it
	standby := fleet.Standby(t, primary)
	exec(t, primary, `ALTER SYSTEM SET synchronous_standby_names = '*'`)
	exec(t, primary, `SELECT pg_reload_conf()`)
	p := &pair{primary: primary, standby: standby, config: parse(t, "postgres://tally@"+primary.Addr+","+
		standby.Addr+"/postgres?sslmode=disable&target_session_attrs=read-write")}
	await(t, func() bool {
		return p.count(t, `SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`) == 1
	}, "the standby is synchronous")
	return p
}

// count returns the number that a query of the primary returns.
func (p *pair) count(t testing.TB, query string) int {
	t.Helper()
	return ask[int](t, p, query)
}

// ask returns the value that a query of the primary returns.
func ask[T any](t testing.TB, p *pair, query string, args ...any) (value T) {
	t.Helper()
	if p.watch == nil || p.watch.Ping(t.Context()) != nil { // the primary was killed since
		conn, err := pgx.Connect(t.Context(), p.primary.ConnString())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		p.watch = conn
	}
	require.NoError(t, p.watch.QueryRow(t.Context(), query, args...).Scan(&value))
	return value
}

// waits tells whether a Put that began since a time of the primary's waits for the standby. Older ones do not
// count: one that was canceled ends at any time. Reads wait for the standby as well, and give up.
func (p *pair) waits(t testing.TB, since time.Time) bool {
	t.Helper()
	return ask[bool](t, p, `SELECT count(*) > 0 FROM pg_stat_activity
		WHERE wait_event = 'SyncRep' AND query LIKE 'UPDATE%' AND query_start > $1`, since)
}

// now returns the time of the primary.
func (p *pair) now(t testing.TB) time.Time {
	t.Helper()
	return ask[time.Time](t, p, `SELECT clock_timestamp()`)
}

// begin starts a Put that waits for the standby.
func (p *pair) begin(t *testing.T, s *pgstore.Store, key, data string, rev uint64) (err <-chan error) {
	t.Helper()
	done, since := make(chan error, 1), p.now(t)
	go func() {
		_, err := s.Put(t.Context(), key, []byte(data), rev)
		done <- err
	}()
	await(t, func() bool { return p.waits(t, since) }, "the write waits for the standby")
	return done
}

// stored returns what the primary shows to others.
func (p *pair) stored(t testing.TB, key string) (data string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), p.primary.ConnString())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(
		t.Context(), `SELECT convert_from(data, 'UTF8') FROM tallystick_records WHERE key = $1`, key,
	).Scan(&data))
	return data
}

// untrusted checks that a store does not return a record that is not replicated.
func untrusted(t *testing.T, s *pgstore.Store, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	data, _, err := s.Get(ctx, key)
	require.ErrorIs(t, err, context.DeadlineExceeded, "%s: %s", key, data)
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for e, err := range s.List(ctx, key) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Empty(t, e)
	}
}

// TestSynchronousStandby takes the standby away and ends waits for it in every way there is: what
// others see then is returned to nobody before it is on the standby, and is lost to nobody if the
// standby takes over.
func TestSynchronousStandby(t *testing.T) {
	ctx := t.Context()
	p := newPair(t)
	a, b := openAt(t, p.config), openAt(t, p.config)
	first := map[string]uint64{}
	keys := []string{"context", "cancel", "terminate", "crash"}
	for _, key := range keys {
		rev, err := a.Put(ctx, key, []byte("first"), 0)
		require.NoError(t, err)
		first[key] = rev
		_, err = b.Put(ctx, key, []byte("x"), 0)
		require.ErrorIs(t, err, store.ErrConflict)
	}
	assert.Len(t, keysOf(t, b), len(keys))

	p.standby.Kill(t)
	since := p.now(t)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err := a.Put(short, "context", []byte("second"), first["context"])
	require.ErrorIs(t, err, context.DeadlineExceeded)
	await(t, func() bool { return p.waits(t, since) }, "the write is not canceled with its caller")
	data, rev, err := b.Get(ctx, "context")
	require.NoError(t, err, "and nobody sees it yet")
	assert.Equal(t, "first", string(data))
	assert.Equal(t, first["context"], rev)

	done := p.begin(t, a, "cancel", "second", first["cancel"])
	exec(t, p.primary, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	err = <-done
	require.ErrorContains(t, err, "synchronous standby")
	require.NotErrorIs(t, err, store.ErrConflict)
	done = p.begin(t, a, "terminate", "second", first["terminate"])
	exec(t, p.primary, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	require.Error(t, <-done)
	for _, key := range []string{"context", "cancel", "terminate"} {
		assert.Equal(t, "second", p.stored(t, key), "others see it")
		untrusted(t, a, key)
		untrusted(t, openAt(t, p.config), key)
	}
	done = p.begin(t, a, "crash", "second", first["crash"])
	p.primary.Kill(t)
	require.Error(t, <-done)
	p.primary.Start(t)
	assert.Equal(t, "second", p.stored(t, "crash"), "others see it")
	untrusted(t, openAt(t, p.config), "crash")
	data, _, err = openAt(t, p.config).Get(ctx, "nothing")
	require.ErrorIs(t, err, store.ErrNotFound, "%s", data)

	// When the standby is back, all is well, also for a user with no more rights than are needed.
	p.standby.Start(t)
	exec(t, p.primary, `CREATE ROLE app LOGIN; GRANT SELECT, INSERT, UPDATE ON tallystick_records TO app`)
	app := openAt(t, parse(t, "postgres://app@"+p.primary.Addr+"/postgres?sslmode=disable"))
	assert.Equal(t, []string{"cancel", "context", "crash", "terminate"}, keysOf(t, app))
	_, err = app.Put(ctx, "app", nil, 0)
	require.NoError(t, err)
	for _, key := range keys {
		await(t, func() bool { // connections were cut
			data, rev, err = b.Get(ctx, key)
			return err == nil
		}, key)
		assert.Equal(t, "second", string(data), key)
		_, err = b.Put(ctx, key, []byte("third"), rev)
		require.NoError(t, err)
	}

	// It goes away once more, a write is canceled, and it takes over.
	p.standby.Kill(t)
	_, rev, err = b.Get(ctx, "cancel")
	require.NoError(t, err)
	done = p.begin(t, b, "cancel", "fourth", rev)
	exec(t, p.primary, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	require.Error(t, <-done)
	untrusted(t, b, "cancel")
	p.primary.Kill(t)
	p.standby.Start(t)
	p.standby.Promote(t)
	await(t, func() bool {
		data, rev, err = b.Get(ctx, "cancel")
		require.NotErrorIs(t, err, store.ErrCorrupt)
		return err == nil
	}, "the store finds the new primary")
	assert.Equal(t, "third", string(data), "the write that was unknown is lost, and nobody relied on it")
	_, err = b.Put(ctx, "cancel", []byte("again"), rev)
	require.NoError(t, err)
}

// TestWriteBound checks that a write whose context does not end is given up all the same.
func TestWriteBound(t *testing.T) {
	defer pgstore.SetWriteBound(100 * time.Millisecond)()
	server := fleet.Postgres(t)
	c := config(t, server, "")
	require.NoError(t, pgstore.Migrate(t.Context(), c))
	c.MaxConnLifetime = 24 * time.Hour
	s := openAt(t, c)
	assert.Equal(t, time.Hour, s.Lifetime(), "settings are checked again")
	rev, err := s.Put(t.Context(), "k", []byte("before"), 0)
	require.NoError(t, err)
	holder, err := pgx.Connect(t.Context(), server.ConnString())
	require.NoError(t, err)
	defer holder.Close(context.Background())
	tx, err := holder.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM tallystick_records FOR UPDATE`)
	require.NoError(t, err)
	_, err = s.Put(t.Context(), "k", []byte("after"), rev)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, store.ErrConflict)
	require.NoError(t, tx.Rollback(t.Context()))
}
