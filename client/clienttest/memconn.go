package clienttest

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// maxPipe is how much of a body may wait to be read, in bytes.
const maxPipe = 64 << 10

// pipe is the body of an answer without a socket. Like a socket it takes a little before a reader
// comes.
type pipe struct {
	cancel func() // tells the handler that nobody reads any more

	mu    sync.Mutex // guards the rest
	moved *sync.Cond
	data  []byte
	left  int64 // of what Content-Length announced; -1: it said nothing
	end   error // for the reader, behind data
	gone  error // for the reader and the writer, at once
}

func newPipe(cancel func()) *pipe {
	p := &pipe{cancel: cancel, left: -1}
	p.moved = sync.NewCond(&p.mu)
	return p
}

// write waits until there is room.
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

// Read waits until something is there.
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

// abandon ends both sides, unless that has happened.
func (p *pipe) abandon(why error) {
	p.mu.Lock()
	if p.gone == nil {
		p.gone = why
	}
	p.moved.Broadcast()
	p.mu.Unlock()
	p.cancel()
}

// finish ends the writer's side, unless that has happened.
func (p *pipe) finish(why error) {
	p.mu.Lock()
	if p.end == nil {
		p.end = why
	}
	p.moved.Broadcast()
	p.mu.Unlock()
	p.cancel()
}

// expect sets how much is to come; -1: until the end.
func (p *pipe) expect(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}
