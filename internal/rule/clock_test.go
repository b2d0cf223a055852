package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	start = int64(1_800_000_000)
	year  = 365 * day
)

// spending is a channel whose rises are marked by a clock that may be wrong.
type spending struct {
	t require.TestingT
	rule.State
}

func newSpending(t require.TestingT) *spending {
	return &spending{
		t,
		rule.State{
			Confirmed: true, Deposit: voucher.MaxAmount, Protocol: voucher.V1,
			Scope: channel.Scope{Origin: here},
		},
	}
}

// pay raises the ceiling when the clock shows at, and stores the record.
func (s *spending) pay(amount uint64, at int64) {
	next, _, _, err := s.Authorize(
		rule.Request{Price: u(amount)},
		rule.Of(channel.Limits{Price: voucher.MaxAmount, Deposit: voucher.MaxAmount}),
	)
	require.NoError(s.t, err)
	s.State = next.Noted(s.State, here, at)
	s.again()
}

// look is a listing of the records when the clock shows at.
func (s *spending) look(at int64) (changed bool) {
	s.State, changed = s.Redated(at)
	s.again()
	return changed
}

func (s *spending) again() {
	data, err := s.Encode()
	require.NoError(s.t, err)
	s.State, err = rule.Decode(data)
	require.NoError(s.t, err)
}

func (s *spending) hour(now int64) voucher.Amount  { return within(s.State, now, hour) }
func (s *spending) month(now int64) voucher.Amount { return within(s.State, now, month) }

// TestClockAhead: one payment while the clock is years ahead counts for one window of the right
// time, and not until the clock shows that year.
func TestClockAhead(t *testing.T) {
	for name, ahead := range map[string]int64{
		"hours": 5 * hour, "days": 3 * day, "years": 10 * year,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpending(t)
			s.pay(100, start)
			s.pay(100, start+ahead)
			assert.Equal(t, u(200), s.hour(start+60), "nobody knows when it was")
			for range 10 {
				s.pay(100, start+60)
			}
			assert.Equal(t, u(1200), s.hour(start+60))
			assert.Equal(t, u(0), s.hour(start+2*hour))
			assert.Equal(t, u(1200), s.month(start+2*hour))
			s.pay(100, start+2*day)
			assert.Equal(t, u(100), s.hour(start+2*day))
			assert.Equal(t, u(1300), s.month(start+2*day))
			s.pay(100, start+400*day)
			assert.Equal(t, u(100), s.month(start+400*day))
			assert.Equal(t, u(0), s.month(start+ahead+500*day))
		})
	}
}

// TestClockAheadAndNothingLeft: what was paid while the clock was ahead has used up a budget, so
// nothing rises any more that could be marked. A look at the record is enough to free it a window
// later.
func TestClockAheadAndNothingLeft(t *testing.T) {
	s := newSpending(t)
	s.pay(100, start)
	s.pay(900, start+10*year)
	require.Equal(t, u(1000), s.month(start+60))
	require.Equal(t, u(900), s.month(start+100*day), "nobody looked")
	require.True(t, s.look(start+60))
	for range 3 {
		assert.False(t, s.look(start+90), "once is enough")
	}
	assert.Equal(t, u(1000), s.month(start+90))
	assert.Equal(t, u(0), s.month(start+31*day))
	assert.Equal(t, u(0), s.month(start+11*year))
}

// TestClockThatGoesBack: what rises while the clock is behind is not lost when it is right again.
func TestClockThatGoesBack(t *testing.T) {
	for name, back := range map[string]int64{
		"minutes": 5 * 60, "hours": 5 * hour, "years": 2 * year,
	} {
		t.Run(name, func(t *testing.T) {
			s := newSpending(t)
			s.pay(100, start-day)
			s.pay(100, start)
			s.pay(100, start-back)
			s.pay(100, start-back+120)
			assert.False(t, s.hour(start-back+120).Less(u(300)), "while it is behind")
			assert.Equal(t, u(300), s.hour(start+180), "when it is right again")
			if s.look(start + 180); back > hour {
				assert.False(t, s.look(start+240))
			}
			assert.Equal(t, u(300), s.hour(start+180+hour-240))
			assert.Equal(t, u(400), s.month(start+day))
			assert.Equal(t, u(0), s.hour(start+2*hour))
			s.pay(100, start+2*hour)
			assert.Equal(t, u(100), s.hour(start+2*hour))
			assert.Equal(t, u(500), s.month(start+2*hour))
		})
	}
}

// TestClockAheadThenBehind: both faults within minutes.
func TestClockAheadThenBehind(t *testing.T) {
	s := newSpending(t)
	for i, at := range []int64{start, start + 10*year, start + 60, start - day, start + 120} {
		s.pay(100, at)
		if at < start+year {
			assert.Equal(t, u(uint64(i+1)*100), s.hour(at))
		}
	}
	assert.Equal(t, u(500), s.month(start+day))
	assert.Equal(t, u(0), s.hour(start+2*hour))
	assert.Equal(t, u(0), s.month(start+31*day))
}

// TestTwoMachines: one of them is a day behind. It counts more than it has to, and the other one
// what is right.
func TestTwoMachines(t *testing.T) {
	s := newSpending(t)
	now := start
	for range 3 * 24 * 12 {
		now += 300
		s.pay(1, now)
		s.look(now - day)
		s.pay(1, now-day+10)
		s.look(now + 15)
	}
	got, ok := s.hour(now + 20).Uint64()
	require.True(t, ok)
	assert.InDelta(t, 24, got, 2)
	got, ok = s.hour(now - day + 30).Uint64()
	require.True(t, ok)
	assert.LessOrEqual(t, got, uint64(2*50*12), "marks of yesterday are thin")
	assert.LessOrEqual(t, marks(t, s.State), 3*160)
}

// TestClockBehindFreesNothing: a machine whose clock is behind goes on to pay until its clock shows when the
// other machine paid. What that one paid counts for its whole window all the same.
func TestClockBehindFreesNothing(t *testing.T) {
	for name, behind := range map[string]int64{"minutes": 4 * 60, "hours": 2 * hour, "days": 3 * day} {
		t.Run(name, func(t *testing.T) {
			s := newSpending(t)
			s.pay(100, start)
			for at := start + 60; at <= start+behind+600; at += behind / 10 {
				s.pay(1, at-behind)
				s.look(at - behind)
			}
			end := start + behind + 660
			s.pay(1, end)
			for _, window := range []int64{hour, day, month} {
				if now := start + window - 60; now > end {
					assert.False(t, within(s.State, now, window).Less(u(100)), "%d s", window)
				}
				assert.Equal(t, u(0), within(s.State, end+window+120, window))
			}
		})
	}
}

// TestClocksLoseNothing: whatever a clock shows in between, when it is right a window counts all
// that really rose within it. A clock that is behind is right again before it has passed what it
// showed by itself.
func TestClocksLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type rise struct {
			at     int64 // really
			amount uint64
		}
		var all []rise
		s := newSpending(t)
		real, wrong, ahead := start, int64(0), false
		pay := func() {
			r := rise{real, uint64(rapid.IntRange(1, 1000).Draw(t, "amount"))}
			all = append(all, r)
			s.pay(r.amount, real+wrong)
		}
		pay()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			real += rapid.SampledFrom(
				[]int64{0, 1, 59, 300, 1800, 3600, 40_000, 200_000},
			).Draw(t, "wait")
			switch rapid.IntRange(0, 4).Draw(t, "clock") {
			case 0:
				wrong = 0
			case 1: // ahead, once
				if ahead {
					continue
				}
				ahead, wrong = true, rapid.SampledFrom(
					[]int64{300, 5 * hour, 40 * day, 10 * year},
				).Draw(t, "ahead")
			case 2: // further back, and not from ahead at once
				wrong = min(wrong, 0)
				pay() // or nothing shows that it went back, as a look does at once
				wrong -= rapid.SampledFrom([]int64{200 * day, 2 * year}).Draw(t, "back")
				s.look(real + wrong)
			}
			if rapid.Bool().Draw(t, "look") {
				s.look(real + wrong)
			}
			if rapid.Bool().Draw(t, "pay") {
				pay()
			}
			if wrong != 0 {
				continue
			}
			for _, length := range []int64{hour, day, month} {
				var least uint64
				for _, r := range all {
					if real-length < r.at {
						least += r.amount
					}
				}
				got := within(s.State, real, length)
				require.False(t, got.Less(u(least)), "%d s: %s, rose %d", length, got, least)
			}
		}
		require.LessOrEqual(t, marks(t, s.State), 3*160)
	})
}
