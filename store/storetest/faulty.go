package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-5fe1f529/tallystick/store"
)

// ErrFault is the error of a Put that a [Faulty] breaks. The caller cannot know whether the record
// was stored.
var ErrFault = errors.New("storetest: injected fault")

// Fault is a way in which a Put fails.
type Fault int

const (
	// Failed means that nothing was written.
	Failed Fault = iota + 1
	// FailedButStored means that the record was written, although Put returned an error.
	FailedButStored
)

// Faulty is a store that counts calls and whose Put fails on request. To break each write of a
// scenario in turn:
//
//	for n := 1; ; n++ {
//		s := storetest.NewFaulty(store.NewMem())
//		s.FailPut(n, storetest.FailedButStored)
//		… the scenario …
//		if !s.Fired() {
//			break // it has fewer than n writes
//		}
//	}
//
// It is safe for concurrent use.
type Faulty struct {
	store.Store

	mu    sync.Mutex // guards the fields below
	gets  int
	puts  int
	at    map[int]Fault
	fired bool
}

// NewFaulty returns a store that behaves like s until FailPut is called.
func NewFaulty(s store.Store) *Faulty { return &Faulty{Store: s, at: map[int]Fault{}} }

// FailPut breaks the n-th Put from now; 1 is the next one. It may be called several times for
// several Puts.
func (f *Faulty) FailPut(n int, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[f.puts+n] = how
}

// Fired reports whether a Put was broken so far.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// Gets returns the number of calls of Get so far.
func (f *Faulty) Gets() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gets
}

// Puts returns the number of calls of Put so far, including those that failed.
func (f *Faulty) Puts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts
}

// Get counts the call and calls Get of the underlying store.
func (f *Faulty) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	f.mu.Lock()
	f.gets++
	f.mu.Unlock()
	return f.Store.Get(ctx, key)
}

// Put counts the call and calls Put of the underlying store, unless FailPut says otherwise. It
// returns the errors of the underlying store.
func (f *Faulty) Put(ctx context.Context, key string, data []byte, rev uint64) (uint64, error) {
	f.mu.Lock()
	f.puts++
	n, how := f.puts, f.at[f.puts]
	if how != 0 {
		f.fired = true
	}
	f.mu.Unlock()
	if how == Failed {
		return 0, fmt.Errorf("%w: Put %d (%s) failed", ErrFault, n, key)
	}
	next, err := f.Store.Put(ctx, key, data, rev)
	if err == nil && how == FailedButStored {
		return 0, fmt.Errorf("%w: Put %d (%s) failed but was stored", ErrFault, n, key)
	}
	return next, err
}
