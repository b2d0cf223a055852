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

// byHand says that -rapid.checks was given.
var byHand = sync.OnceValue(func() (given bool) {
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	return given
})

// histories runs n histories, or as many as -rapid.checks says.
func histories(t *testing.T, n int, history func(*rapid.T)) {
	t.Helper()
	if !byHand() {
		require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(n)))
	}
	rapid.Check(t, history)
}

// TestHistories is the whole client. See the package comment.
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

// first tells a failure before it is shrunk, in case that it cannot be found again.
var first sync.Once

// bubbled runs do in a bubble and lets out what it panicked with. Rapid tells failures apart by the line that they come
// from: a history that was cut short too much must not look like one that fails.
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
		first.Do(func() { t.Logf("the first that was found: %s\n%s", v.what, v.detail) })
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
