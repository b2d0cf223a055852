package storetest

import (
	"bytes"
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

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

func putAndGet(t *testing.T, s store.Store) {
	data, rev, err := s.Get(t.Context(), "channel/a")
	require.ErrorIs(t, err, store.ErrNotFound)
	assert.Empty(t, data)
	assert.Zero(t, rev)

	first := put(t, s, "channel/a", "one", 0)
	want(t, s, "channel/a", "one", first)
	second := put(t, s, "channel/a", "two", first)
	want(t, s, "channel/a", "two", second)
	want(t, s, "channel/a", "two", second) // reading changes nothing

	_, _, err = s.Get(t.Context(), "channel/")
	require.ErrorIs(t, err, store.ErrNotFound, "a prefix is no record")
}

func conflict(t *testing.T, s store.Store) {
	_, err := s.Put(t.Context(), "k", []byte("x"), 1)
	require.ErrorIs(t, err, store.ErrConflict, "a revision of a record that is not there")
	_, _, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrNotFound, "the conflict wrote nothing")

	first := put(t, s, "k", "one", 0)
	_, err = s.Put(t.Context(), "k", []byte("x"), 0)
	require.ErrorIs(t, err, store.ErrConflict, "it exists already")
	second := put(t, s, "k", "two", first)
	for _, rev := range []uint64{0, first, second + 1, 1<<63 + second, ^uint64(0)} {
		next, err := s.Put(t.Context(), "k", []byte("x"), rev)
		require.ErrorIs(t, err, store.ErrConflict, "revision %d", rev)
		assert.Zero(t, next)
		assert.NotErrorIs(t, err, store.ErrNotFound)
	}
	want(t, s, "k", "two", second)
	_, _, err = s.Get(t.Context(), "other")
	require.ErrorIs(t, err, store.ErrNotFound, "one key is not another's business")
}

func revisionsRise(t *testing.T, s store.Store) {
	var rev uint64
	for i := range 20 {
		next := put(t, s, "k", "the same bytes", rev) // an equal record is a new revision too
		require.Greater(t, next, rev, "write %d", i)
		rev = next
	}
}

func keys(t *testing.T, s store.Store) {
	long := strings.Repeat("k", store.MaxKey)
	// Each pair differs by what a careless encoding of names would lose.
	good := []string{
		"a",
		"a/b",
		"a.b",
		"a-b",
		"a_b",
		"ab",
		"a/b/c",
		"a//b",
		"/",
		".",
		"..",
		"../a",
		"a/..",
		"-",
		"_",
		"a/",
		"/a",
		".tmp-a",
		"a.rec",
		"0",
		long,
	}
	for _, key := range good {
		put(t, s, key, key, 0)
	}
	for _, key := range good {
		data, _, err := s.Get(t.Context(), key)
		require.NoError(t, err, "%q", key)
		assert.Equal(t, key, string(data))
	}
	assert.Len(t, list(t, s, ""), len(good))

	for _, key := range []string{
		"", long + "k", "A", "a b", "a\x00", "a\n", "é", "a=b", "a+b", "a%2fb", `a\b`, "a:b",
		"a*", "~a", "a\xff",
	} {
		_, _, err := s.Get(t.Context(), key)
		require.ErrorIs(t, err, store.ErrKey, "Get %q", key)
		_, err = s.Put(t.Context(), key, []byte("x"), 0)
		require.ErrorIs(t, err, store.ErrKey, "Put %q", key)
	}
	assert.Len(t, list(t, s, ""), len(good))
}

func sizes(t *testing.T, s store.Store) {
	var rev uint64
	for _, n := range []int{0, 1, 4095, 4096, 4097, store.MaxRecord, 1, 0} {
		data := bytes.Repeat([]byte("z"), n)
		next, err := s.Put(t.Context(), "k", data, rev)
		require.NoError(t, err, "%d bytes", n)
		got, _, err := s.Get(t.Context(), "k")
		require.NoError(t, err, "%d bytes", n)
		require.True(t, bytes.Equal(data, got), "%d bytes came back as %d", n, len(got))
		rev = next
	}
	_, err := s.Put(t.Context(), "k", make([]byte, store.MaxRecord+1), rev)
	require.ErrorIs(t, err, store.ErrTooLarge)
	want(t, s, "k", "", rev)
	_, err = s.Put(t.Context(), "nil", nil, 0)
	require.NoError(t, err)
	want(t, s, "nil", "", mustRev(t, s, "nil"))
}

func mustRev(t *testing.T, s store.Store, key string) uint64 {
	_, rev, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	return rev
}

func anyBytes(t *testing.T, s store.Store) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, data := range []string{
		string(all), "\n", "\n\n", "a\r\nb\r\n", "\x00", "\xff\xfe", `{"authorized":"1000000"}`,
		"'; --", "\u2028",
	} {
		key := fmt.Sprintf("bytes/%d", i)
		want(t, s, key, data, put(t, s, key, data, 0))
	}
}

func copies(t *testing.T, s store.Store) {
	mine := []byte("mine")
	_, err := s.Put(t.Context(), "k", mine, 0)
	require.NoError(t, err)
	copy(mine, "XXXX")
	got, rev, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "mine", string(got), "the caller may change its slice after Put")
	copy(got, "YYYY")
	_ = append(got[:0], "ZZZZZZZZ"...)
	want(t, s, "k", "mine", rev)
	listed := list(t, s, "k")
	require.Len(t, listed, 1)
	copy(listed[0].Data, "VVVV")
	want(t, s, "k", "mine", rev)
}

func listOrder(t *testing.T, s store.Store) {
	assert.Empty(t, list(t, s, ""), "a new store is empty")
	// In byte order: "-" "." "/" digits "_" letters.
	order := []string{"a", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "aa", "b"}
	for _, i := range []int{4, 0, 8, 2, 6, 1, 7, 3, 5} {
		put(t, s, order[i], "data of "+order[i], 0)
	}
	var got []string
	for _, e := range list(t, s, "") {
		got = append(got, e.Key)
		want(t, s, e.Key, string(e.Data), e.Rev)
		put(t, s, e.Key, "rewritten", e.Rev) // the revision is one to write with
	}
	assert.Equal(t, order, got)
}

func listPrefix(t *testing.T, s store.Store) {
	for _, key := range []string{
		"channel/0x1", "channel/0x2", "channel", "channels/0x3", "scope/1", "a_1", "ab1", "a.1",
		"a-1",
	} {
		put(t, s, key, "x", 0)
	}
	for prefix, wantKeys := range map[string][]string{
		"channel/":    {"channel/0x1", "channel/0x2"},
		"channel":     {"channel", "channel/0x1", "channel/0x2", "channels/0x3"},
		"channel/0x2": {"channel/0x2"},
		"nothing":     nil,
		// What other systems take for patterns is itself here.
		"a_": {"a_1"},
		"a.": {"a.1"},
		"a-": {"a-1"},
		"a%": nil, "a*": nil, "a?": nil, "[a]": nil,
		"": {
			"a-1", "a.1", "a_1", "ab1", "channel", "channel/0x1", "channel/0x2", "channels/0x3",
			"scope/1",
		},
	} {
		var got []string
		for _, e := range list(t, s, prefix) {
			got = append(got, e.Key)
		}
		assert.Equal(t, wantKeys, got, "prefix %q", prefix)
	}
}

func listStops(t *testing.T, s store.Store) {
	for _, key := range []string{"a", "b", "c"} {
		put(t, s, key, key, 0)
	}
	seen := 0
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		put(t, s, e.Key, "written while listing", e.Rev) // a listing holds no lock
		seen++
		if e.Key == "b" {
			break
		}
	}
	assert.Equal(t, 2, seen)
	put(t, s, "d", "after the break", 0)
	both := s.List(t.Context(), "")
	for range 2 { // a sequence can be used again and reads anew
		n := 0
		for _, err := range both {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 4, n)
	}
}

func contextEnds(t *testing.T, s store.Store) {
	rev := put(t, s, "k", "one", 0)
	cause := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, _, err := s.Get(ctx, "k")
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Put(ctx, "k", []byte("two"), rev)
	require.ErrorIs(t, err, context.Canceled)
	ended := 0
	for e, err := range s.List(ctx, "") {
		require.ErrorIs(t, err, context.Canceled)
		assert.Empty(t, e)
		ended++
	}
	assert.Equal(t, 1, ended, "a listing says once that it was cut short")
	want(t, s, "k", "one", rev)
}

func oneWinner(t *testing.T, s store.Store)    { race(t, s) }
func noLostUpdate(t *testing.T, s store.Store) { count(t, s) }

// readersBesideWriter reads while one writer writes: each record read is a whole one, and revisions
// never go back.
func readersBesideWriter(t *testing.T, s store.Store) {
	const writes = 50
	var done sync.WaitGroup
	stop := make(chan struct{})
	rev := put(t, s, "k", strings.Repeat("0", 3000), 0)
	for range 4 {
		done.Go(func() {
			var last uint64
			for {
				select {
				case <-stop:
					return
				default:
				}
				data, rev, err := s.Get(t.Context(), "k")
				whole := bytes.Repeat(data[:min(1, len(data))], 3000)
				if !assert.NoError(t, err) || !assert.Equal(t, whole, data) ||
					!assert.GreaterOrEqual(t, rev, last) {
					return
				}
				last = rev
			}
		})
	}
	for i := range writes {
		rev = put(t, s, "k", strings.Repeat(string(rune('a'+i%26)), 3000), rev)
	}
	close(stop)
	done.Wait()
}
