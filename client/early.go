package client

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

const (
	// maxRefusal bounds how much of the body of a refusal is read before it is decided about.
	maxRefusal = 64 << 10
	// refusalWait bounds how long that may take, and how long the rest of a body is waited for that
	// nobody reads.
	refusalWait = 400 * time.Millisecond
)

// earlyBody is the body of a refusal whose beginning was read, so that its problem details can be used
// and its connection is free. Whoever reads it gets all of it.
type earlyBody struct {
	rest io.ReadCloser
	done chan struct{} // closed when what follows is set
	head bytes.Reader
	text []byte
	err  error
}

// readEarly reads the beginning of the response's body, within the bounds above, and leaves a body in
// its place that still has all bytes. It returns what was read; nil if that takes too long.
func readEarly(resp *http.Response) []byte {
	b := &earlyBody{rest: resp.Body, done: make(chan struct{})}
	resp.Body = b
	go func() {
		defer close(b.done)
		b.text, b.err = io.ReadAll(io.LimitReader(b.rest, maxRefusal))
		b.head.Reset(b.text)
	}()
	timer := time.NewTimer(refusalWait)
	defer timer.Stop()
	select {
	case <-b.done:
		return b.text
	case <-timer.C:
		return nil
	}
}

func (b *earlyBody) Read(p []byte) (int, error) {
	<-b.done
	if b.head.Len() > 0 {
		return b.head.Read(p)
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.rest.Read(p)
}

func (b *earlyBody) Close() error { return b.rest.Close() }

// problemOf returns the problem details of a refusal whose body is text.
func problemOf(resp *http.Response, text []byte) wire.Problem {
	kind := resp.Header.Get("Content-Type")
	if !strings.HasPrefix(strings.ToLower(kind), "application/problem+json") {
		return wire.Problem{}
	}
	problem, _ := wire.ParseProblem(kind, text)
	return problem
}

// discard reads the rest of a small body, so that its connection can be used again, and closes it. A
// body that was waited for before is only closed.
func discard(resp *http.Response) {
	if b, ok := resp.Body.(*earlyBody); ok && !b.complete() {
		_ = b.Close()
		return
	}
	stop := time.AfterFunc(refusalWait, func() { _ = resp.Body.Close() })
	_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal)
	stop.Stop()
	_ = resp.Body.Close()
}

// complete reports whether the beginning was read.
func (b *earlyBody) complete() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}
