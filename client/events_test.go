package client_test

import (
	"sync"

	"github.com/seed-5fe1f529/tallystick/client"
)

// events collects what a session tells.
type events struct {
	mu  sync.Mutex
	all []client.Event
}

func (e *events) add(ev client.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) of(kind client.EventKind) (out []client.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == kind {
			out = append(out, ev)
		}
	}
	return out
}
