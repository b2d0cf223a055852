package ledger

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// windows add up what was authorized on all channels of the store, for the limits over time. The
// numbers are the channels' own records: a ceiling and its history are written in one piece, so
// there is nothing to reconcile, and since a ceiling never sinks, the highest that was seen is the
// newest.
type windows struct {
	// next is when the store is listed again, for what other processes did. It is nil until the store
	// was listed once. It is set with mu held.
	next atomic.Pointer[time.Time]

	// guards what follows; taken after an account's, and before those of charges
	mu      sync.Mutex
	rows    map[common.Hash]row
	unknown error         // of a record that the last listing could not read; nil if there is none
	took    time.Duration // by the last listing
	listing *listing      // nil if none is under way
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
		w.mu.Lock()
		now, next, l := time.Now(), w.next.Load(), w.listing
		switch {
		case next != nil && now.Before(*next):
			w.mu.Unlock()
			return nil
		case l == nil:
			l = &listing{done: make(chan struct{}), err: errPanic}
			w.listing = l
			if next != nil {
				until := now.Add(max(maxAge, 2*w.took))
				w.next.Store(&until) // the others go on until then
			}
			w.mu.Unlock()
			w.list(ctx, s, l)
			return l.err
		}
		w.mu.Unlock()
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

// list reads all records, books what it finds and ends the listing, also if the store panics.
func (w *windows) list(ctx context.Context, s store.Store, l *listing) {
	start := time.Now()
	var found []rule.State
	var unknown error // what a record that cannot be read authorized could have used up any budget
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		defer close(l.done)
		w.listing = nil
		if l.err != nil {
			if l.gaveUp = ctx.Err() != nil; w.next.Load() != nil {
				w.next.Store(&time.Time{})
			}
			return
		}
		for _, s := range found {
			w.enter(s)
		}
		w.took, w.unknown = time.Since(start), unknown
		rest := w.took
		if unknown == nil {
			rest *= 100
		}
		next := time.Now().Add(max(maxAge, rest))
		w.next.Store(&next)
	}()
	for _, prefix := range []string{rule.ChannelKeys, rule.ArchiveKeys} {
		for e, err := range s.List(ctx, prefix) {
			if err != nil && e.Key == "" {
				l.err = fmt.Errorf("%w: %w", ErrStore, err)
				return
			}
			var one rule.State
			if err == nil {
				one, err = rule.Decode(e.Data)
			}
			switch {
			case err == nil:
				found = append(found, redated(ctx, s, e, one))
			case unknown == nil:
				unknown = fmt.Errorf("%w: %s: %w: what it used of the budgets is not known, so nothing "+
					"more is authorized: restore it, or move it out of the store", channel.ErrRecord, e.Key, err)
			}
		}
	}
	l.err = nil
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

// enter books a channel's ceiling, unless a higher one is known. The caller holds mu.
func (w *windows) enter(s rule.State) {
	rises := s.Rises()
	if was, ok := w.rows[s.ID]; !ok || !rises.Total.Less(was.rises.Total) {
		w.rows[s.ID] = row{s.Scope.Payee, rises}
	}
}

// Near reports that a rise of a ceiling passes four fifths of a budget.
type Near struct {
	Scope     channel.Scope
	ChannelID common.Hash
	Decision  channel.Decision
}

// noteNear notes the tightest budget that a rise nearly uses up, to be reported. The caller holds
// mu.
func (a *Account) noteNear(scope channel.Scope, rooms *Rooms, rise voucher.Amount) {
	var near *channel.Room
	for i := range rooms {
		if r := &rooms[i]; r.Near(rise) && (near == nil || r.Left().Less(near.Left())) {
			near = r
		}
	}
	if near != nil {
		a.near = append(a.near, Near{scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: near.Rule.Name,
			Wanted: near.Used.AddCapped(rise), Allowed: near.Rule.Allowed, Left: near.Left(),
		}})
	}
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour.
type Rooms [9]channel.Room

// rooms returns what the budgets leave for a request on a channel of a scope, and its limits with
// what is left of all budgets. The caller holds mu.
func (w *windows) rooms(t Terms, scope channel.Scope, now int64) (rooms Rooms, lim rule.Limits) {
	lim = rule.Limits{Limits: t.Limits}
	origin := cmp.Or(t.Origin, scope.Origin)
	all, ofOrigin, ofPayee := lim.Budgets()
	for i := range 3 {
		rooms[i].Rule, rooms[3+i].Rule, rooms[6+i].Rule = all[i], ofOrigin[i], ofPayee[i]
	}
	for _, r := range w.rows {
		for i := range 3 {
			risen := r.rises.Within(now, all[i].Length)
			if risen.IsZero() {
				break // nothing rose in a month, day or hour, and so not in the shorter ones
			}
			forOrigin := risen // every rise counts for the channel's own origin
			if origin != r.rises.Origin {
				forOrigin = r.rises.For(origin, now, all[i].Length)
			}
			rooms[i].Used = rooms[i].Used.AddCapped(risen)
			rooms[3+i].Used = rooms[3+i].Used.AddCapped(forOrigin)
			if r.payee == scope.Payee {
				rooms[6+i].Used = rooms[6+i].Used.AddCapped(risen)
			}
		}
	}
	lim = lim.Within(rooms[:]...)
	if t.Charge != nil {
		if room, ok := t.Charge.room(); ok {
			lim = lim.WithinRun(room)
		}
	}
	return rooms, lim
}

// Rooms returns what the limits over time leave for a scope now. The errors are [ErrStore], and
// [channel.ErrRecord] if what a record used of them is not known.
func (l *Ledger) Rooms(ctx context.Context, t Terms, scope channel.Scope) (Rooms, error) {
	w := &l.windows
	if err := w.read(ctx, l.store); err != nil {
		return Rooms{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	rooms, _ := w.rooms(t, scope, time.Now().Unix())
	return rooms, w.unknown
}

// Limited returns the limits with what the limits over time and the request's own budgets leave for
// a scope now. The errors are those of [Ledger.Rooms].
func (l *Ledger) Limited(ctx context.Context, t Terms, scope channel.Scope) (rule.Limits, error) {
	w := &l.windows
	if err := w.read(ctx, l.store); err != nil {
		return rule.Limits{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, lim := w.rooms(t, scope, time.Now().Unix())
	return lim, w.unknown
}
