package budget

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

func limits(n uint64) *channel.Limits {
	return &channel.Limits{Deposit: u(n), All: channel.Windows{Month: u(n)}}
}

var scope = channel.Scope{Origin: "https://a.example:443", Payee: [20]byte{1}}

// take counts a rise as the gate does, or returns false if there is no room.
func take(t *testing.T, w *Budgets, l *Lease, of, by uint64) (claims *Claims, ok bool) {
	t.Helper()
	w.Lock()
	defer w.Unlock()
	rooms, known := w.Rooms(limits(of), l, time.Now().Unix())
	if !known {
		w.Unlock()
		require.NoError(t, w.Read(t.Context(), limits(of), l))
		w.Lock()
		rooms, known = w.Rooms(limits(of), l, time.Now().Unix())
	}
	require.True(t, known)
	claims = &Claims{Budgets: w}
	if rooms[0].Left().Less(u(by)) {
		return claims, false
	}
	claims.Claim(l, limits(of), u(by))
	return claims, true
}

// euros is like scope, in a token that is no dollar.
func euros(chain uint64) channel.Scope {
	e := scope
	e.ChainID, e.Token = chain, common.Address{7}
	return e
}

// TestAssetsHaveRecordsOfTheirOwn: what is authorized in one token is not counted for another one, for
// none of the limits, with dollars as the exception: each of their tokens counts for all. The records of
// dollars have the keys that there were before.
func TestAssetsHaveRecordsOfTheirOwn(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		w, own := New(s, "one"), limits(100)
		own.Origin.Day, own.Payee.Day = u(90), u(80)
		var dollars []channel.Scope
		for c := range channel.Dollars() {
			d := scope
			d.ChainID, d.Token = c.ChainID, c.Token
			dollars = append(dollars, d)
		}
		used := func(w *Budgets, scope channel.Scope) [3]voucher.Amount {
			l := For("", &scope)
			require.NoError(t, w.Read(t.Context(), own, l))
			w.Lock()
			defer w.Unlock()
			rooms, ok := w.Rooms(own, l, time.Now().Unix())
			require.True(t, ok)
			return [3]voucher.Amount{rooms[0].Used, rooms[4].Used, rooms[7].Used}
		}
		pay := func(scope channel.Scope, by uint64) {
			used(w, scope) // reads them
			c, ok := take(t, w, For("", &scope), 100, by)
			require.True(t, ok)
			c.made[0].limits = own
			require.NoError(t, c.Cover(t.Context()))
			c.Settle(nil)
		}
		pay(dollars[0], 5)
		pay(dollars[1], 6)
		pay(euros(1), 70)
		pay(euros(2), 80)
		for _, w := range []*Budgets{w, New(s, "another")} {
			for scope, want := range map[channel.Scope]uint64{dollars[0]: 11, dollars[6]: 11, scope: 11, euros(1): 70, euros(2): 80, euros(3): 0} {
				assert.Equal(t, [3]voucher.Amount{u(want), u(want), u(want)}, used(w, scope), "chain %d", scope.ChainID)
			}
		}
		var keys []string
		for e, err := range s.List(t.Context(), "budget/") {
			require.NoError(t, err)
			keys = append(keys, e.Key)
		}
		token := "0700000000000000000000000000000000000000"
		assert.Len(t, keys, 9)
		assert.Subset(t, keys, append(For("", &scope)[:3], "budget/all/1/"+token, "budget/all/2/"+token, For("", &scope)[2]+"/2/"+token))
	})
}

// TestPartsNameRecordsOfTheirAsset: a part of one asset names no record of another one, so what it is
// for counts there when the records of origins are made, and nowhere else.
func TestPartsNameRecordsOfTheirAsset(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		w, own, inEuros := New(s, "one"), limits(100_000), euros(1)
		own.Origin.Day = u(1000)
		for i, scope := range []channel.Scope{scope, inEuros} {
			c, ok := take(t, w, For("", &scope), 100_000, uint64(10*(i+1)))
			require.True(t, ok)
			require.NoError(t, c.Cover(t.Context())) // and is not settled: it is being written
		}
		for i, scope := range []channel.Scope{scope, inEuros} {
			w, l := New(s, "another"), For("", &scope)
			require.NoError(t, w.Read(t.Context(), own, l))
			rooms, ok := w.Rooms(own, l, time.Now().Unix())
			require.True(t, ok)
			assert.Equal(t, u(uint64(20*(i+1))), rooms[4].Used, "what was taken")
		}
	})
}

// TestClaimOnWhatMoved: a claim that was made before another session took the rest is not covered,
// although the record was read again since for another request.
func TestClaimOnWhatMoved(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		one, other := New(s, "one"), New(s, "other")
		l := For("", &scope)
		first, ok := take(t, one, l, 100, 60)
		require.True(t, ok)
		second, ok := take(t, other, l, 100, 60)
		require.True(t, ok)
		require.NoError(t, second.Cover(t.Context()))
		second.Settle(nil)
		require.NoError(t, one.Read(t.Context(), limits(100), l))
		require.ErrorIs(t, first.Cover(t.Context()), ErrMoved)
		first.Settle(ErrMoved)
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
		w, l := New(store.NewMem(), "one"), For("", &scope)
		pay := func() uint64 {
			c, ok := take(t, w, l, 100_000, 10)
			require.True(t, ok)
			require.NoError(t, c.Cover(t.Context()))
			c.Settle(nil)
			return w.books[All].rev
		}
		assert.EqualValues(t, 1, pay(), "20 are taken")
		assert.EqualValues(t, 1, pay())
		assert.EqualValues(t, 2, pay(), "40 are taken")
		assert.EqualValues(t, 2, pay())
		time.Sleep(time.Minute)
		assert.EqualValues(t, 3, pay(), "20 are taken")
		assert.Equal(t, u(20), w.books[All].part.Amount)
	})
}

// TestFurtherRecordsCountWhatIsBeingWritten: a rise whose write is under way counts in the records of
// origins and payees that are made meanwhile, although its part is not listed any more: because many
// others came, or an hour has passed.
func TestFurtherRecordsCountWhatIsBeingWritten(t *testing.T) {
	for name, c := range map[string]struct {
		others int
		after  time.Duration
	}{"": {}, "many sessions": {others: 2 * maxParts}, "two hours": {others: 1, after: 2 * time.Hour}} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				s := store.NewMem()
				claims, ok := take(t, New(s, "writes"), For("", &scope), 100_000, 10)
				require.True(t, ok)
				require.NoError(t, claims.Cover(t.Context()))
				time.Sleep(c.after)
				for n := range c.others {
					other := channel.Scope{Origin: "https://b.example:443", Payee: [20]byte{2}}
					one, ok := take(t, New(s, fmt.Sprint(n)), For("", &other), 100_000, 1)
					require.True(t, ok)
					require.NoError(t, one.Cover(t.Context()))
				}
				own := limits(100_000)
				own.Origin.Day, own.Payee.Day = u(1000), u(1000)
				w, l := New(s, "further"), For("", &scope)
				require.NoError(t, w.Read(t.Context(), own, l))
				rooms, ok := w.Rooms(own, l, time.Now().Unix())
				require.True(t, ok)
				for _, i := range []int{4, 7} {
					assert.False(t, rooms[i].Used.Less(u(10)), "%s: %s", rooms[i].Rule.Name, rooms[i].Used)
				}
			})
		})
	}
}

// TestPartsNameWhatTheyAreFor: a part is not used for an origin that it does not name, and records of
// origins that are made count it for all that it names.
func TestPartsNameWhatTheyAreFor(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := store.NewMem()
		w := New(s, "one")
		own, other := limits(100_000), channel.Scope{Origin: "https://b.example:443", Payee: scope.Payee}
		own.Origin.Day = u(1000)
		for rev, scope := range []*channel.Scope{&scope, &other, &scope, &other} {
			c, ok := take(t, w, For("", scope), 100_000, 10)
			require.True(t, ok)
			require.NoError(t, c.Cover(t.Context()))
			c.Settle(nil)
			assert.EqualValues(t, []uint64{1, 2, 2, 3}[rev], w.books[All].rev)
		}
		for _, scope := range []*channel.Scope{&scope, &other} {
			w, l := New(s, "another"), For("", scope)
			require.NoError(t, w.Read(t.Context(), own, l))
			rooms, ok := w.Rooms(own, l, time.Now().Unix())
			require.True(t, ok)
			assert.Equal(t, u(40), rooms[4].Used, "all of the last part")
		}
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

// TestPartsOfAClockThatIsAhead count from when nothing can be taken out of them any more: a minute after they
// are seen.
func TestPartsOfAClockThatIsAhead(t *testing.T) {
	const start = 1_700_000_040 // of a minute
	paid := func(at int64, h rule.History) rule.History { return h.Added(rule.Rise{At: at, By: u(7)}, start) }
	for name, used := range map[string]rule.History{
		"nothing before": {}, "a rise before": paid(start-600, rule.History{}),
		"a clock that went back before": paid(start+1_000_000, paid(start-600, rule.History{})),
	} {
		for _, now := range []int64{start, start + 1, start + 59} {
			for _, ahead := range []int64{241, 600, 7200, 1_000_000} {
				r := record{Used: used, Parts: []part{{Session: "a", N: 1, Amount: u(5), Until: now + ahead}}}
				r, changed := r.redated(now)
				assert.True(t, changed)
				assert.Empty(t, r.Parts)
				at := now + minute - 1 // the last second
				for _, window := range []int64{3600, 24 * 3600} {
					within := r.Used.Within(at+window, time.Duration(window)*time.Second)
					assert.False(t, within.Less(u(5)), "%s, %d s ahead, seen at %d: %s", name, ahead, now-start, within)
				}
				assert.Zero(t, r.Used.Within(now+ahead+2*24*3600, time.Hour))
				if ahead == 1_000_000 {
					assert.Zero(t, r.Used.Within(now+3600+2*minute, time.Hour))
				}
				_, changed = r.redated(now)
				assert.False(t, changed)
			}
		}
	}
}

// TestRisesOfAClockThatWasAhead count for one window from when a right clock sees them, though nothing more is
// authorized that would be noted: they may have used up the budget.
func TestRisesOfAClockThatWasAhead(t *testing.T) {
	const now = 1_700_000_040
	for _, ahead := range []int64{600, 7200, 10 * 365 * 24 * 3600} {
		rises := rule.History{}.Added(rule.Rise{At: now + ahead, By: u(5)}, now+ahead)
		r, changed := record{Used: rises, Others: map[string]rule.History{byOrigin: rises}}.redated(now)
		assert.True(t, changed)
		for _, h := range []rule.History{r.Used, r.Others[byOrigin]} {
			assert.Equal(t, u(5), h.Within(now+3599, time.Hour))
			if ahead > 3600 {
				assert.Zero(t, h.Within(now+3600+2*minute, time.Hour))
			}
		}
		_, changed = r.redated(now)
		assert.False(t, changed)
	}
}

// TestPartsBesideAClockThatIsBehind: a session whose clock is behind sees the parts of the others as ones of a
// clock that is ahead, and so does one whose clock went back its own. What it makes of them counts for the
// others from when it was used.
func TestPartsBesideAClockThatIsBehind(t *testing.T) {
	const now, behind = 1_700_000_040, 7200
	own := part{Session: "a", N: 1, Amount: u(5), Until: now + minute}
	for name, r := range map[string]record{"nothing before": {}, "a rise before": {
		Used: rule.History{}.Added(rule.Rise{At: now - 1800, By: u(7)}, now-1800),
	}} {
		r.Parts = []part{own}
		seen, changed := r.redated(now - behind)
		assert.True(t, changed)
		noted := r.noted(own, own.Amount, part{}, now-behind)
		for what, one := range map[string]record{"seen": seen, "noted": noted} {
			assert.Empty(t, one.Parts)
			within := one.Used.Within(now+3599, time.Hour)
			assert.False(t, within.Less(u(5)), "%s, %s: %s", what, name, within)
			assert.Zero(t, one.Used.Within(now+2*3600, time.Hour))
		}
	}
}

// TestWritesThatAreNotKnown: a write that worked, although nobody was told, counts once.
func TestWritesThatAreNotKnown(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		s := &silent{Store: store.NewMem()}
		w, l := New(s, "one"), For("", &scope)
		for range 3 {
			s.fails = true
			c, ok := take(t, w, l, 1000, 10)
			require.True(t, ok)
			require.ErrorIs(t, c.Cover(t.Context()), ErrStore)
			c.Settle(ErrMoved)
			s.fails = false
			c, ok = take(t, w, l, 1000, 10)
			require.True(t, ok)
			require.NoError(t, c.Cover(t.Context()))
			c.Settle(nil)
			time.Sleep(time.Minute)
		}
		require.NoError(t, w.GiveBack(t.Context()))
		w.Lock()
		defer w.Unlock()
		rooms, _ := w.Rooms(limits(1000), l, time.Now().Unix())
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

// TestRecordStaysSmall: sessions that pay many origins and end without giving back, and one that pays very
// many at once, leave a record that a store takes; and records of origins and payees that are made later
// count all of it.
func TestRecordStaysSmall(t *testing.T) {
	at := func(n int) *channel.Scope {
		scope := euros(1 << 63) // whose records have the longest keys
		scope.Origin, scope.Payee = fmt.Sprintf("https://%d.example:443", n), [20]byte{byte(n), byte(n >> 8), 1}
		return &scope
	}
	for name, c := range map[string]struct{ sessions, origins, at int }{
		"many sessions": {sessions: maxParts, origins: maxFor, at: 1},
		"many at once":  {sessions: 1, origins: 1000, at: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) {
				s := store.NewMem()
				for n := range c.sessions {
					w := New(s, fmt.Sprint(n))
					for i := 0; i < c.origins; i += c.at {
						var all []*Claims
						for j := range c.at {
							one, ok := take(t, w, For("", at(i+j)), 1_000_000, 10)
							require.True(t, ok)
							all = append(all, one)
						}
						for _, one := range all {
							require.NoError(t, one.Cover(t.Context()))
						}
					}
				}
				data, _, err := s.Get(t.Context(), For("", at(0))[0])
				require.NoError(t, err)
				assert.Less(t, len(data), store.MaxRecord*3/4)
				own := limits(1_000_000)
				own.Origin.Day, own.Payee.Day = u(1_000_000), u(1_000_000)
				w, l := New(s, "further"), For("", at(0))
				require.NoError(t, w.Read(t.Context(), own, l))
				rooms, ok := w.Rooms(own, l, time.Now().Unix())
				require.True(t, ok)
				for _, i := range []int{4, 7} {
					assert.False(t, rooms[i].Used.Less(u(uint64(10*c.sessions))), "%s: %s", rooms[i].Rule.Name, rooms[i].Used)
				}
			})
		})
	}
}
