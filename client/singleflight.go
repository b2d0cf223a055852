package client

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// flights let one request fund a scope or a channel at a time. The zero value is ready.
type flights struct {
	mu  sync.Mutex // guards all
	all map[string]*flight
}

// flight is a funding transaction under way. The others wait for its end and then look again.
type flight struct {
	of   *flights
	key  string
	done chan struct{}
}

// flightWait bounds how long a request waits for the funding transaction of another.
const flightWait = time.Minute

// begin begins the flight of a key, or waits for the one under way. It returns nil, nil after such a
// wait: look again then. The error is [ErrPending] after a minute, or the context's.
func (f *flights) begin(ctx context.Context, key string) (*flight, error) {
	f.mu.Lock()
	other := f.all[key]
	if other == nil {
		if f.all == nil {
			f.all = map[string]*flight{}
		}
		mine := &flight{of: f, key: key, done: make(chan struct{})}
		f.all[key] = mine
		f.mu.Unlock()
		return mine, nil
	}
	f.mu.Unlock()
	timer := time.NewTimer(flightWait)
	defer timer.Stop()
	select {
	case <-other.done:
		return nil, nil
	case <-timer.C:
		return nil, fmt.Errorf("%w: another request has funded this channel for %s", ErrPending, flightWait)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// end ends the flight. It may be called once.
func (f *flight) end() {
	f.of.mu.Lock()
	delete(f.of.all, f.key)
	f.of.mu.Unlock()
	close(f.done)
}
