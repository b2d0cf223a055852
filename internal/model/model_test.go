package model_test

import (
	"flag"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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

// TestHistories runs the whole client. See the package comment.
func TestHistories(t *testing.T) {
	histories(t, 1000, func(rt *rapid.T) { bubbled(t, rt, func() { history(rt) }) })
}

func history(rt *rapid.T) {
	w := newWorld(rt)
	defer w.close()
	for range 5 + w.draw(11, "steps") {
		w.step()
		w.check()
	}
	w.finish()
	w.check()
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
	synctest.Test(t, func(*testing.T) {
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
