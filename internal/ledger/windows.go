package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// windows add up what was authorized on all channels of the store, for the limits over time. The
// numbers are the channels' own records: a ceiling and its history are written in one piece, so
// there is nothing to reconcile, and since a ceiling never sinks, the highest that was seen is the
// newest.
type windows struct {
	// guards what follows; taken after an account's, and before those of charges
	mu         sync.Mutex
	rows       map[common.Hash]row
	unreadable []error       // of records that the last listing could not read
	next       time.Time     // when the store is listed again, for what other processes did
	listed     bool          // it was listed once
	took       time.Duration // by the last listing
	listing    *listing      // nil if none is under way
}

type row struct {
	payee common.Address
	rises rule.Rises
}

// listing is one reading of all records. Its fields are final when done is closed.
type listing struct {
	done   chan struct{}
	err    error
	gaveUp bool // the context of the one who reads ended
}

// maxAge is how long what another process authorized may go unseen by the limits over time.
const maxAge = time.Second

// read makes sure that the records were listed, and lists them again for what other processes have
// authorized: at most once in maxAge and for a hundredth of the time. Everybody waits for the first
// listing; while a later one is under way, others go on.
func (w *windows) read(ctx context.Context, s store.Store) error {
	for {
		l, mine := w.due()
		if l == nil {
			return nil
		}
		if mine {
			w.list(ctx, s, l)
			return l.err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !l.gaveUp {
			return l.err
		}
	}
}

// due returns the listing to wait for, or nil if there is none. mine reports that the caller has to
// make it.
func (w *windows) due() (l *listing, mine bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	switch {
	case w.listed && now.Before(w.next):
		return nil, false
	case w.listing != nil:
		return w.listing, false
	}
	w.listing = &listing{done: make(chan struct{}), err: errPanic}
	w.next = now.Add(max(maxAge, 2*w.took)) // until then the others go on
	return w.listing, true
}

// list reads all records and ends the listing, also if the store panics.
func (w *windows) list(ctx context.Context, s store.Store, l *listing) {
	start := time.Now()
	var found []rule.State
	var unreadable []error
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		l.gaveUp = l.err != nil && ctx.Err() != nil
		w.end(l, found, unreadable, time.Since(start))
		close(l.done)
	}()
	found, unreadable, l.err = records(ctx, s)
}

// records returns all channels of the store, and an error for each record that cannot be read.
func records(
	ctx context.Context, s store.Store,
) (found []rule.State, unreadable []error, err error) {
	for e, err := range s.List(ctx, "channel/") {
		if err != nil && e.Key == "" {
			return nil, nil, fmt.Errorf("%w: %w", ErrStore, err)
		}
		var one rule.State
		if err == nil {
			one, err = rule.Decode(e.Data)
		}
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("%w: %s: %w", channel.ErrRecord, e.Key, err))
			continue
		}
		found = append(found, redated(ctx, s, e, one))
	}
	return found, unreadable, nil
}

// redated notes in a record that the clock went back behind what it showed when the record was
// written. If that cannot be stored, the next listing tries again.
func redated(ctx context.Context, s store.Store, e store.Entry, one rule.State) rule.State {
	next, changed := one.Redated(time.Now().Unix())
	if !changed {
		return one
	}
	if data, err := next.Encode(); err == nil {
		_, _ = s.Put(ctx, e.Key, data, e.Rev)
	}
	return next
}

// end books what a listing has found. The caller holds mu.
func (w *windows) end(l *listing, found []rule.State, unreadable []error, took time.Duration) {
	w.listing = nil
	if l.err != nil {
		w.next = time.Time{}
		return
	}
	for _, s := range found {
		w.enter(s)
	}
	w.listed, w.took, w.unreadable = true, took, unreadable
	if len(unreadable) == 0 {
		took *= 100
	}
	w.next = time.Now().Add(max(maxAge, took))
}

// enter books a channel's ceiling, unless a higher one is known. The caller holds mu.
func (w *windows) enter(s rule.State) {
	if was, ok := w.rows[s.ID]; !ok || !s.Authorized().Less(was.rises.Total()) {
		w.rows[s.ID] = row{s.Scope.Payee, s.Rises()}
	}
}

// known returns an error if there are records that cannot be read: what they authorized could have
// used up any budget. The caller holds mu.
func (w *windows) known() error {
	if len(w.unreadable) == 0 {
		return nil
	}
	return fmt.Errorf("%w: what it used of the budgets is not known, so nothing more is authorized: "+
		"restore it, or move it out of the store", w.unreadable[0])
}
