package devchain

import (
	"context"
	"net/http"
	"time"
)

// faults are what the next eth_sendRawTransaction will suffer. The chain's mutex guards them.
type faults struct {
	refuse string
	lose   bool
	delay  time.Duration
}

// RefuseNextSend makes the next transaction that comes over JSON-RPC be refused with the reason,
// whatever it is. It is not executed.
func (c *Chain) RefuseNextSend(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.refuse = reason
}

// LoseNextAnswer makes the next transaction that comes over JSON-RPC be executed and its answer be
// lost: the connection is closed without a response.
func (c *Chain) LoseNextAnswer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.lose = true
}

// DelayNextSend makes the next transaction that comes over JSON-RPC be executed only after d, or not
// at all when the caller has gone by then.
func (c *Chain) DelayNextSend(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.delay = d
}

// sendWithFaults is SendRaw as JSON-RPC sees it.
func (c *Chain) sendWithFaults(ctx context.Context, raw []byte) (*Receipt, error) {
	c.mu.Lock()
	f := c.faults
	c.faults = faults{}
	c.mu.Unlock()
	if f.refuse != "" {
		return nil, &RefusedError{f.refuse}
	}
	if f.delay > 0 {
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
	if lost, ok := ctx.Value(lostKey{}).(*lossyWriter); ok && f.lose {
		lost.lost = true
	}
	return c.SendRaw(raw)
}

// lostKey finds the response of a request in its context.
type lostKey struct{}

// lossyWriter is a response that may get lost.
type lossyWriter struct {
	http.ResponseWriter
	lost bool // set before anything is written
}

// Write drops what is lost.
func (w *lossyWriter) Write(b []byte) (int, error) {
	if w.lost {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// WriteHeader drops what is lost.
func (w *lossyWriter) WriteHeader(status int) {
	if !w.lost {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Handler serves the chain's JSON-RPC over HTTP POST, on any path.
func (c *Chain) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lossy := &lossyWriter{ResponseWriter: w}
		c.rpc.ServeHTTP(lossy, r.WithContext(context.WithValue(r.Context(), lostKey{}, lossy)))
		if lossy.lost {
			panic(http.ErrAbortHandler) // closes the connection
		}
	})
}
