package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestClockJumps: the clock of the client and that of the world part in the middle of a flow, by an hour or a day, and
// come together again before the next child starts. A client that is behind is served all the same: it answers a
// challenge that is over, and then the fresh one. One that is ahead takes all challenges for expired: it signs no voucher
// for them and says why. Where the chain jumps, what is being funded may have expired; the next request funds anew.
func TestClockJumps(t *testing.T) {
	points, bad := list()
	require.Empty(t, bad)
	type jump struct {
		flow  string
		point int
		world time.Duration // of the server's clock against the client's
		chain time.Duration // of the chain's
	}
	var all []jump
	for _, flow := range []string{"open/v2", "open/v1", "voucher/v2", "top-up/v2", "stream/v2", "close/v2", "forced close/v2"} {
		for i, name := range points[flow] {
			if strings.HasSuffix(name, ": send") {
				all = append(all, jump{flow, i, time.Hour, 0}, jump{flow, i, -time.Hour, 0}, jump{flow, i, 25 * time.Hour, 0}, jump{flow, i, -25 * time.Hour, 0}, jump{flow, i, 0, time.Hour})
			}
		}
	}
	all = enough(all)
	together(len(all), func(i int) {
		j := all[i]
		w, err := newWorld(j.flow)
		if !assert.NoError(t, err) {
			return
		}
		defer w.close()
		end := w.run(w.job, func(point int, _ string) fate {
			if point == j.point {
				w.skew.Store(int64(j.world))
				w.srv.Chain.Advance(j.chain)
			}
			return goOn
		})
		assert.Empty(t, end.died)
		for _, failed := range end.failed {
			switch {
			case j.world < 0:
				assert.Contains(t, failed, "expired", "%+v", j)
			case j.chain == 0:
				assert.Empty(t, failed, "%+v", j)
			}
		}
		w.judge()
		w.skew.Store(0)
		w.succeed()
		assert.Empty(t, w.bad, "%+v (%s)", j, points[j.flow][j.point])
	})
	t.Logf("%d jumps", len(all))
}
