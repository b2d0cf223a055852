package rule

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestAddedNeverFreesEarly: in whatever order rises are added, each counts until its window has
// passed, and none for much longer, also if the clock goes back between them.
func TestAddedNeverFreesEarly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, back := int64(1_700_000_000), int64(0)
		var h History
		type one struct{ added, at, by int64 }
		var all []one
		for range rapid.IntRange(1, 60).Draw(t, "rises") {
			step := rapid.SampledFrom([]int64{0, 1, 60, 3000, 90_000, -30, -5000}).Draw(t, "step")
			if now += step; step < 0 {
				back -= step
			}
			at := endOfMinute(now - rapid.SampledFrom([]int64{0, 60, 1000}).Draw(t, "ago"))
			by := rapid.Int64Range(1, 100).Draw(t, "by")
			h = h.Added(Rise{at, voucher.Units(uint64(by))}, now)
			all = append(all, one{now, at, by})
			for _, window := range []int64{hour, day, month} {
				var least, most uint64
				for _, r := range all {
					if r.at > now-window && back == 0 {
						least += uint64(r.by)
					}
					if r.at > now-window-2*day-back || r.at > now+minute {
						most += uint64(r.by)
					}
				}
				got, _ := h.Within(now, time.Duration(window)*time.Second).Uint64()
				require.LessOrEqual(t, least, got, "too little in %d", window)
				require.LessOrEqual(t, got, most, "too much in %d", window)
			}
			if r, changed := h.Redated(now); changed {
				h = r
			}
		}
	})
}

// TestPastSeenByAClockThatIsBehind: what a clock that is behind makes a record of counts for the others from when it
// rose, also if it has changed the history before; and for a clock that is right, from now, if the other was ahead.
func TestPastSeenByAClockThatIsBehind(t *testing.T) {
	const now, wrong = 1_700_000_040, 7200
	h := History{}.note(maxClocks, now-1800, voucher.Units(7), fine).note(maxClocks, now-1, voucher.Units(12), fine)
	changed, did := h.Redated(now - wrong)
	require.True(t, did)
	for _, h := range []History{h, changed} {
		var made History
		for _, r := range h.rises(now-wrong, h.highest()) {
			made = made.Added(r, now-wrong)
		}
		within := made.Within(now+hour-1, hour*time.Second)
		require.False(t, within.Less(voucher.Units(5)), "%s", within)
		within = made.Within(now-wrong+hour, hour*time.Second)
		require.Equal(t, voucher.Units(12), within)
		require.Zero(t, made.Within(now-wrong+hour+2*minute, hour*time.Second))
		require.Zero(t, made.Within(now+2*hour, hour*time.Second))
	}
}

// TestClocksThatDiffer by two minutes at most free nothing early.
func TestClocksThatDiffer(t *testing.T) {
	const start = 1_700_000_040
	for behind := int64(0); behind <= 2*minute; behind += 10 {
		for first := range int64(6) {
			h := History{}.Added(Rise{start + minute, voucher.Units(1000)}, start)
			for at := start + 11*first; at < start+10*minute; at += 17 {
				now := at - behind
				h, _ = h.Redated(now)
				h = h.Added(Rise{endOfMinute(now), voucher.Units(1)}, now)
			}
			within := h.Within(start+minute+hour-1, hour*time.Second) // it was at the end of its minute, maybe
			require.False(t, within.Less(voucher.Units(1000)), "%d s behind: %s", behind, within)
		}
	}
}

// TestAddedAfterAClockWentBack: a rise of this minute counts until its end, also after another clock.
func TestAddedAfterAClockWentBack(t *testing.T) {
	const start = 1_700_000_040
	for _, until := range []int64{minute, 2 * minute, 3 * minute} {
		h := History{}.Added(Rise{start + 100*hour, voucher.Units(1)}, start)
		h = h.Added(Rise{start + until, voucher.Units(1000)}, start)
		within := h.Within(start+until+hour-1, hour*time.Second)
		require.False(t, within.Less(voucher.Units(1000)), "%d: %s", until, within)
	}
}
