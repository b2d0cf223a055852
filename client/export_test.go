package client

import (
	"context"
	"io"
	"maps"
	"slices"
)

// HoldStream takes the lock under which a Stream takes payment events from the body of a paid stream.
func HoldStream(body io.ReadCloser) (release func()) {
	m := body.(*meter) //nolint:forcetypeassert // the body of a paid stream
	m.noting.Lock()
	return m.noting.Unlock
}

// AwaitTopUps waits for the top-ups that a session makes beside requests.
func AwaitTopUps(s *Session) {
	s.beside.mu.Lock()
	all := slices.Collect(maps.Values(s.beside.busy))
	s.beside.mu.Unlock()
	for _, one := range all {
		<-one.ended
	}
}

// Tell passes an event to the log and the hook of a session.
func (s *Session) Tell(e Event) { s.tell(context.Background(), e) }

// MaxKeyed and KeyedFor bound what is remembered by Idempotency-Keys.
const (
	MaxKeyed = maxKeyed
	KeyedFor = keyedFor
)

// Keys is a store of purchases by key, as a session has one.
type Keys struct{ k keyedPurchases }

// First remembers a purchase, and returns what ends its try; nil if it is not remembered.
func (k *Keys) First(id byte, n int) (end func(keep bool)) {
	return k.ending(k.k.first(keyedID{id, byte(n), byte(n >> 8)}))
}

// Enter returns what ends the try that it began; nil if it is not remembered.
func (k *Keys) Enter(
	ctx context.Context, id byte, n int,
) (end func(keep bool), again bool, err error) {
	e, err := k.k.enter(ctx, keyedID{id, byte(n), byte(n >> 8)}, digest{})
	return k.ending(e), e != nil && e.tries > 0, err
}

func (k *Keys) ending(e *keyed) func(keep bool) {
	if e == nil {
		return nil
	}
	return func(keep bool) { e.tries++; k.k.end(e, keep, digest{}) }
}

// Len is how many purchases are remembered.
func (k *Keys) Len() int { return len(k.k.all) }

// AwaitFees waits for the readers of fees that a session has beside requests.
func AwaitFees(s *Session) {
	s.fees.mu.Lock()
	all := slices.Collect(maps.Values(s.fees.busy))
	s.fees.mu.Unlock()
	for _, one := range all {
		<-one.ended
	}
}

// EndFees ends the readers of fees that a session has beside requests, as if the session was gone.
func EndFees(s *Session) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.fees.end(ctx)
}
