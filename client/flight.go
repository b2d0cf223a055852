package client

import "context"

// flight is a funding transaction under way: one at a time for a scope, or for a channel. The others wait for
// it and then look again.
type flight struct {
	s    *Session
	key  string
	done chan struct{}
}

// fly begins the flight of a key, or waits for the one under way. It returns nil, nil after such a wait:
// look again then.
func (s *Session) fly(ctx context.Context, key string) (*flight, error) {
	s.mu.Lock()
	other := s.flights[key]
	if other == nil {
		f := &flight{s: s, key: key, done: make(chan struct{})}
		s.flights[key] = f
		s.mu.Unlock()
		return f, nil
	}
	s.mu.Unlock()
	select {
	case <-other.done:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// end ends the flight.
func (f *flight) end() {
	f.s.mu.Lock()
	delete(f.s.flights, f.key)
	f.s.mu.Unlock()
	close(f.done)
}
