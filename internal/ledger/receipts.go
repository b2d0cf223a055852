package ledger

import (
	"context"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Answers overtake each other, so the report on an answer may be older than the newest. If
// a payee's reports are running totals, it has counted the answered reservation in the newest
// report too, because it had charged by the newer one what it had charged by the older one. So the
// newest report can no longer have missed that reservation, and it is evaluated once more without
// it.
//
// That holds for a reservation that was open when the newest report came. If one was made later and
// is answered with an older report, the reports are no running totals, and the answer frees
// nothing.

// Settle ends the reservation with the report on its answer, in one step: a report is
// complete for its own reservation only, so no other may be evaluated in between. If the report
// cannot be judged now, the price stays counted. The error is a [*channel.ViolationError]; it costs
// the caller nothing.
func (r *Reservation) Settle(ctx context.Context, w channel.Report) error {
	a := r.account
	if !a.judged(ctx, r, w) {
		r.Keep()
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	older := w.Spent.Less(a.view.Spent)
	if a.end(r) {
		r.kept = true
		if older && r.since == a.reports {
			a.kept = a.kept.AddCapped(r.claim.Price)
		}
	}
	if err := a.reconcile(r, w); err != nil || !older {
		return err
	}
	a.reread()
	return nil
}

// Reconcile books a report while reservations are open. It came on an answer to r, which goes on; r
// is nil if that is not known. A report that cannot be judged now counts for nothing. The error is
// a [*channel.ViolationError]; it costs the caller nothing.
func (a *Account) Reconcile(ctx context.Context, r *Reservation, w channel.Report) error {
	if !a.judged(ctx, r, w) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	return a.reconcile(r, w)
}

// reconcile books a report against the reservations that it may not have counted. The caller holds
// mu.
func (a *Account) reconcile(r *Reservation, w channel.Report) error {
	newest := !w.Spent.Less(a.view.Spent)
	if newest {
		if r != nil && r.account == a {
			a.cleared = a.cleared.Max(r.after) // these had ended when the request was sent
		}
		a.base = a.base.Ended(a.ledger.others(time.Now().Unix()))
		a.fold()
	}
	err := a.report(w)
	if err == nil && newest {
		a.reports++
	}
	return err
}

// report applies a report to the view. The caller holds mu.
func (a *Account) report(w channel.Report) error {
	next, err := a.view.Reconcile(w, a.inFlight())
	a.added = a.added.Learned(next)
	a.count(rule.Counts{Freed: a.view.Claimed.SubFloor(next.Claimed)})
	return err
}

// reread applies the newest report once more, now that fewer reservations are open, or more is
// known of those of other sessions. Before the first report of a session nobody knows what the
// record's may have missed. The caller holds mu.
func (a *Account) reread() {
	if a.reports > 0 {
		_ = a.report(
			channel.Report{Accepted: a.view.Accepted, Spent: a.view.Spent, Units: a.view.Units},
		)
	}
}

// maxMisses bounds how often the record is read for reports about one reservation that turn out to
// be false.
const maxMisses = 8

// judged makes sure that a report of a voucher above our own ceiling is judged with what other
// sessions have signed since. It returns false if the record cannot be read now.
func (a *Account) judged(ctx context.Context, r *Reservation, w channel.Report) (ok bool) {
	a.mu.Lock()
	explained := !a.view.Authorized().Less(w.Accepted)
	if explained || r != nil && r.misses >= maxMisses {
		a.mu.Unlock()
		return true
	}
	a.mu.Unlock()
	err := a.look(ctx, w)
	a.mu.Lock()
	defer a.mu.Unlock()
	if r != nil && (err != nil || a.view.Authorized().Less(w.Accepted)) {
		r.misses++
	}
	return err == nil
}

// look reads the record for a report that the view does not explain.
func (a *Account) look(ctx context.Context, w channel.Report) error {
	if err := a.take(ctx); err != nil {
		return err
	}
	defer a.give()
	a.mu.Lock()
	a.stale = a.stale || a.view.Authorized().Less(w.Accepted)
	a.mu.Unlock()
	return a.refresh(ctx)
}

// inFlight returns the sum of the prices that a report may have missed, here and in the sessions
// that share the record. The caller holds mu.
func (a *Account) inFlight() voucher.Amount {
	return a.own().AddCapped(a.view.Pending(a.ledger.name))
}
