package outlay

import (
	"flag"
	"fmt"
	"testing"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

var (
	sequences = flag.Int("sequences", testrun.Size(5, 500), "random sequences of steps")
	seed      = flag.Uint64("seed", 20261130, "seed of the first sequence")
)

// TestOutlay drives a wallet through random sequences. See the comment of the package.
func TestOutlay(t *testing.T) {
	reached := map[string]int{}
	for i := range *sequences {
		n, dir := *seed+uint64(i), t.TempDir() //nolint:gosec // a counter
		bubble.Run(t, func(t *testing.T) {
			w := newWorld(t, n, dir)
			defer w.close()
			for w.steps = range 8 + w.r.IntN(25) {
				w.step()
				w.check()
			}
			w.finish()
			for what, times := range w.reached {
				reached[what] += times
			}
		})
		if t.Failed() {
			return
		}
	}
	t.Log(fmt.Sprint(reached))
	if *sequences < 300 {
		return
	}
	for _, what := range []string{
		"open", "top", "request", "withdraw", "a sponsored transaction", "a fee in another token", "another token",
		"request of a run", "refused by a budget", "refused by a window", "refused by fees", "stream", "files",
		"crash", "crash at a write", "store failed", "node failed", "an answer is lost",
	} {
		if reached[what] == 0 {
			t.Errorf("no sequence reaches: %s", what)
		}
	}
}
