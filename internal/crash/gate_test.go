package crash

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
)

// gate is a server in front of another one. It can keep a request until the one who sent it is dead, as a slow
// network does.
type gate struct {
	*httptest.Server
	next    http.Handler
	kind    func(r *http.Request, body []byte) string // of a request; empty where it is never kept
	arrived func(r *http.Request)                     // is told of each request; nil is nobody

	mu   sync.Mutex // guards what follows
	want string     // the kind to keep; empty is none
	slow *kept
}

// kept is a request that is kept.
type kept struct {
	there, free, served chan struct{} // closed when it arrived, when it may go on, when that is over
}

func newGate(next http.Handler, kind func(*http.Request, []byte) string) *gate {
	g := &gate{next: next, kind: kind}
	g.Server = httptest.NewServer(g)
	return g
}

func (g *gate) close() {
	g.release()
	g.CloseClientConnections()
	g.Close()
}

// hold keeps the next request of the kind, and returns it.
func (g *gate) hold(kind string) *kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.want, g.slow = kind, &kept{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	return g.slow
}

// release lets the kept request go on and waits until it was served. Where none was kept it does nothing.
func (g *gate) release() {
	g.mu.Lock()
	g.want = ""
	k := g.slow
	g.slow = nil
	g.mu.Unlock()
	if k == nil {
		return
	}
	close(k.free)
	select {
	case <-k.there:
		<-k.served
	default:
	}
}

// take returns what the request is kept by, or nil.
func (g *gate) take(kind string) *kept {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.want == "" || g.want != kind {
		return nil
	}
	g.want = ""
	return g.slow
}

// ServeHTTP passes a request on, at once or when it is released. Who sent a kept one gets no answer.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if g.arrived != nil {
		g.arrived(r)
	}
	k := g.take(g.kind(r, body))
	if k == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	close(k.there)
	<-k.free
	defer close(k.served)
	defer func() { _ = recover() }() // a handler that gives up panics
	g.next.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
}
