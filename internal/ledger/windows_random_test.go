package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestWindowsHoldWhateverHappens compares random requests, refusals, replays, restarts and waits
// with a list of every rise.
func TestWindowsHoldWhateverHappens(t *testing.T) {
	own := lim
	own.All.Hour, own.All.Day, own.Origin.Hour = u(500), u(900), u(300)
	waits := []time.Duration{0, 2 * time.Second, 20 * time.Minute, 5 * time.Hour}
	type step struct {
		wait       time.Duration
		channel    int
		price      uint64
		end, crash int
	}
	rapid.Check(t, func(rt *rapid.T) {
		own.Ahead = u(uint64(rapid.SampledFrom([]int{0, 50}).Draw(rt, "ahead")))
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				rapid.SampledFrom(waits).Draw(rt, "wait"),
				rapid.IntRange(0, 1).Draw(rt, "channel"),
				uint64(rapid.IntRange(1, 200).Draw(rt, "price")),
				rapid.IntRange(0, 3).Draw(rt, "end"), rapid.IntRange(0, 9).Draw(rt, "crash"),
			}
		}), 5, 30).Draw(rt, "steps")
		var broken string
		bubble.Run(t, func(t *testing.T) {
			b := newBench(t, own)
			accounts := []*ledger.Account{b.at(t, 1, here, 1), b.at(t, 2, there, 1)}
			type rise struct {
				at     time.Time
				origin int
				amount uint64
			}
			var all []rise
			within := func(d time.Duration, origin int) (sum uint64) {
				for _, r := range all {
					if time.Since(r.at) < d && (origin < 0 || r.origin == origin) {
						sum += r.amount
					}
				}
				return sum
			}
			for n, s := range steps {
				time.Sleep(s.wait)
				a := accounts[s.channel]
				before, _ := a.State().Authorized().Uint64()
				if c, v, err := a.Reserve(t.Context(), a.Terms(), price(s.price)); err == nil {
					switch s.end {
					case 0:
						c.Release()
					case 1:
						_, _ = c.Again(t.Context(), v.Cumulative)
					default:
						c.Keep()
					}
				}
				after, _ := a.State().Authorized().Uint64()
				all = append(all, rise{time.Now(), s.channel, after - before})
				if within(time.Hour, -1) > 500 || within(24*time.Hour, -1) > 900 ||
					within(time.Hour, s.channel) > 300 {
					broken = fmt.Sprintf("after step %d: %v", n, all)
					return
				}
				if s.crash == 0 {
					b = b.again()
					for i := range accounts {
						var err error
						accounts[i], err = b.Account(t.Context(), accounts[i].ID())
						require.NoError(t, err)
					}
				}
			}
		})
		if broken != "" {
			rt.Fatal(broken)
		}
	})
}
