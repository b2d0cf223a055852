package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// replay is a request body that can be sent again: by the caller's GetBody, or because its first
// bytes are kept while they are sent. A body that was answered before it was read to its end goes
// on where the sending before it stopped.
//
// The caller's body is read by a goroutine of its own, one Read at a time, so that nobody waits
// for a Read that brings nothing longer than its context allows. net/http alone does.
type replay struct {
	getBody func() (io.ReadCloser, error)
	length  int64
	most    int64 // how much is kept
	summed  bool  // its digest is computed while it is sent

	mu      sync.Mutex // guards what follows; held shortly, never while src is read or closed
	src     io.ReadCloser
	reading chan struct{} // closed when the Read of src under way returns; nil without one
	chunk   []byte        // what is read into
	fresh   bool          // src was not given away yet
	shut    bool          // src was closed
	kept    []byte        // what was read, from the byte first on
	first   int64
	over    bool // more was read than is kept
	end     error
	sum     *digest // once it was read to its end, if summed
	handed  bool    // the response was handed over: the last sending closes src
	current *sending
}

var errNotRepeatable = errors.New("the body has no GetBody and is longer than Config.Spool: set one of them")

// repeatable reports whether the body can be sent again, as far as it was read.
func (b *replay) repeatable() bool {
	if b.getBody != nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.over && b.length <= b.most && b.most > 0
}

// certain reports whether the body is known to be repeatable before any of it is read.
func (b *replay) certain() bool {
	return b.getBody != nil || (b.length > 0 && b.length <= b.most)
}

// next returns the body of the next sending, whose Reads end with the context.
func (b *replay) next(ctx context.Context) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.getBody != nil {
		body, err := b.src, error(nil)
		if !b.fresh {
			body, err = b.getBody()
		}
		if b.fresh = false; err != nil {
			return nil, err
		}
		once := &replay{src: b.sums(body), handed: true}
		once.current = newSending(ctx, once)
		b.current = once.current
		return b.current, nil
	}
	if b.over && !b.fresh {
		return nil, errNotRepeatable
	}
	b.fresh = false
	b.current = newSending(ctx, b)
	return b.current, nil
}

// release ends the replay: the response was handed over, and only the last sending may go on
// reading. It does not wait for a Read that is under way.
func (b *replay) release() {
	if b.getBody != nil {
		return
	}
	b.mu.Lock()
	b.handed = true
	over := b.current == nil || b.current.closed
	b.mu.Unlock()
	if over {
		b.abort()
	}
}

// closeGrace is how long the Close of a body waits for its Read, since few bodies expect both at
// once, and how long it is waited for.
const closeGrace = 100 * time.Millisecond

// abort closes the caller's body. It does not wait for a Read that is under way.
func (b *replay) abort() {
	b.mu.Lock()
	if b.current != nil && b.current.of != b { // one of GetBody
		defer b.current.of.abort()
		b.shut = true
	}
	shut, reading := b.shut, b.reading
	b.shut = true
	b.mu.Unlock()
	if shut {
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if reading != nil {
			within(closeGrace, reading)
		}
		_ = b.src.Close()
	}()
	if reading == nil {
		within(closeGrace, closed) // it may wait for a Read that another sending began
	}
}

// within waits for done, as long as the grace at most.
func within(grace time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// read reads src once, up to size bytes, and closes done.
func (b *replay) read(size int, done chan struct{}) {
	if len(b.chunk) < size {
		b.chunk = make([]byte, size)
	}
	n, err := b.src.Read(b.chunk[:size])
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, b.chunk[:n]...)
	b.over = b.over || b.first+int64(len(b.kept)) > b.most
	b.end = err
	b.reading = nil
	close(done)
}

// sending is the body of one sending.
type sending struct {
	of      *replay
	ctx     context.Context
	stopped chan struct{} // closed by Close
	at      int64
	closed  bool // guarded by of.mu
}

func newSending(ctx context.Context, of *replay) *sending {
	return &sending{of: of, ctx: ctx, stopped: make(chan struct{})}
}

func (s *sending) Read(p []byte) (int, error) {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		if n, err, ok := s.kept(p); ok {
			return n, err
		}
		if b.reading == nil {
			b.reading = make(chan struct{})
			go b.read(len(p), b.reading)
		}
		reading := b.reading // perhaps of the sending before this one: both need what it brings
		b.mu.Unlock()
		select {
		case <-reading:
		case <-s.stopped:
		case <-s.ctx.Done():
		}
		b.mu.Lock()
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
	}
}

// kept reads without src; ok is false if that must be read. The caller holds the replay's mu.
func (s *sending) kept(p []byte) (n int, err error, ok bool) {
	b := s.of
	switch kept := b.kept[max(s.at-b.first, 0):]; {
	case s.closed:
		return 0, http.ErrBodyReadAfterClose, true
	case s != b.current && (b.over || len(kept) == 0):
		return 0, http.ErrBodyReadAfterClose, true // a later sending goes on
	case len(kept) > 0 || len(p) == 0:
		n = copy(p, kept)
		if s.at += int64(n); b.over { // no other sending needs it
			b.kept, b.first = b.kept[:copy(b.kept, b.kept[s.at-b.first:])], s.at
		}
		return n, nil, true
	case b.end != nil:
		return 0, b.end, true
	}
	return 0, nil, false
}

// Close ends the sending. It does not wait for a Read that is under way.
func (s *sending) Close() error {
	b := s.of
	b.mu.Lock()
	closed, last := s.closed, b.handed && s == b.current
	s.closed = true
	b.mu.Unlock()
	if !closed {
		close(s.stopped)
	}
	if last {
		b.abort()
	}
	return nil
}
