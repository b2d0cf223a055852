package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ruling is a decision of package rule on a state, and on the claim of a reservation. It returns
// both as they are after it, and the amount of the voucher that is to be presented.
type ruling func(
	rule.State, rule.Claim, rule.Limits,
) (rule.State, rule.Claim, voucher.Amount, error)

// decision is one question to the gate. Decisions that wait together are made together: one durable
// write and one voucher, which covers them all.
type decision struct {
	// rule decides on a state and on the claim of the reservation, and returns the amount of the
	// voucher that is to be presented.
	rule        ruling
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
	a.enter(d)
	for {
		select {
		case a.turn <- struct{}{}:
			a.work(ctx)
			a.reportNear()
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
			a.enter(d)
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
	if err := d.ended(); err != nil {
		return signed, err, true
	}
	if a.stale || d.exact || len(a.view.Voucher) == 0 || a.view.Phase() == channel.Closed {
		return signed, nil, false
	}
	a.countDelivered()
	next, after, due, err := d.rule(a.view, d.was(), rule.Of(d.terms.Limits))
	if err == nil && due != a.view.Signed {
		return signed, nil, false
	}
	if err == nil {
		_, err = d.charge(a.asset(), after, voucher.Amount{})
	}
	if err != nil {
		return signed, err, true
	}
	a.admit(d, after)
	a.step(&next)
	signed.Voucher = voucher.Voucher{ChannelID: a.id, Cumulative: due}
	signed.Signature = a.view.Voucher
	return signed, nil, true
}

// ended returns [ErrEnded] if the reservation has ended, so that it is never put in flight by a
// decision that was asked for before. The caller holds the account's mu.
func (d *decision) ended() error {
	switch r := d.reservation; {
	case r == nil:
		return nil
	case d.abandoned, r.kept, r.ends != d.ends, !r.open && !d.begins:
		return ErrEnded
	}
	return nil
}

// was is the claim that the reservation has now. The caller holds the account's mu.
func (d *decision) was() (was rule.Claim) {
	if r := d.reservation; r != nil {
		was = r.claim
		was.Price = r.held()
	}
	return was
}

// charge counts a decision against the budgets of its request. The caller holds the account's mu.
func (d *decision) charge(
	asset channel.Asset, after rule.Claim, rise voucher.Amount,
) (taken, error) {
	if d.reservation == nil {
		return taken{}, nil
	}
	return d.terms.Charge.take(asset, d.reservation.held(), after.Price, rise)
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

func (a *Account) enter(d *decision) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d.served, d.err, d.retry = make(chan struct{}), nil, false
	a.waiting = append(a.waiting, d)
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

// takeBatch takes the decisions that can be made together: an exact one alone, else all before the
// next exact one. It returns false if none waits. The caller has the turn.
func (a *Account) takeBatch() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.waiting) && (n == 0 || !a.waiting[n].exact) {
		n++
		if a.waiting[0].exact {
			break
		}
	}
	a.serving = a.waiting[:n:n]
	a.waiting = append([]*decision(nil), a.waiting[n:]...)
	return n > 0
}

// work makes the decisions of a batch and gives the turn back, also if a signer or a store panics.
// Those who wait do not wait for ever then.
func (a *Account) work(ctx context.Context) {
	returned := false
	defer func() {
		if !returned {
			a.doubt()
			a.fail(ctx, errPanic)
		}
		a.give()
	}()
	if ctx.Err() == nil && a.takeBatch() {
		a.issue(ctx)
	}
	returned = true
}

var errPanic = errors.New("ledger: the signer or the store panicked; nothing was signed")

// serve gives the voucher to all that it was signed for.
func (a *Account) serve(signed voucher.Signed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.serving {
		if d.signed = signed; d.abandoned {
			d.signed, d.err = voucher.Signed{}, ErrEnded
		}
		close(d.served)
	}
	a.serving = nil
}

// fail ends the decisions that are being served with an error. Nothing was signed for them.
func (a *Account) fail(ctx context.Context, err error) {
	a.dropAll()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.serving {
		d.err, d.retry = err, ctx.Err() != nil && !d.abandoned
		close(d.served)
	}
	a.serving = nil
}
