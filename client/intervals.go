package client

import (
	"sync"
	"sync/atomic"
	"time"
)

// maxIntervals bounds how many names are remembered. Servers choose them.
const maxIntervals = 1024

// intervals remembers when something was done for a name, so that it is done once in a while. The zero
// value is ready.
type intervals struct {
	any  atomic.Bool // something was begun
	mu   sync.Mutex  // guards last
	last map[string]time.Time
}

// within reports whether one of the names was begun less than d ago.
func (i *intervals) within(d time.Duration, names ...string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range names {
		if at, ok := i.last[name]; ok && time.Since(at) < d {
			return true
		}
	}
	return false
}

// begin notes that something is done for a name now, and reports whether it may be: not if it was done
// less than d ago, and not if more names than can be remembered had it done in that time.
func (i *intervals) begin(name string, d time.Duration) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, known := i.last[name]
	if known && time.Since(at) < d {
		return false
	}
	if !known && len(i.last) >= maxIntervals {
		for other, at := range i.last {
			if time.Since(at) >= d {
				delete(i.last, other)
			}
		}
		if len(i.last) >= maxIntervals {
			return false
		}
	}
	if i.last == nil {
		i.last = map[string]time.Time{}
	}
	i.last[name] = time.Now()
	i.any.Store(true)
	return true
}

// forget allows the next begin of those of the names that were not begun after the time.
func (i *intervals) forget(since time.Time, names ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, name := range names {
		if at, ok := i.last[name]; ok && !at.After(since) {
			delete(i.last, name)
		}
	}
}
