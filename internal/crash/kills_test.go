package crash

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

// plan is one way to die. It is written as JSON, and -only takes it back.
type plan struct {
	Flow string `json:"flow"`
	// Point is where the child dies, by its number in the flow's list; Name is for the reader.
	Point int    `json:"point"`
	Name  string `json:"name,omitempty"`
	// After lets it go on from there and kills it so much later.
	After time.Duration `json:"after,omitempty"`
	// Late lets its next request leave, keeps it on the way, and hands it over when the child is dead: at once
	// ("dead"), or when another child has paid already ("overtaken").
	Late string `json:"late,omitempty"`
	// Expire lets so much time pass on the chain, before another child starts, that no transaction of the first can
	// be mined.
	Expire bool `json:"expire,omitempty"`
	// Again are the points at which children die that start afterwards.
	Again []int `json:"again,omitempty"`
}

func (p plan) String() string {
	b, _ := json.Marshal(p) // never fails
	return string(b)
}

// carry carries a plan out. It returns how many children were killed, and what should not have been.
func carry(p plan) (kills int, bad []string) {
	w, err := newWorld(p.Flow)
	if err != nil {
		return 0, []string{err.Error()}
	}
	defer w.close()
	dying := []ending{w.run(w.job, p.decide)}
	w.judge()
	if p.Late == "dead" {
		w.release()
		w.judge()
	}
	if p.Expire {
		w.srv.Chain.Advance(time.Minute)
	}
	heir := w.job
	heir.Heir = true
	for _, at := range p.Again {
		dying = append(dying, w.run(heir, func(point int, _ string) fate { return fate{word: wordGo, kill: point == at} }))
		w.judge()
	}
	w.paid = w.release // what was kept is too late then
	w.succeed(dying...)
	for _, end := range dying {
		if end.killed {
			kills++
		}
	}
	return kills, w.bad
}

// decide is what happens to the first child.
func (p plan) decide(point int, name string) fate {
	if point != p.Point {
		return goOn
	}
	switch {
	case p.Late != "":
		return fate{word: wordGo, keep: keepable(name)}
	case p.After > 0:
		return fate{word: wordGo, after: p.After}
	}
	return fate{kill: true}
}

// keepable is the kind of request that leaves at a point, as a gate knows it. It is empty where keeping it back is
// of no interest: it moves nothing.
func keepable(point string) string {
	name, sends := strings.CutSuffix(point, ": send")
	if !sends {
		return ""
	}
	words := strings.Fields(name)
	if words[0] == "http" && len(words) == 3 {
		return words[2]
	}
	if name == "rpc eth_sendRawTransaction" {
		return words[1]
	}
	return ""
}

// playable are the flows of -flow.
func playable() (names []string) {
	for _, name := range flowNames() {
		if strings.Contains(name, *among) {
			names = append(names, name)
		}
	}
	return names
}

// everywhere is a plan for every point of every flow, and for every request that may arrive late.
func everywhere(points map[string][]string, r *rand.Rand) (plans []plan) {
	for _, flow := range playable() {
		for i, name := range points[flow] {
			plans = append(plans, plan{Flow: flow, Point: i, Name: name, Expire: r.IntN(2) == 0})
			if keepable(name) == "" {
				continue
			}
			for _, late := range []string{"dead", "overtaken"} {
				for _, expire := range []bool{false, true} {
					plans = append(plans, plan{Flow: flow, Point: i, Name: name, Late: late, Expire: expire && late == "overtaken"})
				}
			}
		}
	}
	return plans
}

// anywhere is a plan by chance. A child that starts afterwards may die as well.
func anywhere(points map[string][]string, r *rand.Rand) plan {
	all := playable()
	flow := all[r.IntN(len(all))]
	i := r.IntN(len(points[flow]))
	p := plan{Flow: flow, Point: i, Name: points[flow][i], Expire: r.IntN(3) == 0}
	switch late := []string{"dead", "overtaken"}[r.IntN(2)]; {
	case keepable(p.Name) != "" && r.IntN(2) == 0:
		p.Late = late
	case r.IntN(4) > 0:
		p.After = time.Duration(r.Int64N(int64(3 * time.Millisecond)))
	}
	for range r.IntN(3) {
		p.Again = append(p.Again, r.IntN(60))
	}
	return p
}

// enough is 50 of them, evenly spread, unless plans were asked for by a flag or the long tests run. In CI those play
// every third, others tomorrow and the day after: all take longer than everything else.
func enough[T any](all []T) []T {
	const few = 50
	var some []T
	switch {
	case byHand(), len(all) <= few:
		return all
	case testrun.Long() && os.Getenv("CI") == "true":
		return third(all, time.Now())
	case testrun.Long():
		return all
	}
	for i := range few {
		some = append(some, all[i*len(all)/few])
	}
	return some
}

// third is every third of them: those of three days in a row are all, and none twice.
func third[T any](all []T, day time.Time) (some []T) {
	for i := int(day.Unix() / (24 * 60 * 60) % 3); i < len(all); i += 3 {
		some = append(some, all[i])
	}
	return some
}

func TestThreeDaysPlayAll(t *testing.T) {
	all := []int{0, 1, 2, 3, 4, 5, 6}
	for _, from := range []string{"2026-11-30", "2026-12-30", "2028-02-28"} {
		day, err := time.Parse(time.DateOnly, from)
		require.NoError(t, err)
		var played []int
		for i := range 3 {
			played = append(played, third(all, day.AddDate(0, 0, i))...)
		}
		require.ElementsMatch(t, all, played, from)
	}
}

// byHand reports whether a flag says what to play.
func byHand() (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "kills" || f.Name == "only" || f.Name == "flow" })
	return given
}

// atRandom is how many plans are drawn at least after those for every point.
const atRandom = 60

// TestKills kills at every point, and then at random instants until there were enough.
func TestKills(t *testing.T) {
	began := time.Now()
	r := rand.New(rand.NewPCG(*seed, 0))
	least := *kills
	var points map[string][]string
	var plans []plan
	if *only == "" {
		var bad []string
		points, bad = list()
		require.Empty(t, bad)
		require.NotEmpty(t, playable(), "-flow")
		plans = everywhere(points, r)
	} else {
		plans, least = make([]plan, 1), 0
		require.NoError(t, json.Unmarshal([]byte(*only), &plans[0]))
	}
	random := atRandom
	if few := enough(plans); len(few) < len(plans) {
		plans, least = few, 0
		if !testrun.Long() {
			random = 0
		}
	}
	var (
		mu       sync.Mutex // guards what follows
		next, n  int
		failures []string
	)
	take := func() (plan, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		switch {
		case next <= len(plans):
			return plans[next-1], true
		case next > len(plans)+random && n >= least || *only != "" || len(failures) > 20:
			return plan{}, false
		}
		return anywhere(points, r), true
	}
	book := func(p plan, kills int, bad []string) {
		mu.Lock()
		defer mu.Unlock()
		if n/1000 < (n+kills)/1000 {
			fmt.Fprintf(os.Stderr, "%d kills after %v, %d failures\n", n+kills, time.Since(began).Round(time.Second), len(failures))
		}
		n += kills
		if len(bad) > 0 {
			failures = append(failures, fmt.Sprintf("-only '%s'\n\t%s", p, strings.Join(bad, "\n\t")))
		}
	}
	var workers sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for p, ok := take(); ok; p, ok = take() {
				kills, bad := carry(p)
				book(p, kills, bad)
			}
		})
	}
	workers.Wait()
	assert.Empty(t, strings.Join(failures, "\n"))
	t.Logf("%d kills, of which %d plans are for every point, in %v (seed %d)", n, len(plans), time.Since(began).Round(time.Second), *seed)
}
