// Package storetest tests implementations of [store.Store], and injects faults for the tests of
// their users.
//
// The test of a driver consists of two calls:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t testing.TB) store.Store { return openEmpty(t) })
//		storetest.Durable(t, func(t testing.TB) func() store.Store {
//			place := newPlace(t)
//			return func() store.Store { return openAt(t, place) }
//		})
//	}
package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// Run tests what [store.Store] requires of one open store, and what [store.Mover] requires if the
// store is one. open returns a new empty store at each
// call and registers its own cleanup.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for name, check := range map[string]func(*testing.T, store.Store){
		"put and get":        putAndGet,
		"conflict":           conflict,
		"revisions rise":     revisionsRise,
		"keys":               keys,
		"sizes":              sizes,
		"bytes":              anyBytes,
		"slices are copies":  copies,
		"list order":         listOrder,
		"list prefix":        listPrefix,
		"list stops":         listStops,
		"context":            contextEnds,
		"one winner":         oneWinner,
		"no update is lost":  noLostUpdate,
		"readers beside one": readersBesideWriter,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
	for name, check := range moves {
		t.Run(name, func(t *testing.T) {
			m, ok := open(t).(store.Mover)
			if !ok {
				t.Skip("this store moves no records")
			}
			check(t, m)
		})
	}
}

// Durable tests what [store.Store] requires of several users of one place, such as a directory or a
// database. open creates an empty place and returns a function that opens it. Each call of that function
// stands for another process, or for the same process after a restart.
func Durable(t *testing.T, open func(t testing.TB) func() store.Store) {
	t.Run("reopen", func(t *testing.T) {
		again := open(t)
		rev := put(t, again(), "channel/a", "before", 0)
		s := again()
		want(t, s, "channel/a", "before", rev)
		next := put(t, s, "channel/a", "after", rev)
		assert.Greater(t, next, rev)
		want(t, again(), "channel/a", "after", next)
		assert.Equal(
			t, []store.Entry{{Key: "channel/a", Data: []byte("after"), Rev: next}},
			list(t, again(), ""),
		)
	})
	t.Run("two handles", func(t *testing.T) {
		again := open(t)
		a, b := again(), again()
		rev := put(t, a, "k", "a", 0)
		want(t, b, "k", "a", rev)
		next := put(t, b, "k", "b", rev)
		_, err := a.Put(t.Context(), "k", []byte("late"), rev)
		require.ErrorIs(t, err, store.ErrConflict)
		want(t, a, "k", "b", next)
	})
	t.Run("one winner of two handles", func(t *testing.T) {
		again := open(t)
		race(t, again(), again())
	})
	t.Run("no update is lost between handles", func(t *testing.T) {
		again := open(t)
		count(t, again(), again(), again(), again())
	})
	movesBetweenHandles(t, open)
}

func put(t testing.TB, s store.Store, key, data string, rev uint64) uint64 {
	t.Helper()
	next, err := s.Put(context.Background(), key, []byte(data), rev)
	require.NoError(t, err, "Put(%s, rev %d)", key, rev)
	require.NotZero(t, next)
	return next
}

func want(t testing.TB, s store.Store, key, data string, rev uint64) {
	t.Helper()
	got, gotRev, err := s.Get(context.Background(), key)
	require.NoError(t, err, "Get(%s)", key)
	assert.Equal(t, data, string(got))
	assert.Equal(t, rev, gotRev)
}

func list(t testing.TB, s store.Store, prefix string) (all []store.Entry) {
	t.Helper()
	for e, err := range s.List(context.Background(), prefix) {
		require.NoError(t, err)
		all = append(all, e)
	}
	return all
}

// race lets sixteen goroutines read the same revision before any of them writes.
func race(t *testing.T, stores ...store.Store) {
	const writers = 16
	rev := put(t, stores[0], "raced", "0", 0)
	var read, done sync.WaitGroup
	read.Add(writers)
	revs, errs := make([]uint64, writers), make([]error, writers)
	for i := range writers {
		done.Go(func() {
			s := stores[i%len(stores)]
			_, have, err := s.Get(t.Context(), "raced")
			assert.NoError(t, err)
			read.Done()
			read.Wait() // all have read before the first write
			revs[i], errs[i] = s.Put(t.Context(), "raced", fmt.Append(nil, i), have)
		})
	}
	done.Wait()
	winner := -1
	for i, err := range errs {
		if err != nil {
			assert.ErrorIs(t, err, store.ErrConflict, "the others get a conflict")
			continue
		}
		assert.Equal(t, -1, winner, "two writers replaced the same revision")
		winner = i
	}
	require.NotEqual(t, -1, winner, "no writer succeeded")
	assert.Greater(t, revs[winner], rev)
	want(t, stores[0], "raced", fmt.Sprint(winner), revs[winner])
}

// count increments a number from many goroutines with Increment.
func count(t *testing.T, stores ...store.Store) {
	const workers, each = 16, 8
	var done sync.WaitGroup
	for i := range workers {
		s := stores[i%len(stores)]
		done.Go(func() {
			for range each {
				if err := Increment(t.Context(), s, "count"); !assert.NoError(t, err) {
					return
				}
			}
		})
	}
	done.Wait()
	data, _, err := stores[0].Get(t.Context(), "count")
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprint(workers*each), string(data))
}

// Increment adds one to the decimal number in the record under key, which need not exist. It is
// safe for concurrent use by any number of processes. It shows the correct use of compare and swap.
func Increment(ctx context.Context, s store.Store, key string) error {
	for {
		n := 0
		data, rev, err := s.Get(ctx, key)
		if err == nil {
			_, err = fmt.Fscan(strings.NewReader(string(data)), &n)
		} else if isNotFound(err) {
			err = nil
		}
		if err != nil {
			return err
		}
		if _, err = s.Put(ctx, key, fmt.Append(nil, n+1), rev); !isConflict(err) {
			return err
		}
	}
}
