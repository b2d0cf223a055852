package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-5fe1f529/tallystick/store"
)

// ErrFault is what a broken Put of a [Faulty] returns. To a caller it is an unknown outcome, whether
// the record was stored or not.
var ErrFault = errors.New("storetest: broken on purpose")

// Fault is a way in which a Put breaks.
type Fault int

const (
	// Failed: nothing was written.
	Failed Fault = iota + 1
	// FailedButStored: the record was written, and the answer was lost.
	FailedButStored
)

// Faulty is a store whose Put breaks where a test says so, and which counts. To break every write of
// a story in turn, and each both ways:
//
//	for n := 1; ; n++ {
//		s := storetest.NewFaulty(store.NewMem())
//		s.FailPut(n, storetest.FailedButStored)
//		… the story …
//		if !s.Fired() {
//			break // it has fewer than n writes
//		}
//	}
//
// It is safe for concurrent use.
type Faulty struct {
	store.Store

	mu    sync.Mutex // guards what follows
	gets  int
	puts  int
	at    map[int]Fault
	fired bool
}

// NewFaulty returns a store that does what s does until it is told to break.
func NewFaulty(s store.Store) *Faulty { return &Faulty{Store: s, at: map[int]Fault{}} }

// FailPut breaks the n-th Put from now in the way of how; 1 is the next one. It may be called several
// times, for several Puts.
func (f *Faulty) FailPut(n int, how Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at[f.puts+n] = how
}

// Fired says whether a Put was broken so far.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

// Gets is the number of calls of Get so far.
func (f *Faulty) Gets() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gets
}

// Puts is the number of calls of Put so far, the broken and the refused included.
func (f *Faulty) Puts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.puts
}

// Get counts, and gets from the store below.
func (f *Faulty) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	f.mu.Lock()
	f.gets++
	f.mu.Unlock()
	return f.Store.Get(ctx, key)
}

// Put counts, and puts to the store below unless this is a Put to break. A Put that the store below
// refuses is refused here too.
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
