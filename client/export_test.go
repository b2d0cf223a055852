package client

import "io"

// StreamLock returns functions that take the lock of a paid stream's body, and that take a payment
// event from it, as a Stream does between two reads.
func StreamLock(body io.ReadCloser) (hold func() (release func()), take func()) {
	m := body.(*meter) //nolint:forcetypeassert // the body of a paid stream
	return func() func() { m.reading.Lock(); return m.reading.Unlock }, func() { m.take(0, false) }
}
