package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// killedServer kills the server with SIGKILL at random moments while four machines write, and starts it again:
// nothing that was acknowledged or read is lost, and nothing is there that nobody wrote.
func killedServer(t *testing.T, p *place) {
	const rounds, machines = 5, 4
	open := p.fresh(t)
	var stores []store.Store
	for range machines {
		stores = append(stores, open(t))
	}
	acknowledged := 0
	var last [machines]int // what each has on disk for sure
	for round := range rounds {
		var done atomic.Int64
		var all sync.WaitGroup
		var tried [machines]int
		for i, s := range stores {
			all.Go(func() {
				key := fmt.Sprintf("channel/%d", i)
				n, rev := 0, uint64(0)
				data, rev, err := s.Get(t.Context(), key)
				if err == nil {
					_, err = fmt.Sscan(string(data), &n)
				}
				if errors.Is(err, store.ErrNotFound) {
					err = nil
				}
				assert.NoError(t, err)
				for err == nil {
					n++
					tried[i] = n
					if rev, err = s.Put(t.Context(), key, fmt.Appendf(nil, "%d %s", n, bytes.Repeat([]byte("r"), 1000)), rev); err == nil {
						last[i] = n
						done.Add(1)
					}
				}
				assert.NotErrorIs(t, err, store.ErrConflict)
			})
		}
		moment := 50 + rand.Int64N(300)
		await(t, func() bool { return done.Load() >= moment }, "the machines write")
		p.Kill(t)
		all.Wait()
		acknowledged += int(done.Load())
		p.Start(t)
		for i, s := range stores {
			n := 0
			data := eventually(t, s, fmt.Sprintf("channel/%d", i))
			_, err := fmt.Sscan(string(data), &n)
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, last[i], "round %d: what was acknowledged is gone", round)
			require.LessOrEqual(t, n, tried[i], "round %d", round)
		}
	}
	t.Logf("%d writes acknowledged before %d kills", acknowledged, rounds)
}

// eventually gets a record; the first calls may still meet connections that were just cut.
func eventually(t *testing.T, s store.Store, key string) (data []byte) {
	t.Helper()
	await(t, func() (ok bool) {
		var err error
		data, _, err = s.Get(t.Context(), key)
		require.NotErrorIs(t, err, store.ErrNotFound, key)
		require.NotErrorIs(t, err, store.ErrCorrupt, key)
		return err == nil
	}, "the server is back")
	return data
}

// fullDisk lets the server's files grow to a bound and no further: a write fails, and what was acknowledged before
// is there when there is room again.
func fullDisk(t *testing.T, p *place) {
	open := p.fresh(t)
	p.Kill(t)
	p.Limit(20 << 20) // above a segment of PostgreSQL's log, which is made whole
	p.Start(t)
	s := open(t)
	record := make([]byte, 60<<10)
	fill := rand.NewChaCha8([32]byte{5}) // nothing that can be compressed
	var revs []uint64
	var refused error
	for len(revs) < 1000 && refused == nil {
		_, _ = fill.Read(record)
		var rev uint64
		if rev, refused = s.Put(t.Context(), fmt.Sprintf("channel/%04d", len(revs)), record, 0); refused == nil {
			revs = append(revs, rev)
		}
	}
	require.Error(t, refused, "the limit was not met")
	require.NotErrorIs(t, refused, store.ErrConflict)
	require.NotErrorIs(t, refused, store.ErrCorrupt)
	t.Logf("%d records fit, then: %v", len(revs), refused)
	p.Kill(t)
	p.Limit(0)
	p.Start(t)
	s = open(t)
	n := 0
	for e, err := range s.List(context.Background(), "channel/") {
		require.NoError(t, err)
		if n < len(revs) { // the one that failed may be there
			require.Equal(t, fmt.Sprintf("channel/%04d", n), e.Key)
			require.Equal(t, revs[n], e.Rev)
		}
		n++
	}
	require.GreaterOrEqual(t, n, len(revs))
	_, err := s.Put(t.Context(), "room", record, 0)
	require.NoError(t, err)
}
