package crash

import (
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBrokenWrites breaks every write of every flow on the v2 rail, in every way, without a kill: it failed, it was
// stored and said that it failed, the disk is full, it hangs until the caller gives up. Whatever was under
// way may fail. Then the same program, or another one, goes on as if nothing had been.
func TestBrokenWrites(t *testing.T) {
	points, bad := list()
	require.Empty(t, bad)
	ways := []word{wordFail, wordStored, wordHang, wordHangStored}
	if runtime.GOOS == "linux" {
		ways = append(ways, wordFull)
	}
	type broken struct {
		flow  string
		point int
		how   word
		stay  bool
	}
	var all []broken
	for _, flow := range flowNames() {
		for i, name := range points[flow] {
			if !strings.HasSuffix(flow, "/v2") || !strings.HasPrefix(name, "put ") || !strings.HasSuffix(name, ": begin") {
				continue
			}
			for n, how := range ways {
				// An origin is shown who pays once in ten minutes: a session that could not take in its channel then
				// does not find it again before, and another one does.
				stay := (i+n)%2 == 0 && !strings.HasPrefix(flow, "resume by ")
				all = append(all, broken{flow, i, how, stay})
			}
		}
	}
	require.NotEmpty(t, all)
	all = enough(all)
	together(len(all), func(i int) {
		b := all[i]
		w, err := newWorld(b.flow)
		if !assert.NoError(t, err) {
			return
		}
		defer w.close()
		w.job.Stay = b.stay
		end := w.run(w.job, func(point int, _ string) fate {
			if point == b.point {
				return fate{word: b.how}
			}
			return goOn
		})
		if b.stay {
			w.afterwards(end)
		} else {
			w.judge()
			w.succeed()
		}
		assert.Empty(t, w.bad, "%+v (%s)", b, points[b.flow][b.point])
	})
	t.Logf("%d writes were broken", len(all))
}

// afterwards expects that all went well with a child that stayed, but for what was under way.
func (w *world) afterwards(end ending) {
	if end.died != "" {
		w.wrong("a child died: %s", end.died)
	}
	for _, failed := range end.failed {
		w.wrong("%s", failed)
	}
	w.judgeEnd()
}

// together does n things, some at a time.
func together(n int, do func(i int)) {
	var workers sync.WaitGroup
	next := make(chan int)
	for range 2 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}
