package client

import (
	"context"
	"io"
)

// StreamLock returns functions that take the lock of a paid stream's body, and that take a payment
// event from it, as a Stream does between two reads.
func StreamLock(body io.ReadCloser) (hold func() (release func()), take func()) {
	m := body.(*meter) //nolint:forcetypeassert // the body of a paid stream
	return func() func() { m.reading.Lock(); return m.reading.Unlock }, func() { m.take(0, false) }
}

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
