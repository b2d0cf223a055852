package model_test

import (
	"flag"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
)

// byHand reports whether -rapid.checks was given.
var byHand = sync.OnceValue(func() (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	return given
})

// histories runs n histories, or the number in -rapid.checks.
func histories(t *testing.T, n int, history func(*rapid.T)) {
	t.Helper()
	if !byHand() {
		require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(n)))
	}
	rapid.Check(t, history)
}

// TestHistories runs the whole client. See the package comment. All histories together must drive
// what a purchase can meet.
func TestHistories(t *testing.T) {
	clear(driven)
	histories(t, testrun.Size(300, 1000), func(rt *rapid.T) { bubbled(t, rt, func() { history(rt) }) })
	if byHand() || !testrun.Long() {
		return // perhaps only a few
	}
	for what, least := range map[string]int{
		callOverBothProtocols: 5, callPaidAfterRedirect: 5, callOverBothAfterRedirect: 1,
		callOverBothApproved: 1, callOverBothOfARun: 1, ownerApproves: 5, ownerDeclines: 5,
		policyRefuses: 5, refusedBy(channel.LimitBudget): 5, refusedBy("All.Hour"): 5,
		refusedBy("Price"): 5, liesThatFlip: 5, liesThatBounce: 5, liesThatRefuse: 5,
		liesThatMeet: 1,
	} {
		assert.GreaterOrEqual(t, driven[what], least, "%s: too few", what)
	}
	t.Logf("%v", driven)
}

// driven counts what the histories of TestHistories drove, one after the other.
var driven = map[string]int{}

const (
	callOverBothProtocols     = "a call paid over both protocols"
	callPaidAfterRedirect     = "a call paid after a redirect"
	callOverBothAfterRedirect = "a call paid over both protocols and redirected"
	callOverBothApproved      = "a call paid over both protocols and approved"
	callOverBothOfARun        = "a call paid over both protocols and of a run"
	ownerApproves             = "the owner approves"
	ownerDeclines             = "the owner declines"
	policyRefuses             = "the policy refuses"
	liesThatFlip              = "a history with terms that flip"
	liesThatBounce            = "a history with redirects"
	liesThatRefuse            = "a history with refusals"
	liesThatMeet              = "a history with terms that flip, redirects or refusals together"
)

func refusedBy(limit string) string { return "a call refused by the limit " + limit }

func history(rt *rapid.T) {
	w := newWorld(rt)
	defer w.close()
	w.lie()
	for range 5 + w.draw(11, "steps") {
		w.step()
		w.check()
	}
	w.count()
	w.finish()
	w.check()
}

// count counts what the history drove.
func (w *world) count() {
	met := func(all []lies.Lie) bool {
		return slices.ContainsFunc(all, func(l lies.Lie) bool { return w.srv.Lied(l) > 0 })
	}
	flipped, bounced, refused := met(flips), met(bounces), met(refusals)
	add := func(what string, ok bool) {
		if ok {
			driven[what]++
		}
	}
	add(liesThatFlip, flipped)
	add(liesThatBounce, bounced)
	add(liesThatRefuse, refused)
	add(liesThatMeet, flipped && bounced || flipped && refused || bounced && refused)
	for _, c := range w.calls {
		both := len(c.protocols) == 2
		add(callPaidAfterRedirect, c.paidOn)
		add(callOverBothProtocols, both)
		add(callOverBothAfterRedirect, both && c.redirected)
		add(callOverBothApproved, both && len(c.approved) > 0)
		add(callOverBothOfARun, both && c.run)
	}
}

// first logs the first failure before it is shrunk, because shrinking may lose it.
var first sync.Once

// bubbled runs do in a synctest bubble and passes its panic on. Rapid tells failures apart by the
// line that they come from, so a history without data must not fail on the line of a violation.
func bubbled(t *testing.T, rt *rapid.T, do func()) {
	t.Helper()
	var (
		caught any
		stack  []byte
	)
	bubble.Run(t, func(*testing.T) {
		defer func() {
			if caught = recover(); caught != nil {
				stack = debug.Stack()
			}
		}()
		do()
	})
	switch v := caught.(type) {
	case nil:
	case violation:
		first.Do(func() { t.Logf("first failure: %s\n%s", v.what, v.detail) })
		rt.Logf("%s", v.detail)
		rt.Fatal(v.what)
	default:
		if fmt.Sprintf("%T", caught) == "rapid.invalidData" {
			panic(caught)
		}
		rt.Logf("%s", stack)
		rt.Fatalf("panic: %v", caught)
	}
}
