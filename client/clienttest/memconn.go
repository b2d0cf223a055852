package clienttest

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// maxPipe bounds the unread part of a body, in bytes.
const maxPipe = 64 << 10

// pipe is the body of a response without a socket. Like a socket it buffers some data.
type pipe struct {
	cancel func() // ends the context of the handler

	mu    sync.Mutex // guards the rest
	moved *sync.Cond
	data  []byte
	left  int64 // rest of the Content-Length; -1 if unknown
	end   error // error for the reader after data
	gone  error // error for the reader and the writer, at once
}

func newPipe(cancel func()) *pipe {
	p := &pipe{cancel: cancel, left: -1}
	p.moved = sync.NewCond(&p.mu)
	return p
}

// write appends b. It waits until there is room.
func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.gone == nil && p.end == nil && len(p.data) > 0 && len(p.data)+len(b) > maxPipe {
		p.moved.Wait()
	}
	if p.gone != nil || p.end != nil {
		return 0, io.ErrClosedPipe
	}
	p.data = append(p.data, b...)
	p.moved.Broadcast()
	return len(b), nil
}

// Read waits until there is data or an error.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.gone == nil && p.end == nil && len(p.data) == 0 {
		p.moved.Wait()
	}
	switch {
	case p.gone != nil:
		return 0, p.gone
	case p.left == 0:
		return 0, io.EOF
	case len(p.data) == 0 && p.left > 0 && errors.Is(p.end, io.EOF):
		return 0, io.ErrUnexpectedEOF
	case len(p.data) == 0:
		return 0, p.end
	}
	n := copy(b, p.data)
	if p.left >= 0 {
		n = int(min(int64(n), p.left))
		p.left -= int64(n)
	}
	p.data = p.data[n:]
	p.moved.Broadcast()
	return n, nil
}

// Close ends the request.
func (p *pipe) Close() error {
	p.abandon(http.ErrBodyReadAfterClose)
	return nil
}

// abandon ends both sides with an error, if they have not ended.
func (p *pipe) abandon(why error) {
	p.mu.Lock()
	if p.gone == nil {
		p.gone = why
	}
	p.moved.Broadcast()
	p.mu.Unlock()
	p.cancel()
}

// finish ends the writer's side with an error, if it has not ended.
func (p *pipe) finish(why error) {
	p.mu.Lock()
	if p.end == nil {
		p.end = why
	}
	p.moved.Broadcast()
	p.mu.Unlock()
	p.cancel()
}

// expect sets the length of the body; -1 if it is unknown.
func (p *pipe) expect(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}
