package ledger

import (
	"context"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Reconcile books a report while reservations are open. It came on an answer to r, which goes on; r
// is nil if that is not known. A report that cannot be judged now counts for nothing. The error is
// a [*channel.ViolationError]; it costs the caller nothing.
func (a *Account) Reconcile(ctx context.Context, r *Reservation, w channel.Report) error {
	a.mu.Lock()
	explained := !a.view.Authorized().Less(w.Accepted)
	a.mu.Unlock()
	if !explained && !a.explain(ctx, r, w) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	return a.reconcile(r, w, false)
}

// reread applies the newest report once more, now that fewer reservations are open, or more is
// known of those of other sessions. Before the first report of a session nobody knows what the
// record's may have missed. The caller holds mu.
func (a *Account) reread() {
	if a.reports > 0 {
		w := channel.Report{Accepted: a.view.Accepted, Spent: a.view.Spent, Units: a.view.Units}
		_ = a.reconcile(nil, w, true)
	}
}

// maxMisses bounds how often the record is read for reports about one reservation that turn out to
// be false.
const maxMisses = 8

// explain reads the record for a report of a voucher above our own ceiling, so that it is judged
// with what other sessions have signed since. It returns false if the record cannot be read now.
func (a *Account) explain(ctx context.Context, r *Reservation, w channel.Report) (ok bool) {
	a.mu.Lock()
	often := r != nil && r.misses >= maxMisses
	a.mu.Unlock()
	if often {
		return true
	}
	err := a.look(ctx, w)
	a.mu.Lock()
	defer a.mu.Unlock()
	if r != nil && (err != nil || a.view.Authorized().Less(w.Accepted)) {
		r.misses++
	}
	return err == nil
}

// look reads the record unless somebody else has read meanwhile what explains the report.
func (a *Account) look(ctx context.Context, w channel.Report) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.turn }()
	a.mu.Lock()
	if a.view.Authorized().Less(w.Accepted) {
		a.stale.Store(true)
	}
	a.mu.Unlock()
	if !a.stale.Load() {
		return nil
	}
	return a.refresh(ctx)
}

// refresh reads the record again, after a write of ours failed or another process wrote first. The
// caller has the turn.
func (a *Account) refresh(ctx context.Context) error {
	place, data, rev, err := a.ledger.find(ctx, a.places, a.at)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	a.at = place
	stored, err := rule.Decode(data)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if before := a.base.Authorized(); stored.Authorized().Less(before) { // it never sinks
		written := stored.Currency().Format
		return fmt.Errorf("%w: %w: channel %s: its record authorizes %s and authorized %s before: the "+
			"store was set back to an old copy; restore the newest one",
			ErrStore, store.ErrCorrupt, a.id, written(stored.Authorized()), written(before))
	}
	base, counted := a.base, rule.Counts{}
	if rev != a.rev {
		a.unsent = nil     // another session may have presented what is on record
		a.claims.Written() // nobody can tell any more what was
		a.shared = a.shared || a.tried == nil
	}
	foreign := rev != a.rev && a.tried == nil
	if a.tried != nil && rev != a.rev {
		a.spare = a.spare.AddCapped(a.tried.state.MayExist().SubFloor(a.base.MayExist()))
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
	a.proved(&stored)
	a.added = a.added.Learned(a.view)
	a.added.Counts = a.added.Minus(counted)
	a.base, a.rev, a.tried = stored, rev, nil
	a.view = a.base.Fold(a.added)
	a.stale.Store(false)
	a.reread()
	if a.standApart(stored.Unequal); foreign {
		a.meet(true)
	}
	return nil
}
