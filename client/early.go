package client

import (
	"bytes"
	"errors"
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

// earlyBody is the body of a refusal whose beginning is still being read. Whoever reads it gets all of it.
type earlyBody struct {
	io.ReadCloser // the rest
	done          chan struct{}
	head          io.Reader // set when done is closed
}

// readEarly reads the beginning of the response's body, within the bounds above, so that its problem
// details can be used and its connection is free. It leaves a body in its place that still has all
// bytes, and returns what was read; nil if that takes too long.
func readEarly(resp *http.Response) []byte {
	b := &earlyBody{ReadCloser: resp.Body, done: make(chan struct{})}
	var text []byte
	var err error
	go func() {
		defer close(b.done)
		text, err = io.ReadAll(io.LimitReader(b.ReadCloser, maxRefusal))
		b.head = bytes.NewReader(text)
		if err != nil {
			b.head = io.MultiReader(b.head, failing{err})
		}
	}()
	timer := time.NewTimer(refusalWait)
	defer timer.Stop()
	select {
	case <-timer.C:
		resp.Body = b
		return nil
	case <-b.done:
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(b.head, b.ReadCloser), b.ReadCloser}
		return text
	}
}

func (b *earlyBody) Read(p []byte) (int, error) {
	<-b.done
	if n, err := b.head.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	return b.ReadCloser.Read(p)
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

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
	if _, late := resp.Body.(*earlyBody); !late {
		stop := time.AfterFunc(refusalWait, func() { _ = resp.Body.Close() })
		_, _ = io.CopyN(io.Discard, resp.Body, maxRefusal)
		stop.Stop()
	}
	_ = resp.Body.Close()
}
