package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-5fe1f529/tallystick/store"
)

// ErrFault is the error of a Put or a Move that a [Faulty] breaks. The caller cannot know whether the record
// was stored.
var ErrFault = errors.New("storetest: injected fault")

// errNoMover is returned by Move if the underlying store is no [store.Mover].
var errNoMover = fmt.Errorf("storetest: the underlying store moves no records: %w", errors.ErrUnsupported)

// Fault is a way in which a Put or a Move fails.
type Fault int

const (
	// Failed means that nothing was written.
	Failed Fault = iota + 1
	// FailedButStored means that the record was written, although Put or Move returned an error.
	FailedButStored
)

// Faulty is a store that counts calls and whose Put fails on request. Its Move counts as a Put. To break each write of a
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

// FailPut breaks the n-th Put or Move from now; 1 is the next one. It may be called several times for
// several Puts.
func (f *Faulty) FailPut(n int, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[f.puts+n] = how
}

// Fired reports whether a Put or a Move was broken so far.
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

// Puts returns the number of calls of Put and Move so far, including those that failed.
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
func (f *Faulty) Put(ctx context.Context, key string, data []byte, rev uint64) (next uint64, err error) {
	err = f.write("Put", key, func() error {
		next, err = f.Store.Put(ctx, key, data, rev)
		return err
	})
	if err != nil {
		return 0, err
	}
	return next, nil
}

// Move counts as a Put, for FailPut and Puts, and calls Move of the underlying store. If that is no
// [store.Mover], the error wraps [errors.ErrUnsupported] and nothing is counted.
func (f *Faulty) Move(ctx context.Context, key string, rev uint64, to string) error {
	m, ok := f.Store.(store.Mover)
	if !ok {
		return errNoMover
	}
	return f.write("Move", key, func() error { return m.Move(ctx, key, rev, to) })
}

// write counts a write and makes it, unless FailPut says otherwise.
func (f *Faulty) write(what, key string, do func() error) error {
	f.mu.Lock()
	f.puts++
	n, how := f.puts, f.at[f.puts]
	if how != 0 {
		f.fired = true
	}
	f.mu.Unlock()
	if how == Failed {
		return fmt.Errorf("%w: %s %d (%s) failed", ErrFault, what, n, key)
	}
	err := do()
	if err == nil && how == FailedButStored {
		return fmt.Errorf("%w: %s %d (%s) failed but was stored", ErrFault, what, n, key)
	}
	return err
}
