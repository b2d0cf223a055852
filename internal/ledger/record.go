package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// write is a record on its way to the store, and what it contains of this session's counts.
type write struct {
	state  rule.State
	counts rule.Counts
}

// stamped returns the write of a state that was made from the view: with what this session has in
// flight. The caller holds mu since it read the view.
func (a *Account) stamped(s rule.State) *write {
	now := time.Now().Unix()
	s.Writer = a.ledger.name
	return &write{
		s.Folded(a.ledger.others(now)).InFlight(a.ledger.name, a.own(), now), a.added.Counts,
	}
}

// save stores a record. The error is [store.ErrConflict] or [ErrStore]; after either the record is
// read again before anything is decided. The caller has the turn.
func (a *Account) save(ctx context.Context, w *write) error {
	data, err := w.state.Encode()
	if err != nil {
		return err
	}
	rev, err := a.ledger.store.Put(ctx, rule.StateKey(a.id), data, a.rev)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.stale = true
		if !errors.Is(err, store.ErrConflict) {
			a.tried = w
		}
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	a.rebase(w.state, rev, w.counts)
	return nil
}

// refresh reads the record again, after a write of ours failed or another process wrote first. The
// caller has the turn.
func (a *Account) refresh(ctx context.Context) error {
	a.mu.Lock()
	stale := a.stale
	a.mu.Unlock()
	if !stale {
		return nil
	}
	data, rev, err := a.ledger.store.Get(ctx, rule.StateKey(a.id))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	stored, err := rule.Decode(data)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	base, counted := a.base, rule.Counts{}
	if a.tried != nil && rev != a.rev {
		// The write worked. Or another session wrote since, and nobody can tell: then what this one
		// asked for is taken to be in the record, because what is counted twice would be signed
		// twice.
		base, counted = a.tried.state, a.tried.counts
	}
	if stored.Asked() != base.Asked() || stored.Claimed != base.Claimed {
		// Another session counted something. It may have freed the same money, so the newest report
		// decides anew.
		counted.Freed = a.added.Freed
	}
	if a.view.Spent.Less(stored.Spent) {
		a.reports++
	}
	a.added = a.added.Learned(a.view)
	a.rebase(stored, rev, counted)
	a.stale, a.tried = false, nil
	a.reread()
	return nil
}

// rebase makes a record the base, which has so much of this session's counts in it. The caller
// holds mu.
func (a *Account) rebase(base rule.State, rev uint64, counted rule.Counts) {
	a.base, a.rev = base, rev
	a.added.Counts = a.added.Minus(counted)
	a.fold()
}

// own returns the sum of this session's prices that a report may have missed: those of open
// reservations, and of those that ended without a report. The caller holds mu.
func (a *Account) own() voucher.Amount {
	sum := a.kept.SubFloor(a.cleared)
	for r := range a.open {
		sum = sum.AddCapped(r.claim.Price)
	}
	return sum
}

// Shared reports whether other sessions had requests in flight when the record was last read.
func (a *Account) Shared() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.view.Pending(a.ledger.name).IsZero()
}

// doubt has the record read before anything is decided: it is not known what it holds.
func (a *Account) doubt() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stale = true
}
