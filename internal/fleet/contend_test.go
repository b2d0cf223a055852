package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

const writers = 8

// tally is a record that says how often each writer has added one.
type tally [writers]int

func readTally(ctx context.Context, s store.Store, key string) (now tally, rev uint64, err error) {
	data, rev, err := s.Get(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return now, 0, nil
	}
	for i, word := range strings.Fields(string(data)) {
		if _, err := fmt.Sscan(word, &now[i]); err != nil {
			return now, rev, err
		}
	}
	return now, rev, err
}

func (t tally) bytes() []byte { return []byte(strings.Trim(fmt.Sprint([writers]int(t)), "[]")) }

// contend is eight writers on four machines, each of which adds one to its own place in one record, many
// times, and looks at every error as the interface says: a conflict wrote nothing, and everything else is unknown until it is
// read again. Where cut is set, all connections are cut again and again meanwhile.
func contend(t *testing.T, p *place, increments int, cut bool) {
	open := p.fresh(t)
	stores := []store.Store{open(t), open(t), open(t), open(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var conflicts, unknown, landed atomic.Int64
	var all, cutter sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			s, was := stores[i%len(stores)], 0
			for n := 1; n <= increments; n++ {
				doubt := false
				for done := false; !done; {
					now, rev, err := readTally(ctx, s, "count")
					if err != nil {
						if !assert.NoError(t, ctx.Err()) || !assert.NotErrorIs(t, err, store.ErrCorrupt) {
							return
						}
						continue // the connection was cut
					}
					if now[i] == n && assert.True(t, doubt, "what was called a conflict was written") {
						landed.Add(1)
						break
					}
					if !assert.Equal(t, was, now[i], "an update of writer %d is lost", i) {
						return
					}
					now[i] = n
					switch _, err = s.Put(ctx, "count", now.bytes(), rev); {
					case err == nil:
						done = true
					case errors.Is(err, store.ErrConflict):
						conflicts.Add(1)
					case !assert.NoError(t, ctx.Err()):
						return
					default:
						unknown.Add(1)
						doubt = true
					}
				}
				was = n
			}
		})
	}
	if stop := make(chan struct{}); cut {
		cutter.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
					p.cut(t)
				}
			}
		})
		defer cutter.Wait()
		defer close(stop)
	}
	all.Wait()
	t.Logf("%d conflicts, %d unknown, of which %d had been written", conflicts.Load(), unknown.Load(), landed.Load())
	want := tally{}
	for i := range want {
		want[i] = increments
	}
	await(t, func() bool {
		now, _, err := readTally(ctx, stores[0], "count")
		require.True(t, err != nil || now == want, "%v", now)
		return err == nil
	}, "the count can be read")
	if cut {
		assert.NotZero(t, unknown.Load(), "no cut met a write")
	}
}
