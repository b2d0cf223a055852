// Package bubble runs tests in a synctest bubble.
package bubble

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

var one sync.Mutex

// Run is [synctest.Test] on one processor, one bubble at a time. With the race detector all timers of
// a bubble share one thread state of its runtime, and Go 1.26 lets two processors use it at once: the
// detector then ends the process (golang/go#78156).
func Run(t *testing.T, f func(*testing.T)) {
	t.Helper()
	one.Lock()
	defer one.Unlock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, f)
}
