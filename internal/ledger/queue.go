package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ruling is a decision of package rule on a state and on the claim of a reservation. Only a renewal
// reads the request. It returns the state and the claim as they are after it, and the amount of the
// voucher that is to be presented.
type ruling func(
	rule.State, rule.Claim, rule.Request, rule.Limits,
) (rule.State, rule.Claim, voucher.Amount, error)

// decision is one question to the gate. Decisions that wait together are made together: one durable
// write and one voucher, which covers them all.
type decision struct {
	rule        ruling
	request     rule.Request
	reservation *Reservation // nil for the voucher of a close
	begins      bool         // it may put the reservation in flight
	exact       bool         // it wants the voucher of exactly its own amount, so it is made alone

	// What follows is guarded by the account's mu.

	terms         Terms
	ends          int // how often the reservation had ended when the decision was asked for
	decided       bool
	before, after rule.Claim
	counted       rule.Counts
	charged       taken
	rise          Rise
	stored        bool // and its rise is in the record
	opened        bool // it put the reservation in flight
	abandoned     bool // nobody will present its voucher

	served chan struct{} // closed when signed, err and retry are final
	signed voucher.Signed
	err    error
	retry  bool // it failed because the context of another caller ended
}

// place asks the gate for a decision and waits for it. Whoever gets the turn makes all decisions
// that wait, under its own context.
func (a *Account) place(ctx context.Context, ask decision) (voucher.Signed, error) {
	if ctx.Err() != nil {
		return voucher.Signed{}, context.Cause(ctx)
	}
	if signed, err, ok := a.atOnce(&ask); ok {
		return signed, err
	}
	d := new(decision)
	*d = ask
	for queued := false; ; {
		if !queued {
			a.mu.Lock()
			d.served, d.err, d.retry, queued = make(chan struct{}), nil, false, true
			a.waiting = append(a.waiting, d)
			a.mu.Unlock()
		}
		select {
		case a.turn <- struct{}{}:
			for _, near := range a.work(ctx) {
				if a.ledger.OnNear != nil {
					a.ledger.OnNear(near)
				}
			}
		case <-d.served:
		case <-ctx.Done():
			if a.leave(d) {
				return voucher.Signed{}, context.Cause(ctx)
			}
		}
		select {
		case <-d.served:
			if !d.retry {
				return d.signed, d.err
			}
			queued = false
		default: // others went first
		}
	}
}

// atOnce makes a decision that needs neither a write nor a signature: the voucher that exists
// covers it. ok is false if the gate has to make it.
func (a *Account) atOnce(d *decision) (signed voucher.Signed, err error, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := d.reservation; r != nil {
		d.terms, d.ends = r.terms, r.ends
	}
	if a.streams {
		a.countDelivered()
	}
	was, err := d.claim()
	if err != nil {
		return signed, err, true
	}
	if a.stale.Load() || d.exact || len(a.view.Voucher) == 0 || a.view.Closed ||
		a.view.MayExist().SubFloor(a.spare).Less(a.view.Signed) {
		return signed, nil, false
	}
	next, after, due, err := d.rule(a.view, was, d.request, rule.Limits{Limits: d.terms.Limits})
	if err == nil && due != a.view.Signed {
		return signed, nil, false
	}
	if err == nil && d.terms.Charge != nil {
		_, err = d.terms.Charge.take(a, was.Price, after.Price, voucher.Amount{})
	}
	if err != nil {
		return signed, err, true
	}
	a.admit(d, after)
	a.step(&next)
	if a.charged {
		a.hold(due, due, d)
	}
	signed.Voucher = voucher.Voucher{ChannelID: a.id, Cumulative: due}
	signed.Signature = a.view.Voucher
	return signed, nil, true
}

// claim returns what the reservation claims now. The error is [ErrEnded] if the reservation has
// ended, so that it is never put in flight by a decision that was requested before. The caller
// holds the account's mu.
func (d *decision) claim() (rule.Claim, error) {
	r := d.reservation
	if r == nil {
		return rule.Claim{}, nil
	}
	switch {
	case d.abandoned, r.kept, r.ends != d.ends, !r.open && !d.begins:
		return rule.Claim{}, ErrEnded
	}
	was := r.claim
	if !r.open {
		was.Price = voucher.Amount{}
	}
	return was, nil
}

// admit puts the reservation in flight as soon as it is counted: a report that comes in between
// must see it. The caller holds mu.
func (a *Account) admit(d *decision, after rule.Claim) {
	r := d.reservation
	if r == nil {
		return
	}
	if !r.open {
		r.open, r.since, r.after = true, a.reports, a.kept
		a.open[r] = struct{}{}
		d.opened = true
	}
	r.claim = after
}

// leave takes a decision back whose caller gives up. It returns false if the decision is final
// already.
func (a *Account) leave(d *decision) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.waiting, d); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
		return true
	}
	select {
	case <-d.served:
		return d.retry
	default:
		a.abandon(d)
		return true
	}
}

// work makes the decisions that wait and can be made together, if there are any: an exact one
// alone, else all before the next exact one. It gives the turn back, also if a signer or a store
// panics. Those who wait do not wait for ever then. It returns the budgets that are nearly used up, to be
// reported outside all locks.
func (a *Account) work(ctx context.Context) (near []Near) {
	var signed voucher.Signed
	err, returned := errPanic, false
	defer func() {
		if !returned {
			a.stale.Store(true) // it is not known what the record holds
		}
		near = a.finish(ctx, signed, err)
		<-a.turn
	}()
	a.mu.Lock()
	n := 0
	for ctx.Err() == nil && n < len(a.waiting) && (n == 0 || !a.waiting[n].exact) {
		n++
		if a.waiting[0].exact {
			break
		}
	}
	a.serving = a.waiting[:n:n]
	a.waiting = append([]*decision(nil), a.waiting[n:]...)
	a.mu.Unlock()
	if n > 0 {
		signed, err = a.issue(ctx)
	}
	returned = true
	return nil
}

var errPanic = errors.New("ledger: the signer or the store panicked; nothing was signed")

// finish ends the decisions that are being served. They get the voucher, or the error if nothing
// was signed for them.
func (a *Account) finish(
	ctx context.Context, signed voucher.Signed, err error,
) (near []Near) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.dropAll()
	}
	for _, d := range a.serving {
		switch {
		case err != nil:
			d.err, d.retry = err, ctx.Err() != nil && !d.abandoned
		case d.abandoned:
			d.err = ErrEnded
		default:
			d.signed = signed
		}
		close(d.served)
	}
	near, a.near, a.serving, a.fresh = a.near, nil, nil, nil
	a.spare = a.spare.Min(a.view.MayExist().SubFloor(signed.Cumulative))
	if a.charged {
		a.giveBack()
	}
	return near
}
