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
