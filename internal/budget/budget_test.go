package budget

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func channels(ctx context.Context, s store.Store) iter.Seq2[store.Entry, error] {
	return s.List(ctx, rule.ChannelKeys)
}

func u(n uint64) voucher.Amount { return voucher.Units(n) }

func limits(n uint64) *channel.Limits {
	return &channel.Limits{Deposit: u(n), All: channel.Windows{Month: u(n)}}
}

var scope = channel.Scope{Origin: "https://a.example:443", Payee: [20]byte{1}}

// take counts a rise as the gate does, or returns false if there is no room.
func take(t *testing.T, w *Budgets, l *Lease, of, by uint64) (claims []Claim, ok bool) {
	t.Helper()
	require.NoError(t, w.Read(t.Context(), limits(of), l, false))
	w.Lock()
	defer w.Unlock()
	rooms, known := w.Rooms(limits(of), l, time.Now().Unix())
	require.True(t, known)
	if rooms[0].Left().Less(u(by)) {
		return nil, false
	}
	return []Claim{w.Claim(l, limits(of), u(by))}, true
}

// TestClaimOnWhatMoved: a claim that was made before another session took the rest is not covered,
// although the record was read again since for another request.
func TestClaimOnWhatMoved(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		one, other := New(s, "one", channels), New(s, "other", channels)
		l, theirs := For("", &scope), For("", &scope)
		first, ok := take(t, one, l, 100, 60)
		require.True(t, ok)
		second, ok := take(t, other, theirs, 100, 60)
		require.True(t, ok)
		require.NoError(t, other.Cover(t.Context(), second))
		other.Settle(second, true)
		require.NoError(t, one.Read(t.Context(), limits(100), l, true))
		require.ErrorIs(t, one.Cover(t.Context(), first), ErrMoved)
		one.Settle(first, false)
		_, ok = take(t, one, l, 100, 41)
		assert.False(t, ok)
		_, ok = take(t, one, l, 100, 40)
		assert.True(t, ok)
	})
}

// TestPartsEndWithTheirMinute: nothing is taken out of a part after its minute, by the clock or by the
// time that has passed.
func TestPartsEndWithTheirMinute(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		w, l := New(store.NewMem(), "one", channels), For("", &scope)
		pay := func() uint64 {
			c, ok := take(t, w, l, 100_000, 10)
			require.True(t, ok)
			require.NoError(t, w.Cover(t.Context(), c))
			w.Settle(c, true)
			return w.books[All].rev
		}
		assert.EqualValues(t, 1, pay())
		assert.EqualValues(t, 2, pay(), "20 are taken")
		assert.EqualValues(t, 2, pay())
		assert.EqualValues(t, 3, pay(), "40 are taken")
		time.Sleep(time.Minute)
		assert.EqualValues(t, 4, pay(), "10 are taken")
		assert.Equal(t, u(10), l.holds[0].part.Amount)
	})
}

// TestPartsCountUntilTheyAreNoted: a part counts as used for all windows that its minute is in; what
// its session notes later counts from that minute; and a part that nobody notes counts in full.
func TestPartsCountUntilTheyAreNoted(t *testing.T) {
	const start, minute = 1_700_000_040, 60
	until := int64(start + minute)
	a, b := part{Session: "a", N: 1, Amount: u(100), Until: until}, part{Session: "b", N: 1, Amount: u(50), Until: until}
	r := record{}.noted(part{}, u(0), a, start).noted(part{}, u(0), b, start)
	r = r.noted(a, u(30), part{}, start+1000)
	assert.Equal(t, []part{b}, r.Parts)
	assert.Equal(t, u(30), r.Used.Within(until+3599, time.Hour))
	assert.Zero(t, r.Used.Within(until+3600, time.Hour))
	assert.Equal(t, r, r.noted(a, u(30), part{}, start+1000), "it was noted")
	r = r.noted(part{}, u(0), part{Session: "c", N: 1, Amount: u(1), Until: until + 7200}, until+7200)
	assert.Equal(t, u(80), r.Used.Within(until+7200, 24*time.Hour))
	for n := range uint64(2 * maxParts) {
		r = r.noted(part{}, u(0), part{Session: "d", N: n + 1, Amount: u(1), Until: until + 7200}, until+7200)
	}
	assert.Len(t, r.Parts, maxParts)
	assert.Equal(t, u(80+1+maxParts), r.Used.Within(until+7200, 24*time.Hour))
}

// TestPartsOfAClockThatIsAhead count from when that is seen.
func TestPartsOfAClockThatIsAhead(t *testing.T) {
	const now = 1_700_000_000
	r := record{Parts: []part{{Session: "a", N: 1, Amount: u(5), Until: now + 1_000_000}}}
	r, changed := r.redated(now)
	assert.True(t, changed)
	assert.Equal(t, u(5), r.Used.Within(now+3500, time.Hour))
	assert.Zero(t, r.Used.Within(now+3600+2*60, time.Hour))
	_, changed = r.redated(now)
	assert.False(t, changed)
}

// TestWritesThatAreNotKnown: a write that worked, although nobody was told, counts once.
func TestWritesThatAreNotKnown(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &silent{Store: store.NewMem()}
		w, l := New(s, "one", channels), For("", &scope)
		for range 3 {
			s.fails = true
			c, ok := take(t, w, l, 1000, 10)
			require.True(t, ok)
			require.ErrorIs(t, w.Cover(t.Context(), c), ErrStore)
			w.Settle(c, false)
			s.fails = false
			c, ok = take(t, w, l, 1000, 10)
			require.True(t, ok)
			require.NoError(t, w.Cover(t.Context(), c))
			w.Settle(c, true)
		}
		require.NoError(t, w.GiveBack(t.Context()))
		w.Lock()
		defer w.Unlock()
		rooms, _ := w.Rooms(limits(1000), For("", &scope), time.Now().Unix())
		assert.Equal(t, u(30), rooms[0].Used)
	})
}

type silent struct {
	store.Store
	fails bool
}

func (s *silent) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	rev, err := s.Store.Put(ctx, key, data, rev)
	if s.fails && strings.HasPrefix(key, "budget/") {
		return 0, context.DeadlineExceeded
	}
	return rev, err
}
