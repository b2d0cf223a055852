package crash

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

// life is one child of a crowd.
type life struct {
	Flow  string `json:"flow"`
	Point int    `json:"point"` // where it dies; it lives on if it does not come to so many
}

// crowd is what several rows of children do at the same time, on one store and one channel. In each row the next
// child starts when the one before is dead or done.
type crowd [][]life

// crowdFlows are what children of a crowd do: they open, pay, stream, top up and sweep, all of them on one rail, and
// begin to pay within limits that the others do not have.
var crowdFlows = []string{"top-up/v2", "stream/v2", "keep a top-up/v2", "further limits/v2"}

func anyCrowd(points map[string][]string, r *rand.Rand) crowd {
	c := make(crowd, 3)
	for row := range c {
		for range 3 {
			flow := crowdFlows[r.IntN(len(crowdFlows))]
			c[row] = append(c[row], life{flow, r.IntN(len(points[flow]))})
		}
	}
	return c
}

// carry lets the crowd live and die, and then an heir pay and close.
func (c crowd) carry() (kills int, bad []string) {
	w, err := newWorld(crowdFlows[0])
	if err != nil {
		return 0, []string{err.Error()}
	}
	defer w.close()
	w.crowded, w.job.Crowded = true, true
	var (
		rows sync.WaitGroup
		mu   sync.Mutex // guards kills
	)
	for _, row := range c {
		rows.Go(func() {
			for _, l := range row {
				j := w.job
				j.Flow = l.Flow
				end := w.run(j, func(point int, _ string) fate { return fate{word: wordGo, kill: point == l.Point} })
				if end.died != "" {
					w.wrong("a child died: %s", end.died)
				}
				if end.killed {
					mu.Lock()
					kills++
					mu.Unlock()
				}
			}
		})
	}
	rows.Wait()
	w.judge()
	w.job.Crowded = false
	w.succeed()
	return kills, w.bad
}

// TestKillsInCrowds kills children at random that share a store and a channel with others that live: what the dead
// leave half done is neither done twice by the others nor in their way.
func TestKillsInCrowds(t *testing.T) {
	points, bad := list()
	require.Empty(t, bad)
	r := rand.New(rand.NewPCG(*seed, 1))
	crowds := make([]crowd, 1)
	if testrun.Long() || byHand() {
		crowds = make([]crowd, max(*kills/60, 1))
	}
	for i := range crowds {
		crowds[i] = anyCrowd(points, r)
	}
	var (
		mu sync.Mutex // guards n
		n  int
	)
	together(len(crowds), func(i int) {
		kills, bad := crowds[i].carry()
		text, _ := json.Marshal(crowds[i]) // never fails
		assert.Empty(t, bad, "%s\n\t%s", text, strings.Join(bad, "\n\t"))
		mu.Lock()
		defer mu.Unlock()
		n += kills
	})
	t.Logf("%d kills among %d crowds (seed %d)", n, len(crowds), *seed)
}
