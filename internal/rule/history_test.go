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

// TestHistoryNeverCountsTooLittle: against a list of every rise, a window counts all of what rose within it, and
// at most what rose in the stretch before it that thinning merges.
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
			now += rapid.SampledFrom([]int64{0, 1, 59, 60, 61, 1800, 3599, 3600, 86_400, 1_000_000}).Draw(t, "wait")
			r := rise{now, uint64(rapid.IntRange(1, 1000).Draw(t, "amount"))}
			all = append(all, r)
			next, _, _, err := s.Authorize(rule.Request{Price: u(r.amount)}, lim)
			require.NoError(t, err)
			s = next.Noted(s, now)
			for _, w := range []struct{ length, slack int64 }{{rule.Hour, 60}, {rule.Day, rule.Hour}, {rule.Month, 2 * rule.Day}} {
				var least, most uint64
				for _, r := range all {
					if now-w.length < r.at {
						least += r.amount
					}
					if now-w.length-w.slack < r.at {
						most += r.amount
					}
				}
				got := s.History().Risen(now-w.length, s.Authorized())
				assert.False(t, got.Less(u(least)), "%d s: %s, rose %d", w.length, got, least)
				assert.False(t, u(most).Less(got), "%d s: %s, rose at most %d", w.length, got, most)
			}
			assert.LessOrEqual(t, len(s.History()), 160)
		}
	})
}

// TestHistoryOfABusyMonth stays small.
func TestHistoryOfABusyMonth(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(1), Deposit: voucher.MaxAmount})
	s := rule.State{Confirmed: true, Deposit: voucher.MaxAmount, Protocol: voucher.V1}
	start := int64(1_800_000_000)
	for now := start; now < start+40*rule.Day; now += 47 {
		next, _, _, err := s.Authorize(rule.Request{Price: u(1)}, lim)
		require.NoError(t, err)
		s = next.Noted(s, now)
	}
	assert.Less(t, len(s.History()), 160)
}

// TestHistoryOfAClockThatGoesBack counts what rose then as risen at the latest time that was seen.
func TestHistoryOfAClockThatGoesBack(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(100), Deposit: u(1000)})
	s, now := open(t, 1000), int64(1_800_000_000)
	for range 3 {
		next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, lim)
		require.NoError(t, err)
		s = next.Noted(s, now)
		now -= rule.Day
	}
	assert.Equal(t, u(300), s.History().Risen(1_800_000_000-rule.Hour, s.Authorized()))
	assert.Equal(t, u(0), s.History().Risen(1_800_000_000+rule.Hour, s.Authorized()))
}

// TestHistoryOfWhatWasSignedBefore: our own signature that is shown to us is no spending of today.
func TestHistoryOfWhatWasSignedBefore(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(100), Deposit: u(10_000)})
	now := int64(1_800_000_000)
	s := open(t, 10_000)
	next, _, _, err := s.Authorize(rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
	s = next.Noted(s, now)
	s = s.Settle(rule.OnChain{Exists: true, Deposit: u(10_000), Settled: u(5000)})
	require.Equal(t, u(5000), s.Authorized())
	assert.Equal(t, u(100), s.History().Risen(now-rule.Hour, s.Authorized()))
	next, _, _, err = s.Authorize(rule.Request{Price: u(70)}, lim)
	require.NoError(t, err)
	s = next.Noted(s, now+7200)
	assert.Equal(t, u(70), s.History().Risen(now+7200-rule.Hour, s.Authorized()))
	assert.Equal(t, u(170), s.History().Risen(now+7200-rule.Day, s.Authorized()))
}

// TestRecordWithoutHistory: nobody knows when its ceiling rose, so only what rises from now on counts.
func TestRecordWithoutHistory(t *testing.T) {
	old, _, _ := pay(t, open(t, 10_000), 900, wide)
	data, err := old.Encode()
	require.NoError(t, err)
	require.NotContains(t, string(data), "history")
	s, err := rule.Decode(data)
	require.NoError(t, err)
	assert.Equal(t, u(0), s.History().Risen(0, s.Authorized()))
	next, _, _, err := s.Authorize(rule.Request{Price: u(50)}, wide)
	require.NoError(t, err)
	s = next.Noted(s, 1_800_000_000)
	assert.Equal(t, u(50), s.History().Risen(1_800_000_000-rule.Hour, s.Authorized()))

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
