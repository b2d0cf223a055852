package fleet_test

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/fleet"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/pgstore"
	"github.com/seed-5fe1f529/tallystick/store/redisstore"
)

// within makes a paid request with a context that ends, and returns its error.
func (m *machine) within(d time.Duration) error {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.srv.URL+"/data", nil)
	require.NoError(m.t, err)
	resp, err := m.http.Do(req)
	if err != nil {
		return err
	}
	assert.Equal(m.t, http.StatusOK, resp.StatusCode)
	return resp.Body.Close()
}

func redisOf(t testing.TB, server *fleet.Server) (open func() store.Store, admin *redis.Client) {
	t.Helper()
	o := &redis.Options{Addr: server.Addr}
	admin = redis.NewClient(o)
	t.Cleanup(func() { _ = admin.Close() })
	return func() store.Store {
		s, err := redisstore.Open(t.Context(), o)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}, admin
}

// TestEmptiedStore empties the store under a session that has requested a close: nothing is paid any
// more, no second deposit is made, and who waits for the money gets an error and not the end of it.
func TestEmptiedStore(t *testing.T) {
	ctx := t.Context()
	open, admin := redisOf(t, fleet.Redis(t, fleet.SafeRedis...))
	srv := clienttest.New(t, clienttest.Config{})
	m := boot(t, srv, srv.Payer(), open(), open(), limits(0))
	require.True(t, m.get("/data"))
	id := m.only().ID
	require.NoError(t, m.session.Channels().RequestClose(ctx, id))
	pending, _, err := m.session.Channels().Sweep(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, pending)
	require.NoError(t, admin.FlushAll(ctx).Err())

	_, _, err = m.session.Channels().Sweep(ctx)
	require.ErrorIs(t, err, store.ErrCorrupt)
	assert.ErrorContains(t, err, id.Hex())
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	require.ErrorIs(t, m.session.Channels().SweepUntilDone(ctx), store.ErrCorrupt)
	missing := 0
	for _, err := range m.session.Channels().All(ctx) {
		require.ErrorIs(t, err, store.ErrCorrupt)
		missing++
	}
	assert.Equal(t, 1, missing)
	assert.False(t, srv.Chain.Channel(id).Deposit.IsZero(), "the money is in the escrow")
	require.ErrorIs(t, m.within(time.Minute), store.ErrCorrupt)
	assert.Len(t, srv.Accounts(), 1)
	assert.Empty(t, admin.Keys(ctx, "*record*").Val(), "nothing was written")
}

// TestEmptiedUnderAPayer empties the store under a session that pays. It goes on at most up to what
// it had stored.
func TestEmptiedUnderAPayer(t *testing.T) {
	open, admin := redisOf(t, fleet.Redis(t, fleet.SafeRedis...))
	for _, ahead := range []uint64{0, 16} {
		srv := clienttest.New(t, clienttest.Config{})
		m := boot(t, srv, srv.Payer(), open(), nil, limits(ahead*price))
		require.True(t, m.get("/data"))
		require.True(t, m.get("/data"))
		before := m.only()
		require.NoError(t, admin.FlushAll(t.Context()).Err())
		var err error
		for n := 0; err == nil; n++ {
			require.LessOrEqual(t, n, int(ahead), "ahead %d", ahead)
			err = m.within(time.Minute)
		}
		require.ErrorIs(t, err, store.ErrCorrupt)
		for range 3 {
			require.ErrorIs(t, m.within(time.Minute), store.ErrCorrupt)
		}
		account, ok := srv.Account(before.ID)
		require.True(t, ok)
		assert.False(t, before.Authorized.Less(account.Accepted), "no voucher is above the record that was lost")
		assert.Len(t, srv.Accounts(), 1, "and no second deposit was made")
	}
}

// TestLatePut lets a write land after its request was given up and the record was read again. It
// only conflicts: what is signed is what was served, and never above the record.
func TestLatePut(t *testing.T) {
	open, admin := redisOf(t, fleet.Redis(t, fleet.SafeRedis...))
	srv := clienttest.New(t, clienttest.Config{})
	m := boot(t, srv, srv.Payer(), open(), open(), limits(0))
	for range 3 {
		require.True(t, m.get("/data"))
	}
	id := m.only().ID
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "PAUSE", "60000", "WRITE").Err()) // reads go on
	// A busy machine may not come to write in that time.
	for blocked(t, admin) == 0 {
		require.ErrorIs(t, m.within(200*time.Millisecond), context.DeadlineExceeded)
	}
	done := make(chan error, 1)
	go func() { done <- m.within(time.Minute) }()
	await(t, func() bool { // the late write and that of the second request
		return blocked(t, admin) >= 2
	}, "two writes are on their way")
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "UNPAUSE").Err())
	require.NoError(t, <-done)
	require.True(t, m.get("/data"))
	require.NoError(t, m.session.Close(t.Context()))
	s, account := m.only(), mustAccount(t, srv, m)
	assert.Equal(t, id, s.ID)
	assert.Equal(t, u(5*price), account.Spent)
	assert.Equal(t, account.Spent, s.Signed, "what was signed was served")
	assert.Equal(t, account.Accepted, s.Signed)
	assert.False(t, s.Asked.Less(s.Authorized), "%s asked for, %s authorized", s.Asked, s.Authorized)
}

var regexpFlags = regexp.MustCompile(`flags=(\w+)`)

// blocked returns how many clients a paused server lets wait.
func blocked(t testing.TB, admin *redis.Client) (n int) {
	t.Helper()
	list, err := admin.Do(t.Context(), "CLIENT", "LIST").Text()
	require.NoError(t, err)
	for _, flags := range regexpFlags.FindAllStringSubmatch(list, -1) {
		if flags[1] == "b" {
			n++
		}
	}
	return n
}

func mustAccount(t testing.TB, srv *clienttest.Server, m *machine) clienttest.Account {
	t.Helper()
	account, ok := srv.Account(m.only().ID)
	require.True(t, ok)
	return account
}

// TestSynchronousStandbyIsAway takes the synchronous standby away under a session whose requests
// end before it is back, and lets it take over then: no voucher is above the record that survives.
func TestSynchronousStandbyIsAway(t *testing.T) {
	ctx := t.Context()
	primary := fleet.Postgres(t)
	exec := func(server *fleet.Server, statement string) {
		conn, err := pgx.Connect(ctx, server.ConnString())
		require.NoError(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(ctx, statement)
		require.NoError(t, err)
	}
	c, err := pgxpool.ParseConfig(primary.ConnString())
	require.NoError(t, err)
	require.NoError(t, pgstore.Migrate(ctx, c))
	standby := fleet.Standby(t, primary)
	exec(primary, `ALTER SYSTEM SET synchronous_standby_names = '*'`)
	exec(primary, `SELECT pg_reload_conf()`)
	c, err = pgxpool.ParseConfig("postgres://tally@" + primary.Addr + "," + standby.Addr +
		"/postgres?sslmode=disable&target_session_attrs=read-write")
	require.NoError(t, err)
	open := func() store.Store {
		s, err := pgstore.Open(ctx, c)
		require.NoError(t, err)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	srv := clienttest.New(t, clienttest.Config{})
	m := boot(t, srv, srv.Payer(), open(), nil, limits(0))
	require.True(t, m.get("/data"))
	id := m.only().ID

	standby.Kill(t)
	for range 3 {
		require.Error(t, m.within(300*time.Millisecond), "nothing is paid while the standby is away")
		exec(primary, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
	}
	account, ok := srv.Account(id)
	require.True(t, ok)
	primary.Kill(t)
	standby.Start(t)
	standby.Promote(t)
	data, _, err := open().Get(ctx, rule.StateKey(id))
	require.NoError(t, err)
	survives, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, account.Accepted, survives.Authorized(), "no voucher is above the record that survives")
	await(t, func() bool { return m.within(time.Minute) == nil }, "the session goes on with it")
}
