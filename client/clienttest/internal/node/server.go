// Package node is the JSON-RPC server of a node of the test chain, which can be made faulty. It is where
// the faults of package clienttest/nodefaults meet the chain: a fault is a [Fault] value under a name.
package node

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// Fault holds what a faulty node does at each point where it could be right. A nil field leaves it right
// there. The functions of one exchange run one after another.
type Fault struct {
	// Before runs before a request is answered.
	Before func(*Exchange)
	// Instead answers a whole HTTP request.
	Instead func(*Exchange)
	// View changes what the node shows of the chain to one call.
	View func(x *Exchange, c Call, v *devchain.View)
	// Send treats a call that sends a transaction, which the chain does not get otherwise.
	Send func(*Exchange, Call, *Answer)
	// Answer changes the answer to a call, and reports whether it did.
	Answer func(*Exchange, Call, *Answer) bool
	// Batch changes the answers of a batch of two calls or more. One answer alone is not made a list.
	Batch func([]Answer) any
	// Body writes the header and the body of the answer in place of the node.
	Body func(x *Exchange, body []byte)
}

// registry holds all faults. It is filled while packages are initialized and only read afterwards.
var registry = map[string]*Fault{}

// Register adds a fault. It panics if the name is taken. It must be called during initialization.
func Register(name string, f Fault) {
	if registry[name] != nil {
		panic("clienttest: two node faults are named " + name)
	}
	registry[name] = &f
}

// named is a fault that the node has.
type named struct {
	*Fault
	name string
}

// Server is a node. It is safe for concurrent use.
type Server struct {
	chain  *devchain.Chain
	honest http.Handler

	mu    sync.Mutex // guards the rest
	on    []named
	times int // how often each fault acts at most; zero is without limit
	acted map[string]int
	seq   int // HTTP requests
	calls int
	held  []held
}

// held is a transaction that a fault keeps back.
type held struct {
	raw   string
	after int // questions until it is passed on
}

// New returns a node that shows everything.
func New(chain *devchain.Chain) *Server {
	return &Server{chain: chain, honest: chain.Handler(), acted: map[string]int{}}
}

// Fail gives the node these faults and no others. Each acts on this many occasions and then no more, or
// on all if times is zero. Fail panics if there is no such fault.
func (s *Server) Fail(times int, names ...string) {
	on := make([]named, len(names))
	for i, name := range names {
		if on[i] = (named{registry[name], name}); on[i].Fault == nil {
			panic("clienttest: package nodefaults has no fault named " + name)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.times, s.acted, s.held = on, times, map[string]int{}, nil
}

// Acted returns how often a fault made a difference since Fail.
func (s *Server) Acted(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acted[name]
}

// faults returns those of the node, none if it is right.
func (s *Server) faults() []named {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.on
}

// number numbers an exchange and its calls.
func (s *Server) number(x *Exchange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	x.Seq = s.seq
	for i := range x.Calls {
		s.calls++
		x.Calls[i].Seq = s.calls
	}
}

// may reports whether a fault has occasions left.
func (s *Server) may(f named) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times == 0 || s.acted[f.name] < s.times
}

// count counts an occasion.
func (s *Server) count(f named) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted[f.name]++
}

// maxRequest bounds a request body in bytes.
const maxRequest = 5 << 20

// ServeHTTP answers JSON-RPC over HTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	on := s.faults()
	if len(on) == 0 {
		s.honest.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, "request too large", http.StatusRequestEntityTooLarge)
		return
	}
	x := &Exchange{s: s, w: w, r: r, on: on, acted: map[string]bool{}}
	if x.Calls, x.Batched, err = parse(body); err != nil || len(x.Calls) == 0 {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		s.honest.ServeHTTP(w, r)
		return
	}
	s.number(x)
	x.serve()
}

// Exchange is one HTTP request and its answer.
type Exchange struct {
	// Seq is the number of the request at this node, from 1.
	Seq int
	// Calls are those of the request, and Batched reports whether they came as a list.
	Calls   []Call
	Batched bool

	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	on    []named
	acted map[string]bool
}

// Writer returns the response.
func (x *Exchange) Writer() http.ResponseWriter { return x.w }

// Request returns the request, whose body was read.
func (x *Exchange) Request() *http.Request { return x.r }

// Reset closes the connection. It does not return.
func (x *Exchange) Reset() { panic(http.ErrAbortHandler) }

// Hang waits until the client has gone, and closes the connection. It does not return.
func (x *Exchange) Hang() {
	<-x.r.Context().Done()
	x.Reset()
}

// Sleep waits, and reports whether the client is still there.
func (x *Exchange) Sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.r.Context().Done():
		return false
	}
}

// Flush sends what was written.
func (x *Exchange) Flush() {
	if f, ok := x.w.(http.Flusher); ok {
		f.Flush()
	}
}

// first returns the first fault that has something to do at a point and occasions left, and counts it.
func (x *Exchange) first(has func(named) bool) *Fault {
	for _, one := range x.on {
		if has(one) && x.may(one) {
			x.count(one)
			return one.Fault
		}
	}
	return nil
}

// may reports whether a fault has occasions left, or acts in this exchange already.
func (x *Exchange) may(f named) bool { return x.acted[f.name] || x.s.may(f) }

// count counts a fault, once an exchange.
func (x *Exchange) count(f named) {
	if !x.acted[f.name] {
		x.acted[f.name] = true
		x.s.count(f)
	}
}

func (x *Exchange) serve() {
	if f := x.first(func(f named) bool { return f.Before != nil }); f != nil {
		f.Before(x)
	}
	if f := x.first(func(f named) bool { return f.Instead != nil }); f != nil {
		f.Instead(x)
		return
	}
	answers := make([]Answer, len(x.Calls))
	for i, c := range x.Calls {
		answers[i] = x.answer(c)
	}
	var out any = answers
	if !x.Batched {
		out = answers[0]
	} else if len(answers) > 1 {
		if f := x.first(func(f named) bool { return f.Batch != nil }); f != nil {
			out = f.Batch(answers)
		}
	}
	body, err := json.Marshal(out)
	if err != nil {
		panic(err) // answers can be marshaled
	}
	x.w.Header().Set("Content-Type", "application/json")
	if f := x.first(func(f named) bool { return f.Body != nil }); f != nil {
		f.Body(x, body)
		return
	}
	_, _ = x.w.Write(body)
}

// answer answers one call with all faults.
func (x *Exchange) answer(c Call) (a Answer) {
	x.s.release(c)
	if !c.Sends() {
		a = x.view(c)
	} else if f := x.first(func(f named) bool { return f.Send != nil }); f != nil {
		a = Answer{Version: "2.0", ID: c.ID}
		f.Send(x, c, &a)
	} else {
		a = x.Ask(c)
	}
	for _, one := range x.on {
		if one.Answer != nil && x.may(one) && one.Answer(x, c, &a) {
			x.count(one)
		}
	}
	return a
}

// view answers a call that reads, from what the node shows.
func (x *Exchange) view(c Call) Answer {
	var v devchain.View
	var views []named
	for _, one := range x.on {
		if one.View != nil && x.may(one) {
			one.View(x, c, &v)
			views = append(views, one)
		}
	}
	right := x.Ask(c)
	if len(views) == 0 {
		return right
	}
	a := x.s.ask(c, v)
	if !a.equal(&right) {
		for _, one := range views {
			x.count(one)
		}
	}
	return a
}

// Ask answers a call without a fault. A transaction is passed on to the chain.
func (x *Exchange) Ask(c Call) Answer { return x.s.ask(c, devchain.View{}) }

// ask answers a call from a view.
func (s *Server) ask(c Call, v devchain.View) (a Answer) {
	params := c.Params
	if len(params) == 0 {
		params = json.RawMessage("[]")
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": c.Method, "params": params})
	if err != nil {
		panic(err) // it was parsed before
	}
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: "/"},
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}
	w := &recorder{header: http.Header{}}
	s.chain.Node(func(string) devchain.View { return v }).ServeHTTP(w, r)
	if err := json.Unmarshal(w.body.Bytes(), &a); err != nil {
		a.Fail(internalError, "the chain is closed")
	}
	a.Version, a.ID = "2.0", c.ID
	return a
}

// internalError is the code of an internal error in JSON-RPC.
const internalError = -32603

// recorder keeps a body.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(int)             {}
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }

// Hold keeps a transaction back until the node was asked about transactions this many times.
func (x *Exchange) Hold(c Call, after int) {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	for _, h := range x.s.held {
		if h.raw == c.Param(0) {
			return
		}
	}
	x.s.held = append(x.s.held, held{c.Param(0), after})
}

// release passes on what was held for long enough.
func (s *Server) release(c Call) {
	if !strings.HasPrefix(c.Method, "eth_getTransaction") {
		return
	}
	s.mu.Lock()
	var due []held
	for i := range s.held {
		if s.held[i].after--; s.held[i].after == 0 {
			due = append(due, s.held[i])
		}
	}
	s.mu.Unlock()
	for _, h := range due {
		params, _ := json.Marshal([]string{h.raw})
		s.ask(Call{ID: json.RawMessage("1"), Method: "eth_sendRawTransaction", Params: params}, devchain.View{})
	}
}
