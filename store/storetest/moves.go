package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// moves are the checks of one open [store.Mover].
var moves = map[string]func(*testing.T, store.Mover){
	"move":                  moveKeeps,
	"move conflict":         moveConflict,
	"move leaves no room":   moveRetires,
	"move of any key":       moveKeys,
	"move context":          moveContext,
	"move while listing":    moveWhileListing,
	"move has one winner":   moveOneWinner,
	"move beside writers":   moveBesideWriters,
	"move beside a reader":  moveBesideReader,
	"moves into one target": moveToOneKey,
}

func absent(t testing.TB, s store.Store, key string) {
	t.Helper()
	data, rev, err := s.Get(context.Background(), key)
	require.ErrorIs(t, err, store.ErrNotFound, "Get(%s)", key)
	require.NotErrorIs(t, err, store.ErrCorrupt)
	assert.Empty(t, data)
	assert.Zero(t, rev)
}

func keysOf(t testing.TB, s store.Store, prefix string) (keys []string) {
	t.Helper()
	for _, e := range list(t, s, prefix) {
		keys = append(keys, e.Key)
	}
	return keys
}

func moveKeeps(t *testing.T, s store.Mover) {
	all := make([]byte, store.MaxRecord)
	for i := range all {
		all[i] = byte(i)
	}
	for i, data := range []string{"", "one", string(all)} {
		from, to := fmt.Sprintf("channel/%d", i), fmt.Sprintf("closed/%d", i)
		rev := put(t, s, from, data, put(t, s, from, "before", 0))
		require.NoError(t, s.Move(t.Context(), from, rev, to))
		absent(t, s, from)
		want(t, s, to, data, rev)
	}
	assert.Empty(t, keysOf(t, s, "channel/"))
	assert.Equal(t, []string{"closed/0", "closed/1", "closed/2"}, keysOf(t, s, ""))

	// The record goes on where it is now, and can move on.
	rev := put(t, s, "closed/1", "more", mustRev(t, s, "closed/1"))
	require.NoError(t, s.Move(t.Context(), "closed/1", rev, "z"))
	absent(t, s, "closed/1")
	want(t, s, "z", "more", rev)
	assert.Greater(t, put(t, s, "z", "still more", rev), rev)
}

func moveConflict(t *testing.T, s store.Mover) {
	require.ErrorIs(t, s.Move(t.Context(), "a", 0, "b"), store.ErrConflict, "there is no record")
	require.ErrorIs(t, s.Move(t.Context(), "a", 1, "b"), store.ErrConflict, "there is no record")
	first := put(t, s, "a", "one", 0)
	rev := put(t, s, "a", "two", first)
	for _, old := range []uint64{0, first, rev + 1, store.MovedRev, ^uint64(0)} {
		require.ErrorIs(t, s.Move(t.Context(), "a", old, "b"), store.ErrConflict, "revision %d", old)
	}
	other := put(t, s, "taken", "x", 0)
	require.ErrorIs(t, s.Move(t.Context(), "a", rev, "taken"), store.ErrConflict)
	require.ErrorIs(t, s.Move(t.Context(), "a", rev, "a"), store.ErrConflict, "it is there already")
	absent(t, s, "b")
	want(t, s, "a", "two", rev)
	want(t, s, "taken", "x", other)
	put(t, s, "b", "free", 0)
	put(t, s, "a", "three", rev)
}

func moveRetires(t *testing.T, s store.Mover) {
	rev := put(t, s, "a", "one", 0)
	require.NoError(t, s.Move(t.Context(), "a", rev, "b"))
	for _, old := range []uint64{0, 1, rev, rev + 1, store.MovedRev - 1, store.MovedRev, store.MovedRev + 1} {
		_, err := s.Put(t.Context(), "a", []byte("x"), old)
		require.ErrorIs(t, err, store.ErrConflict, "revision %d", old)
		require.ErrorIs(t, s.Move(t.Context(), "a", old, "c"), store.ErrConflict, "revision %d", old)
	}
	other := put(t, s, "other", "x", 0)
	require.ErrorIs(t, s.Move(t.Context(), "other", other, "a"), store.ErrConflict)
	require.ErrorIs(t, s.Move(t.Context(), "b", rev, "a"), store.ErrConflict, "nor does it come back")
	absent(t, s, "a")
	absent(t, s, "c")
	want(t, s, "b", "one", rev)
	assert.Equal(t, []string{"b", "other"}, keysOf(t, s, ""))
}

func moveKeys(t *testing.T, s store.Mover) {
	rev := put(t, s, "a", "one", 0)
	for _, bad := range []string{"", "A", "a b", "a:b", strings.Repeat("k", store.MaxKey+1)} {
		require.ErrorIs(t, s.Move(t.Context(), "a", rev, bad), store.ErrKey, "to %q", bad)
		require.ErrorIs(t, s.Move(t.Context(), bad, rev, "b"), store.ErrKey, "from %q", bad)
	}
	at := "a"
	for _, to := range []string{"..", "/", "a/", ".tmp-a", "../a", strings.Repeat("k", store.MaxKey), "-"} {
		require.NoError(t, s.Move(t.Context(), at, rev, to), "to %q", to)
		absent(t, s, at)
		want(t, s, to, "one", rev)
		at = to
	}
	assert.Equal(t, []string{"-"}, keysOf(t, s, ""))
}

func moveContext(t *testing.T, s store.Mover) {
	rev := put(t, s, "a", "one", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Move(ctx, "a", rev, "b"), context.Canceled)
	want(t, s, "a", "one", rev)
	absent(t, s, "b")
}

// moveWhileListing moves each record when it is listed, and others before they are: none is missed
// by two listings of which the second begins after the first, and none is an error.
func moveWhileListing(t *testing.T, s store.Mover) {
	const n = 250
	revs := map[string]uint64{}
	for i := range n {
		key := fmt.Sprintf("channel/%03d", i)
		revs[key] = put(t, s, key, key, 0)
	}
	seen := map[string]int{}
	for e, err := range s.List(t.Context(), "channel/") {
		require.NoError(t, err)
		require.Equal(t, e.Key, string(e.Data))
		seen[e.Key]++
		for _, key := range []string{e.Key, strings.Replace(e.Key, "/1", "/2", 1)} {
			if rev := revs[key]; rev != 0 {
				require.NoError(t, s.Move(t.Context(), key, rev, "closed/"+strings.TrimPrefix(key, "channel/")))
				delete(revs, key)
			}
		}
	}
	for _, e := range list(t, s, "closed/") {
		require.Equal(t, "closed/"+strings.TrimPrefix(string(e.Data), "channel/"), e.Key)
		seen[string(e.Data)]++
	}
	assert.Len(t, seen, n)
	for key, times := range seen {
		assert.LessOrEqual(t, times, 2, key)
	}
	assert.Empty(t, keysOf(t, s, "channel/"))
	assert.Len(t, keysOf(t, s, "closed/"), n)
}

// moveOneWinner lets sixteen goroutines move one record to keys of their own.
func moveOneWinner(t *testing.T, s store.Mover) { raceMoves(t, s, s) }

func raceMoves(t *testing.T, stores ...store.Mover) {
	const movers = 16
	rev := put(t, stores[0], "a", "one", 0)
	errs := make([]error, movers)
	var ready, done sync.WaitGroup
	ready.Add(movers)
	for i := range movers {
		done.Go(func() {
			s := stores[i%len(stores)]
			_, have, err := s.Get(t.Context(), "a")
			assert.NoError(t, err)
			ready.Done()
			ready.Wait()
			errs[i] = s.Move(t.Context(), "a", have, fmt.Sprintf("b/%02d", i))
		})
	}
	done.Wait()
	winner := -1
	for i, err := range errs {
		if err != nil {
			assert.ErrorIs(t, err, store.ErrConflict, "the others get a conflict")
			continue
		}
		assert.Equal(t, -1, winner, "two moved the same revision")
		winner = i
	}
	require.NotEqual(t, -1, winner, "nobody moved it")
	key := fmt.Sprintf("b/%02d", winner)
	want(t, stores[0], key, "one", rev)
	assert.Equal(t, []string{key}, keysOf(t, stores[len(stores)-1], ""))
}

// moveToOneKey lets sixteen records race to one key.
func moveToOneKey(t *testing.T, s store.Mover) {
	const movers = 16
	revs, errs := make([]uint64, movers), make([]error, movers)
	for i := range movers {
		revs[i] = put(t, s, fmt.Sprintf("a/%02d", i), fmt.Sprint(i), 0)
	}
	var done sync.WaitGroup
	for i := range movers {
		done.Go(func() { errs[i] = s.Move(t.Context(), fmt.Sprintf("a/%02d", i), revs[i], "b") })
	}
	done.Wait()
	winner := -1
	for i, err := range errs {
		if err == nil {
			assert.Equal(t, -1, winner, "one record moved over another")
			winner = i
			continue
		}
		assert.ErrorIs(t, err, store.ErrConflict)
		want(t, s, fmt.Sprintf("a/%02d", i), fmt.Sprint(i), revs[i])
	}
	require.NotEqual(t, -1, winner, "none moved")
	want(t, s, "b", fmt.Sprint(winner), revs[winner])
}

// moveBesideWriters moves a record that others increment: no increment is lost, and none comes after
// the move.
func moveBesideWriters(t *testing.T, s store.Mover) { countAndMove(t, s, s) }

func countAndMove(t *testing.T, stores ...store.Mover) {
	put(t, stores[0], "a", "0", 0)
	var sum, done sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		s := stores[i%len(stores)]
		sum.Go(func() {
			for {
				n := 0
				data, rev, err := s.Get(t.Context(), "a")
				if errors.Is(err, store.ErrNotFound) {
					return // it moved
				}
				if _, scanErr := fmt.Sscan(string(data), &n); !assert.NoError(t, errors.Join(err, scanErr)) {
					return
				}
				switch _, err = s.Put(t.Context(), "a", fmt.Append(nil, n+1), rev); {
				case err == nil:
					counts[i]++
				case !assert.ErrorIs(t, err, store.ErrConflict):
					return
				}
			}
		})
	}
	var moved uint64
	done.Go(func() {
		s := stores[len(stores)-1]
		for {
			data, rev, err := s.Get(t.Context(), "a")
			if !assert.NoError(t, err) {
				return
			}
			if string(data) == "0" {
				continue // let somebody write first
			}
			if err = s.Move(t.Context(), "a", rev, "b"); err == nil {
				moved = rev
				return
			}
			if !assert.ErrorIs(t, err, store.ErrConflict) {
				return
			}
		}
	})
	done.Wait()
	sum.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	want(t, stores[0], "b", fmt.Sprint(total), moved)
	assert.Equal(t, []string{"b"}, keysOf(t, stores[0], ""))
}

// moveBesideReader reads both keys, the old one first, while a record moves: it is in one of them.
func moveBesideReader(t *testing.T, s store.Mover) {
	for i := range 20 {
		from, to := fmt.Sprintf("a/%d", i), fmt.Sprintf("b/%d", i)
		rev := put(t, s, from, "one", 0)
		var done sync.WaitGroup
		for range 4 {
			done.Go(func() {
				for range 20 {
					data, have, err := s.Get(t.Context(), from)
					if errors.Is(err, store.ErrNotFound) {
						data, have, err = s.Get(t.Context(), to)
					}
					if !assert.NoError(t, err) || !assert.Equal(t, "one", string(data)) || !assert.Equal(t, rev, have) {
						return
					}
				}
			})
		}
		done.Go(func() { assert.NoError(t, s.Move(t.Context(), from, rev, to)) })
		done.Wait()
	}
}

// movesBetweenHandles checks that what one user of a place moves is no loss to another.
func movesBetweenHandles(t *testing.T, open func(t testing.TB) func() store.Store) {
	handles := func(t *testing.T) func() store.Mover {
		again := open(t)
		if _, ok := again().(store.Mover); !ok {
			t.Skip("this store moves no records")
		}
		return func() store.Mover { return again().(store.Mover) }
	}
	t.Run("move and reopen", func(t *testing.T) {
		again := handles(t)
		rev := put(t, again(), "channel/a", "one", 0)
		require.NoError(t, again().Move(t.Context(), "channel/a", rev, "closed/a"))
		s := again()
		absent(t, s, "channel/a")
		want(t, s, "closed/a", "one", rev)
		_, err := again().Put(t.Context(), "channel/a", []byte("x"), 0)
		require.ErrorIs(t, err, store.ErrConflict, "a new handle does not write there either")
		assert.Equal(t, []string{"closed/a"}, keysOf(t, again(), ""))
	})
	t.Run("move under another handle", func(t *testing.T) {
		again := handles(t)
		a, b := again(), again()
		rev := put(t, a, "channel/a", "one", 0)
		put(t, a, "channel/b", "another", 0)
		want(t, b, "channel/a", "one", rev)
		require.Len(t, list(t, b, ""), 2)
		require.NoError(t, b.Move(t.Context(), "channel/a", rev, "closed/a"))
		assert.Equal(t, []string{"channel/b"}, keysOf(t, a, "channel/"), "a listing that lacks it is no loss")
		assert.Equal(t, []string{"channel/b", "closed/a"}, keysOf(t, a, ""))
		absent(t, a, "channel/a")
		_, err := a.Put(t.Context(), "channel/a", []byte("late"), rev)
		require.ErrorIs(t, err, store.ErrConflict)
		require.ErrorIs(t, a.Move(t.Context(), "channel/a", rev, "elsewhere"), store.ErrConflict)
		want(t, a, "closed/a", "one", rev)
		next := put(t, a, "closed/a", "two", rev)
		want(t, b, "closed/a", "two", next)
		absent(t, b, "channel/a")
	})
	t.Run("one mover of two handles", func(t *testing.T) {
		again := handles(t)
		raceMoves(t, again(), again())
	})
	t.Run("move beside writers of other handles", func(t *testing.T) {
		again := handles(t)
		countAndMove(t, again(), again(), again())
	})
}
