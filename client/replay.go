package client

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// replay is a request body that can be sent again: by the caller's GetBody, or because its first bytes
// are kept while they are sent. A body that was answered before it was read to its end goes on where
// the sending before it stopped.
type replay struct {
	getBody func() (io.ReadCloser, error)
	length  int64
	most    int64 // how much is kept

	mu      sync.Mutex // guards what follows; held shortly, never while src is read
	src     io.ReadCloser
	reading chan struct{} // closed when the Read of src that is under way returns; nil if there is none
	fresh   bool          // src was not given away yet
	kept    []byte
	over    bool // more was read than is kept
	end     error
	handed  bool // the response was handed over: the last sending closes src
	current *sending
}

var errNotRepeatable = errors.New("the body has no GetBody and is longer than Config.Spool")

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

// next returns the body of the next sending and its length, -1 if unknown.
func (b *replay) next() (io.ReadCloser, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.getBody != nil {
		if b.fresh {
			b.fresh = false
			return b.src, b.length, nil
		}
		body, err := b.getBody()
		return body, b.length, err
	}
	if b.over && !b.fresh {
		return nil, 0, errNotRepeatable
	}
	length := b.length
	if length == 0 {
		length = -1
	}
	if b.end != nil && errors.Is(b.end, io.EOF) {
		length = int64(len(b.kept))
	}
	b.fresh = false
	b.current = &sending{of: b}
	return b.current, length, nil
}

// release ends the replay: the response was handed over, and only the last sending may go on reading.
// It does not wait for a Read that is under way.
func (b *replay) release() {
	if b.getBody != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handed = true
	if b.current == nil || b.current.closed {
		_ = b.close()
	}
}

// close closes src, after the Read that is under way. The caller holds mu.
func (b *replay) close() error {
	reading := b.reading
	if reading == nil {
		return b.src.Close()
	}
	go func() {
		<-reading
		_ = b.src.Close()
	}()
	return nil
}

// abort closes the caller's body.
func (b *replay) abort() { _ = b.src.Close() }

// sending is the body of one sending.
type sending struct {
	of     *replay
	at     int
	closed bool // guarded by of.mu
}

func (s *sending) Read(p []byte) (n int, err error) {
	b := s.of
	b.mu.Lock()
	for {
		if n, err, ok := s.kept(p); ok {
			b.mu.Unlock()
			return n, err
		}
		other := b.reading
		if other == nil {
			break
		}
		b.mu.Unlock()
		<-other // the sending before this one reads what both need
		b.mu.Lock()
	}
	done := make(chan struct{})
	b.reading = done
	b.mu.Unlock()
	n, err = b.src.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = nil
	close(done)
	if err != nil {
		b.end = err
	}
	fits := int64(len(b.kept)+n) <= b.most
	if !b.over && (fits || s != b.current) { // a later sending has no other way to what this one read
		b.kept = append(b.kept, p[:n]...)
		s.at = len(b.kept)
	}
	b.over = b.over || !fits
	return n, err
}

// kept reads without src; ok is false if that must be read. The caller holds the replay's mu.
func (s *sending) kept(p []byte) (n int, err error, ok bool) {
	b := s.of
	switch {
	case s.closed:
		return 0, http.ErrBodyReadAfterClose, true
	case s.at < len(b.kept):
		n = copy(p, b.kept[s.at:])
		s.at += n
		return n, nil, true
	case s != b.current:
		return 0, http.ErrBodyReadAfterClose, true // a later sending goes on
	case b.end != nil:
		return 0, b.end, true
	}
	return 0, nil, false
}

// Close ends the sending. It does not wait for a Read that is under way.
func (s *sending) Close() error {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	s.closed = true
	if b.handed && s == b.current {
		return b.close()
	}
	return nil
}
