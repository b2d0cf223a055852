package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// writeBound bounds a write, which goes on after its caller has stopped waiting, of a Store that is
// opened now.
var writeBound = 15 * time.Second // a variable for tests

// errNotReplicated is the error of a commit that did not wait for its synchronous standby to the
// end. It is on the disk of the server, others see it, and a failover may lose it.
var errNotReplicated = errors.New("the server stopped waiting for its synchronous standby: " +
	"the write is not known to be replicated")

// exec runs a statement that commits. It runs to its end also if ctx ends, because the driver would
// cancel it, which ends the wait for a synchronous standby and not the commit. The caller must not
// change the arguments afterwards. After an error it is unknown whether the statement was executed.
func (s *Store) exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	conn, err := s.db.Acquire(ctx) // nothing is sent yet, so this may end with ctx
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	type outcome struct {
		tag pgconn.CommandTag
		err error
	}
	done := make(chan outcome, 1)
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.bound)
	go func() {
		defer cancel()
		defer conn.Release()
		cut := stoppedWaiting(conn.Conn().PgConn())
		cut.Store(false)
		tag, err := conn.Exec(own, sql, args...)
		if cut.Load() {
			err = errors.Join(errNotReplicated, err)
		}
		done <- outcome{tag, err}
	}()
	select {
	case o := <-done:
		return o.tag, o.err
	case <-ctx.Done():
		return pgconn.CommandTag{}, fmt.Errorf("%w; the write may still be made", context.Cause(ctx))
	}
}

const noticeKey = "tallystick: stopped waiting"

// stoppedWaiting returns what watchNotices sets for a connection.
func stoppedWaiting(conn *pgconn.PgConn) *atomic.Bool {
	if flag, ok := conn.CustomData()[noticeKey].(*atomic.Bool); ok {
		return flag
	}
	flag := new(atomic.Bool)
	conn.CustomData()[noticeKey] = flag
	return flag
}

// watchNotices returns a handler that notes that the server did not wait for its synchronous
// standby, and calls the next one. It is called on the goroutine that uses the connection.
func watchNotices(next pgconn.NoticeHandler) pgconn.NoticeHandler {
	return func(conn *pgconn.PgConn, n *pgconn.Notice) {
		// The message is translated, so the place in the server's source is compared.
		place := n.File + n.Routine
		if n.SeverityUnlocalized == "WARNING" &&
			(place == "" || strings.Contains(place, "syncrep.c") || strings.Contains(place, "SyncRep")) {
			stoppedWaiting(conn).Store(true)
		}
		if next != nil {
			next(conn, n)
		}
	}
}

// flight is one wait for the synchronous standby, for all that ask for it before it begins.
type flight struct {
	done chan struct{}
	err  error // final when done is closed
}

// emit writes something to the log of the server and commits it with the setting that is given. A
// commit is acknowledged when everything before it is on the standby as well.
const emit = `SELECT set_config('synchronous_commit', $1, true),
pg_logical_emit_message(true, 'tallystick', ''::text)`

// replicated returns when everything that could be read before the call is on the synchronous
// standby too. A commit whose wait was canceled or cut is visible to all, and a failover loses it.
func (s *Store) replicated(ctx context.Context) error {
	s.mu.Lock()
	f := s.next
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.next = f
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fly makes one wait, when the one before has ended. It ends within two bounds.
func (s *Store) fly(ctx context.Context, f *flight) {
	defer close(f.done)
	s.flying.Lock()
	defer s.flying.Unlock()
	s.mu.Lock()
	s.next = nil // who comes now may have read something newer
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, s.bound)
	defer cancel()
	if _, f.err = s.exec(ctx, emit, *s.commit.Load()); f.err != nil {
		f.err = fmt.Errorf("it is not known to be on the synchronous standby: %w", f.err)
	}
}
