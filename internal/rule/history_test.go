package rule_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	hour  = int64(60 * 60)
	day   = 24 * hour
	month = 30 * day
)

// within is what rose in the window that ends now, in seconds.
func within(s rule.State, now, length int64) voucher.Amount {
	return s.Rises().Within(now, time.Duration(length)*time.Second)
}

var mark = regexp.MustCompile(`\[\d+,"\d+"\]`)

// marks counts the marks in a record.
func marks(t require.TestingT, s rule.State) int {
	data, err := s.Encode()
	require.NoError(t, err)
	return len(mark.FindAll(data, -1))
}

// TestHistoryNeverCountsTooLittle: against a list of every rise, a window counts all of what rose
// within it, and at most what rose in the stretch before it that thinning merges.
func TestHistoryNeverCountsTooLittle(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: voucher.MaxAmount, Deposit: voucher.MaxAmount})
	rapid.Check(t, func(t *rapid.T) {
		type rise struct {
			at     int64
			amount uint64
		}
		var all []rise
		s := rule.State{Confirmed: true, Deposit: voucher.MaxAmount, Protocol: voucher.V1}
		now := int64(1_800_000_000)
		for range rapid.IntRange(1, 60).Draw(t, "rises") {
			now += rapid.SampledFrom(
				[]int64{0, 1, 59, 60, 61, 1800, 3599, 3600, 86_400, 1_000_000},
			).Draw(t, "wait")
			r := rise{now, uint64(rapid.IntRange(1, 1000).Draw(t, "amount"))}
			all = append(all, r)
			next, _, _, err := s.Authorize(rule.Request{Price: u(r.amount)}, lim)
			require.NoError(t, err)
			s = next.Noted(s, s.Scope.Origin, now)
			for _, w := range []struct{ length, slack int64 }{
				{hour, 60}, {day, hour}, {month, 2 * day},
			} {
				var least, most uint64
				for _, r := range all {
					if now-w.length < r.at {
						least += r.amount
					}
					if now-w.length-w.slack < r.at {
						most += r.amount
					}
				}
				got := within(s, now, w.length)
				assert.False(t, got.Less(u(least)), "%d s: %s, rose %d", w.length, got, least)
				assert.False(t, u(most).Less(got), "%d s: %s, rose at most %d", w.length, got, most)
			}
			assert.LessOrEqual(t, marks(t, s), 160)
		}
	})
}

// TestHistoryOfABusyMonth stays small.
func TestHistoryOfABusyMonth(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(1), Deposit: voucher.MaxAmount})
	s := rule.State{Confirmed: true, Deposit: voucher.MaxAmount, Protocol: voucher.V1}
	start := int64(1_800_000_000)
	for now := start; now < start+40*day; now += 47 {
		next, _, _, err := s.Authorize(rule.Request{Price: u(1)}, lim)
		require.NoError(t, err)
		s = next.Noted(s, s.Scope.Origin, now)
	}
	assert.Less(t, marks(t, s), 160)
}

// TestHistoryOfWhatWasSignedBefore: our own signature that is shown to us is no spending of today.
func TestHistoryOfWhatWasSignedBefore(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(100), Deposit: u(10_000)})
	now := int64(1_800_000_000)
	s := open(t, 10_000)
	next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
	s = next.Noted(s, here, now)
	s = s.Settle(rule.OnChain{Exists: true, Deposit: u(10_000), Settled: u(5000)})
	require.Equal(t, u(5000), s.Authorized())
	assert.Equal(t, u(100), within(s, now, hour))
	next, _, _, err = s.Authorize(rule.Request{Price: u(70)}, lim)
	require.NoError(t, err)
	s = next.Noted(s, here, now+7200)
	assert.Equal(t, u(70), within(s, now+7200, hour))
	assert.Equal(t, u(170), within(s, now+7200, day))
}

// TestRecordWithoutHistory: nobody knows when its ceiling rose, so only what rises from now on
// counts.
func TestRecordWithoutHistory(t *testing.T) {
	old, _, _ := pay(t, open(t, 10_000), 900, wide)
	data, err := old.Encode()
	require.NoError(t, err)
	require.NotContains(t, string(data), "history")
	s, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, u(0), within(s, month, month))
	next, _, _, err := s.Authorize(rule.Request{Price: u(50)}, wide)
	require.NoError(t, err)
	s = next.Noted(s, here, 1_800_000_000)
	assert.Equal(t, u(50), within(s, 1_800_000_000, hour))

	data, err = s.Encode()
	require.NoError(t, err)
	assert.Contains(t, string(data), `"history":[[0,"900"],[1800000060,"950"]]`)
	again, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, s, again)
	for name, bad := range map[string]string{
		"back in time": `[[9,"900"],[5,"950"]]`,
		"no pair":      `[900]`,
		"no amount":    `[[0,"-1"]]`,
		"no time":      `[["x","1"]]`,
	} {
		_, err := rule.Decode(replaceOnce(string(data), `[[0,"900"],[1800000060,"950"]]`, bad))
		require.ErrorIs(t, err, channel.ErrRecord, name)
	}
}

// TestAmountsThatFillAHistory: a sum of rises that does not fit an amount counts as all of it, and never as
// less than the rises that came after.
func TestAmountsThatFillAHistory(t *testing.T) {
	var h rule.History
	now := int64(1_700_000_040)
	for range 3 {
		h = h.Added(rule.Rise{At: now, By: voucher.MaxAmount}, now)
		require.Equal(t, voucher.MaxAmount, h.Within(now, time.Hour))
		now += 2 * 3600
	}
	data, err := h.MarshalJSON()
	require.NoError(t, err)
	require.NoError(t, h.UnmarshalJSON(data))
	require.Equal(t, voucher.MaxAmount, h.Within(now, time.Hour), "what was added is not known any more")
}
