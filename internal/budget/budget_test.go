package budget

import (
	"context"
	"fmt"
	"iter"
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

func alive(string) bool { return false }

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// roomsOf returns budgets of a month, a day and an hour that each allow n.
func roomsOf(n uint64) (r Rooms) {
	for i := range r {
		r[i].Rule = channel.BudgetRule{
			Name: fmt.Sprint(i), Allowed: u(n),
			Length: []time.Duration{720 * time.Hour, 24 * time.Hour, time.Hour}[i%3],
		}
	}
	return r
}

// take counts a rise as the gate does, or returns false if there is no room.
func take(t *testing.T, w *Budgets, of, by uint64) (claims []Claim, ok bool) {
	require.NoError(t, w.Read(t.Context(), Once))
	rooms, names := roomsOf(of), Names{}
	w.Lock()
	defer w.Unlock()
	require.True(t, w.Fill(&rooms, &names, time.Now().Unix()))
	if !Affords(&rooms, u(by)) {
		return nil, false
	}
	return w.Claim(nil, &names, &rooms, u(by)), true
}

func (w *Budgets) done(claims []Claim) {
	w.Lock()
	defer w.Unlock()
	w.Settle(claims, false)
}

// TestClaimOnWhatMoved: a claim that was made before another session took the rest is not covered,
// although the record was read again since for another request.
func TestClaimOnWhatMoved(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		one, other := New(s, "one", channels, alive), New(s, "other", channels, alive)
		first, ok := take(t, one, 100, 60)
		require.True(t, ok)
		theirs, ok := take(t, other, 100, 60)
		require.True(t, ok)
		require.NoError(t, other.Cover(t.Context(), theirs))
		other.done(theirs)
		require.NoError(t, one.Read(t.Context(), Again))
		require.ErrorIs(t, one.Cover(t.Context(), first), ErrMoved)
		one.Lock()
		one.Settle(first, true)
		one.Unlock()
		_, ok = take(t, one, 100, 41)
		assert.False(t, ok)
		_, ok = take(t, one, 100, 40)
		assert.True(t, ok)
	})
}

// TestClaimsWhileAPartIsWritten: what is claimed while a part is written is not covered by the part
// that was there before.
func TestClaimsWhileAPartIsWritten(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		w := New(s, "one", channels, alive)
		for range 2 { // a part of 20, half of it used
			c, ok := take(t, w, 1000, 10)
			require.True(t, ok)
			require.NoError(t, w.Cover(t.Context(), c))
			w.done(c)
		}
		c, ok := take(t, w, 1000, 5)
		require.True(t, ok)
		b := w.books[[2]string{All, ""}]
		assert.True(t, b.covered(time.Now()))
		b.turn <- struct{}{}
		w.Lock()
		b.read = false // as during a write
		w.Unlock()
		covered, moved := w.covers(c[0])
		assert.False(t, covered)
		assert.True(t, moved)
	})
}

// TestPartsCountUntilTheyAreNoted: a part counts as used for all windows that its minute is in; what
// its session notes later counts from that minute; and a part that nobody notes counts in full.
func TestPartsCountUntilTheyAreNoted(t *testing.T) {
	const start = 1_700_000_040
	r := Record{scope: All}.counted(u(0), Part{"a", 1, u(100), endOfMinute(start)}, start)
	r = r.counted(u(0), Part{"b", 1, u(50), endOfMinute(start)}, start)
	now := int64(start + 1000)
	assert.Equal(t, u(150), r.Used(now, time.Hour, ""))
	assert.Equal(t, u(50), r.Used(now, time.Hour, "a"))
	r = r.counted(u(30), Part{Session: "a", N: 2}, now)
	assert.Equal(t, u(80), r.Used(now, time.Hour, ""))
	last := endOfMinute(start) + 3600
	assert.Equal(t, u(80), r.Used(last-1, time.Hour, ""))
	assert.Equal(t, u(0), r.Used(last, time.Hour, ""), "both are an hour ago")
	assert.Equal(t, u(80), r.Used(last, 24*time.Hour, ""))
}

// TestManyParts: a record lists a bounded number of parts. The oldest count as used from their own
// time on.
func TestManyParts(t *testing.T) {
	const start = int64(1_700_000_040)
	r := Record{scope: All}
	for i := range int64(1000) {
		now := start + 60*i
		r = r.counted(u(0), Part{fmt.Sprint("session ", i), 1, u(1), endOfMinute(now)}, now)
		require.Equal(t, u(uint64(min(i+1, 61))), r.Used(now, time.Hour, ""))
		require.LessOrEqual(t, len(r.parts), maxParts)
	}
	assert.Equal(t, u(1000), r.Used(start+60*1000, 24*time.Hour, ""))
	data, err := r.Encode()
	require.NoError(t, err)
	assert.Less(t, len(data), 20_000)
	same, err := Decode(data, All, "")
	require.NoError(t, err)
	assert.Equal(t, r, same)
}

// TestPartsOfAClockThatIsAhead count from now, not for ever.
func TestPartsOfAClockThatIsAhead(t *testing.T) {
	const now = int64(1_700_000_040)
	r := Record{scope: All}.counted(u(0), Part{"a", 1, u(100), now + 1_000_000_020}, now+1_000_000_000)
	r = r.counted(u(40), Part{"b", 1, u(1), now + 1_000_000_020}, now+1_000_000_000)
	r, changed := r.redated(now)
	require.True(t, changed)
	assert.Equal(t, u(141), r.Used(now, time.Hour, "a"))
	assert.Equal(t, u(141), r.Used(now+3500, time.Hour, ""))
	assert.Equal(t, u(0), r.Used(now+3600+240, time.Hour, ""))
	_, changed = r.redated(now + 60)
	assert.False(t, changed)
}

// TestPastOfChannels: the first records have what the channels' records show, in the same windows.
func TestPastOfChannels(t *testing.T) {
	const now = int64(1_700_000_040)
	p := &Past{now: now, sums: map[[2]string]map[int64]voucher.Amount{}}
	lim := rule.Of(channel.Limits{Price: u(1000), Deposit: u(1_000_000)})
	ages := []int64{40 * 24 * 3600, 20 * 24 * 3600, 5 * 3600, 600}
	for i := range 5 {
		s := rule.State{Confirmed: true, Deposit: u(1_000_000), Protocol: voucher.V2}
		s.Scope.Origin = fmt.Sprint("https://", i)
		for _, age := range ages {
			next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, lim)
			require.NoError(t, err)
			s = next.Noted(s, s.Scope.Origin, now-age)
		}
		p.Add(s)
	}
	all := p.record(All, "")
	for window, want := range map[time.Duration]uint64{
		time.Hour: 500, 24 * time.Hour: 1000, 720 * time.Hour: 1500,
	} {
		assert.Equal(t, u(want), all.Used(now, window, ""))
		assert.Equal(t, u(want/5), p.record(Origin, "https://3").Used(now, window, ""))
	}
	assert.Len(t, p.of([]string{Origin}), 5)
	assert.Len(t, p.of([]string{Payee}), 1)
}

// TestFurtherScopeAwaitsTheLiving: who makes records of a further scope waits for sessions that may
// use what they took, and not for those whose process is known to have ended.
func TestFurtherScopeAwaitsTheLiving(t *testing.T) {
	for name, c := range map[string]struct {
		gone func(string) bool
		wait time.Duration
	}{
		"alive": {alive, time.Minute},
		"ended": {func(session string) bool { return session == "other" }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				s := store.NewMem()
				other := New(s, "other", channels, alive)
				theirs, ok := take(t, other, 100, 60)
				require.True(t, ok)
				require.NoError(t, other.Cover(t.Context(), theirs))
				begin := time.Now()
				one := New(s, "one", channels, c.gone)
				require.NoError(t, one.Read(t.Context(), Once, Names{Origin: "https://a.example", ByOrigin: true}))
				assert.Equal(t, c.wait, time.Since(begin))
			})
		})
	}
}
