package ledger

import (
	"context"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Stream turns the reservation into one of a stream of pieces that cost one unit each; the first is
// paid by its price. delivered returns how many pieces came, and may be called at any time. Zero
// and nil are for a stream that is charged once: it costs no more than its price.
func (r *Reservation) Stream(unit voucher.Amount, delivered func() uint64) {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	r.unit, r.delivered = unit, delivered
	if r.trip.travel != away { // it was answered
		r.account.pace.move(&r.trip, away, voucher.Amount{})
	}
	if delivered != nil {
		r.account.streams = true
	}
}

// RunAhead lets the vouchers of the stream run ahead by a share of the pieces with content, which
// contents counts ([rule.Limits.Delivered]). It may be called at any time.
func (r *Reservation) RunAhead(contents func() uint64) {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	r.contents = contents
}

// Complete notes that the stream was read to its end. What was authorized ahead for pieces that did
// not come is credit of the channel again. A stream that ends before may have left pieces behind
// that the payee charged for: only a report frees their price.
func (r *Reservation) Complete() {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.countDelivered(); r.open {
		a.cover(r)
		a.count(rule.Counts{Released: r.claim.Lead.Min(a.view.Claimed)})
		r.claim.Lead = voucher.Amount{}
	}
}

// More decides a need-voucher frame of the stream: required is what the payee wants the next
// voucher to reach. The errors are those of [rule.State.AuthorizeMore] and of [Account.Reserve],
// and [ErrEnded].
func (r *Reservation) More(ctx context.Context, required voucher.Amount) (voucher.Signed, error) {
	a := r.account
	a.mu.Lock()
	a.countUnasked(required)
	waits := a.pace.shares != sharesOne // the voucher would use up the step of a request in flight
	a.mu.Unlock()
	defer func() { // the next request is not alone, and may show whether the payee takes a voucher twice
		a.mu.Lock()
		defer a.mu.Unlock()
		a.pace.idle = a.pace.idle && (a.pace.shares == sharesOne || !r.open)
	}()
	return a.place(ctx, decision{
		reservation: r, waits: waits,
		rule: func(
			s rule.State, was rule.Claim, _ rule.Request, lim rule.Limits,
		) (rule.State, rule.Claim, voucher.Amount, error) {
			if r.contents != nil {
				pooled := len(a.open) > 1 || !s.Pending(a.ledger.name).IsZero()
				lim = lim.Delivered(r.contents(), pooled)
			}
			return s.AuthorizeMore(was, r.cost(), required, r.unit, lim)
		},
	})
}

// Overspent returns a [*channel.LimitError] if the stream delivered pieces without asking for them
// that its budgets do not pay for. They are not counted, and the stream should be ended.
func (r *Reservation) Overspent() error {
	r.account.mu.Lock()
	defer r.account.mu.Unlock()
	r.account.countDelivered()
	return r.overspent
}

// Starved reports whether other requests of the channel may have used up what was paid for the next
// piece of the stream.
func (r *Reservation) Starved() bool {
	a := r.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.countDelivered(); r.delivered == nil || !r.open {
		return false
	}
	spent := a.view.Claimed.AddCapped(a.arrears)
	for o := range a.open {
		if o.delivered != nil {
			spent = spent.SubFloor(o.claim.Held()).AddCapped(o.cost())
		}
	}
	others := r.among > 1 || a.opened > r.number
	return others && a.view.Signed.Less(spent.AddCapped(r.unit))
}

// cost is the price of the pieces that came so far. The caller holds mu.
func (r *Reservation) cost() (total voucher.Amount) {
	if r.delivered != nil {
		total, _ = r.unit.Mul(r.delivered())
	}
	return total
}

// countDelivered counts what the open streams have delivered, as far as it is signed and up to
// Limits.Stream: nobody asked for what a payee delivers beyond it, out of Limits.Ahead. The caller
// holds mu.
func (a *Account) countDelivered() {
	for r := range a.open {
		if r.delivered != nil {
			a.deliver(r, a.view.Signed)
		}
	}
}

// countUnasked counts what streams have delivered without asking, so far that Claimed reaches most:
// the payee took it out of the vouchers of other requests. The caller holds mu.
func (a *Account) countUnasked(most voucher.Amount) {
	a.countDelivered()
	for r := range a.open {
		if r.delivered != nil {
			a.deliver(r, most)
		}
	}
	next, ended := a.view.CatchUp(rule.Claim{}, a.arrears, most, rule.Of(a.ledger.limits))
	a.step(&next)
	a.arrears = a.arrears.SubFloor(ended.Price)
}

// deliver counts what a stream has delivered, until Claimed reaches most. The caller holds mu.
func (a *Account) deliver(r *Reservation, most voucher.Amount) {
	lim := rule.Of(r.terms.Limits)
	next, after := a.view.CatchUp(r.claim, r.cost(), most, lim)
	if after == r.claim {
		return
	}
	paid, err := r.terms.Charge.takeUpTo(a.asset(), r.claim.Price, after.Price)
	if err != nil {
		r.overspent = err
		next, after = a.view.CatchUp(r.claim, paid, most, lim)
	}
	r.claim = after
	a.step(&next)
}

// cover pays what ended streams delivered and did not ask for out of the lead of a stream that ends:
// the payee took it from there. It stays claimed. The caller holds mu.
func (a *Account) cover(r *Reservation) {
	led := a.arrears.Min(r.claim.Lead)
	a.arrears, r.claim.Lead = a.arrears.SubFloor(led), r.claim.Lead.SubFloor(led)
	a.kept = a.kept.AddCapped(led)
}

// owe notes what a stream that ends has delivered and not asked for. It raises the ceiling for
// another request that is refused for it. The caller holds mu.
func (a *Account) owe(r *Reservation) {
	due := r.cost().Min(r.terms.Limits.Stream)
	if r.overspent != nil || !r.claim.Price.Less(due) {
		return
	}
	paid, _ := r.terms.Charge.takeUpTo(a.asset(), r.claim.Price, due)
	a.arrears = a.arrears.AddCapped(paid.SubFloor(r.claim.Price))
}
