package crash

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const golden = "testdata/points.txt"

// list runs every flow without a kill, its heir after it, and returns the points of each.
var list = sync.OnceValues(func() (map[string][]string, []string) {
	points, bad := map[string][]string{}, []string{}
	for _, name := range flowNames() {
		w, err := newWorld(name)
		if err != nil {
			return nil, []string{err.Error()}
		}
		end := w.run(w.job, nil)
		points[name] = end.points
		w.judge()
		w.succeed(end)
		for _, b := range w.bad {
			bad = append(bad, name+": "+b)
		}
		w.close()
	}
	return points, bad
})

// succeed lets an heir go on after a child, and expects everything of it.
func (w *world) succeed(ends ...ending) {
	j := w.job
	j.Heir = true
	for _, end := range append(ends, w.run(j, nil)) {
		for _, failed := range end.failed {
			w.wrong("%s", failed)
		}
		if end.died != "" {
			w.wrong("a child died: %s", end.died)
		}
	}
	w.judgeEnd()
}

// TestPoints: the points of all flows are those that were looked at. Where one is missing or new, look at the
// difference, and then write the list anew with -update: a new write or request is killed at from then on.
func TestPoints(t *testing.T) {
	points, bad := list()
	require.Empty(t, bad)
	var now []string
	for _, name := range flowNames() {
		require.NotEmpty(t, points[name], name)
		now = append(now, name)
		for _, line := range steps(points[name]) {
			now = append(now, "\t"+line)
		}
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(golden, []byte(strings.Join(now, "\n")+"\n"), 0o644))
	}
	text, err := os.ReadFile(golden)
	require.NoError(t, err)
	was, flow := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), ""
	for i := range max(len(was), len(now)) {
		want, have := at(was, i), at(now, i)
		require.Equal(t, want, have, "line %d of %s, in flow %s", i+1, golden, flow)
		if !strings.HasPrefix(have, "\t") {
			flow = have
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(the end)"
}

// steps writes the points of one thing in one line: "put channel: begin, torn, done".
func steps(points []string) (lines []string) {
	head := ""
	for _, p := range points {
		what, where, _ := strings.Cut(p, ": ")
		if what == head && where != "begin" && where != "send" {
			lines[len(lines)-1] += ", " + where
			continue
		}
		head = what
		lines = append(lines, p)
	}
	return lines
}
