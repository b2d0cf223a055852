package client

import (
	"sync"
	"time"
)

// maxIntervals bounds how many names are remembered. Servers choose them.
const maxIntervals = 1024

// intervals remembers when something was done for a name, so that it is done once in a while. The zero
// value is ready.
type intervals struct {
	mu   sync.Mutex // guards last
	last map[string]time.Time
}

// within reports whether the name was begun less than d ago.
func (i *intervals) within(name string, d time.Duration) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	at, ok := i.last[name]
	return ok && time.Since(at) < d
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
	return true
}

// forget allows the next begin of a name.
func (i *intervals) forget(name string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.last, name)
}
