package clienttest

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// Lie makes the server tell these lies from the next request on, all together and no others.
// Without arguments the server is honest again. Nothing that was done before is undone. Package
// lies lists the lies; Lie panics if one is not on its list.
//
// A lying server still keeps correct accounts: [Server.Accounts] and [Server.Requests] show what the
// client really gave away.
func (s *Server) Lie(all ...lies.Lie) {
	on := make([]lie, len(all))
	for i, l := range all {
		if on[i] = (lie{string(l), hook.Find(string(l))}); on[i].hooks == nil {
			panic("clienttest: package lies has no lie named " + string(l))
		}
	}
	s.deceit.mu.Lock()
	s.deceit.counts, s.deceit.acted = map[string]int{}, map[string]int{}
	s.deceit.mu.Unlock()
	s.deceit.on.Store(&on)
}

// Lied returns how often a lie made a difference since [Server.Lie]: the server had the occasion,
// and what it did was not what it would have done otherwise. Zero after a test means that the test
// did not try the lie.
func (s *Server) Lied(l lies.Lie) int {
	s.deceit.mu.Lock()
	defer s.deceit.mu.Unlock()
	return s.deceit.acted[string(l)]
}

// lie is one lie that the server tells.
type lie struct {
	name  string
	hooks *hook.Hooks
}

// deceit is what a lying server remembers.
type deceit struct {
	on atomic.Pointer[[]lie]

	mu        sync.Mutex // guards the rest
	counts    map[string]int
	acted     map[string]int     // by name
	receipt   message.Document   // the first one
	snapshot  message.Document   // likewise
	challenge *message.Challenge // the first that a lie asked to keep
	held      [][]byte           // transactions that a lie keeps
}

// lies returns the current lies.
func (s *Server) lies() []lie {
	if on := s.deceit.on.Load(); on != nil {
		return *on
	}
	return nil
}

// keep remembers the first document of its kind.
func (d *deceit) keep(kept *message.Document, doc message.Document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *kept == nil {
		*kept = maps.Clone(doc)
	}
}

// restore replaces the content of doc by what was kept.
func (d *deceit) restore(kept *message.Document, doc message.Document) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(doc)
	maps.Copy(doc, *kept)
}
