package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// decider is a decision of package rule: what an order does to the state and to its claim, and the
// cumulative amount of the voucher that it wants presented.
type decider func(rule.State, rule.Claim, rule.Limits) (rule.State, rule.Claim, voucher.Amount, error)

// order is one decision that waits at the gate. Orders that wait together are decided together: one
// durable write and one voucher, which covers them all.
type order struct {
	rule   decider
	terms  Terms
	claim  *Claim // nil for an order that claims nothing
	exact  bool   // wants the voucher of exactly its own amount, so it is decided alone
	before rule.Claim
	from   *rule.State // what it was decided on, and made of it; nil before
	to     *rule.State

	fresh  bool          // it makes the claim; otherwise the claim is the caller's already
	left   bool          // its caller does not wait for it; guarded by the account's mu
	served chan struct{} // closed when signed and err are final
	signed voucher.Signed
	err    error
}

// Issue decides an ask and returns the voucher to present. The claim stands for the ask until it is
// ended with Keep or Release. The errors are those of [rule.State.Authorize], [ErrStore], the
// signer's and the context's; nothing was signed then.
func (a *Account) Issue(ctx context.Context, ask rule.Request) (*Claim, voucher.Signed, error) {
	c := &Claim{account: a, terms: a.ledger.terms(ctx)}
	signed, err := a.place(ctx, &order{claim: c, terms: c.terms, rule: func(s rule.State, _ rule.Claim, lim rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		return s.Authorize(ask, lim)
	}})
	return c, signed, err
}

// Follow is [Account.Issue] for an ask that takes the place of was, a claim that was released: the request went on elsewhere.
// Both are one ask, whose price counts once, as with [Account.Renew]. A claim is followed once.
func (a *Account) Follow(ctx context.Context, was *Claim, ask rule.Request) (*Claim, voucher.Signed, error) {
	a.mu.Lock()
	before := was.c
	if was.account != a || was.open {
		before = rule.Claim{}
	}
	a.mu.Unlock()
	c := &Claim{account: a, terms: a.ledger.terms(ctx)}
	signed, err := a.place(ctx, &order{claim: c, terms: c.terms, rule: func(s rule.State, _ rule.Claim, lim rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		s.Claimed = s.Claimed.AddCapped(before.Price) // Renew takes it out again
		return s.Renew(before, ask, lim)
	}})
	if err == nil {
		a.mu.Lock()
		was.c = rule.Claim{}
		a.mu.Unlock()
	}
	return c, signed, err
}

// Renew decides the ask of a claim again, as [rule.State.Renew] does.
func (a *Account) Renew(ctx context.Context, c *Claim, ask rule.Request) (voucher.Signed, error) {
	return a.place(ctx, &order{claim: c, terms: c.terms, rule: func(s rule.State, was rule.Claim, lim rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		return s.Renew(was, ask, lim)
	}})
}

// Again decides what to present after the payee refused presented for this claim. Another session may have
// presented a higher one, so the record is read first where this session has none. The errors are those of
// [rule.State.Overdrawn].
func (a *Account) Again(ctx context.Context, c *Claim, presented voucher.Amount) (voucher.Signed, error) {
	a.catchUp(a.State().Authorized().AddCapped(c.Price()))
	a.mu.Lock()
	if !presented.Less(a.state.Signed) {
		a.stale = true
	}
	a.mu.Unlock()
	return a.place(ctx, &order{claim: c, terms: c.terms, rule: func(s rule.State, was rule.Claim, lim rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		return s.Overdrawn(was, presented, lim)
	}})
}

// More decides a need-voucher frame of the stream that c stands for. The errors are those of
// [rule.State.AuthorizeMore].
func (a *Account) More(ctx context.Context, c *Claim, required voucher.Amount) (voucher.Signed, error) {
	a.catchUp(required)
	return a.place(ctx, &order{claim: c, terms: c.terms, rule: func(s rule.State, was rule.Claim, lim rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		return s.AuthorizeMore(was, c.brought(), required, c.unit, lim)
	}})
}

// CloseVoucher returns the voucher of a cooperative close. The errors are those of
// [rule.State.CloseDue].
func (a *Account) CloseVoucher(ctx context.Context, refused voucher.Amount) (voucher.Signed, error) {
	return a.place(ctx, &order{exact: true, rule: func(s rule.State, c rule.Claim, _ rule.Limits) (rule.State, rule.Claim, voucher.Amount, error) {
		due, err := s.CloseDue(refused)
		return s, c, due, err
	}})
}

// place puts an order before the gate and waits until it is served. Whoever gets the turn serves all
// that wait, with its own context.
func (a *Account) place(ctx context.Context, o *order) (voucher.Signed, error) {
	if a.atOnce(o) {
		return o.signed, o.err
	}
	a.enter(o)
	for {
		select {
		case a.turn <- struct{}{}:
			a.work(ctx)
			a.tellNear()
			select {
			case <-o.served:
			default:
				continue // others went first
			}
		case <-o.served:
		case <-ctx.Done():
			if a.leave(o) {
				return voucher.Signed{}, context.Cause(ctx)
			}
			<-o.served // too late to leave: the claim is still the caller's
			return voucher.Signed{}, context.Cause(ctx)
		}
		if o.err != nil && ctx.Err() == nil && (errors.Is(o.err, context.Canceled) || errors.Is(o.err, context.DeadlineExceeded)) {
			a.enter(o) // the one who had the turn gave up; this one did not
			continue
		}
		return o.signed, o.err
	}
}

// atOnce serves an order that needs neither a write nor a signature: the voucher that exists covers it.
func (a *Account) atOnce(o *order) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if o.claim != nil {
		o.before = o.claim.c
	}
	if a.stale || o.exact || len(a.state.Voucher) == 0 {
		return false
	}
	a.countDelivered()
	next, after, due, err := o.rule(a.state, o.before, rule.Of(o.terms.Limits))
	if err == nil && due != a.state.Signed {
		return false
	}
	if err == nil && o.claim != nil {
		err = o.claim.afford(after.Price)
	}
	if err != nil {
		o.err = err
		return true
	}
	a.state = next
	a.admit(o, after)
	o.signed = voucher.Signed{Voucher: voucher.Voucher{ChannelID: a.id, Cumulative: due}, Signature: a.state.Voucher}
	return true
}

// admit puts the order's claim in flight as soon as it is counted: a receipt that comes in between must see
// it. The caller holds mu.
func (a *Account) admit(o *order, after rule.Claim) {
	if o.claim == nil {
		return
	}
	if !o.claim.open {
		o.claim.open, o.claim.since, o.claim.after = true, a.newest, a.kept
	}
	o.claim.c = after
	a.claims[o.claim] = struct{}{}
}

func (a *Account) enter(o *order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o.served, o.err, o.fresh = make(chan struct{}), nil, o.claim == nil || !o.claim.open
	a.waiting = append(a.waiting, o)
}

// leave takes an order back; false where it is being served and changes a claim that its caller has already. A new
// one is served without its caller: its number counts, and is free for the next ask.
func (a *Account) leave(o *order) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, w := range a.waiting {
		if w == o {
			a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
			return true
		}
	}
	if !o.fresh {
		return false
	}
	select {
	case <-o.served:
		a.abandon(o)
	default:
		o.left = true
	}
	return true
}

// abandon frees what an order counted whose caller has left. The caller holds mu.
func (a *Account) abandon(o *order) {
	if o.err == nil && o.claim != nil && a.drop(o.claim) {
		a.release(o.claim)
	}
}

// work serves what waits. The caller has the turn; it is given back also where a signer or a store panics, and
// those who wait do not wait for ever.
func (a *Account) work(ctx context.Context) {
	batch, done := a.takeBatch(), false
	defer func() {
		if !done {
			a.crashed(batch)
		}
		a.give()
	}()
	if len(batch) > 0 {
		a.issue(ctx, batch)
	}
	done = true
}

var errPanic = errors.New("ledger: the signer or the store panicked; nothing was signed")

// crashed ends the orders of a batch that a panic left behind. Whether the record was written is not known.
func (a *Account) crashed(batch []*order) {
	left := slices.DeleteFunc(slices.Clone(batch), func(o *order) bool {
		select {
		case <-o.served:
			return true
		default:
			return false
		}
	})
	a.retract(left)
	a.mu.Lock()
	a.stale = true
	a.mu.Unlock()
	a.fail(left, errPanic)
}

// takeBatch takes the orders that can be decided together: an exact one alone, else all before the next
// exact one.
func (a *Account) takeBatch() []*order {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.waiting) && (n == 0 || !a.waiting[n].exact) {
		n++
		if a.waiting[0].exact {
			break
		}
	}
	batch := a.waiting[:n:n]
	a.waiting = append([]*order(nil), a.waiting[n:]...)
	return batch
}

// decide runs every order's rule in turn. Orders that are refused are served with their error and drop
// out; due is the voucher that covers the rest, and raised says that the ceiling must be made durable.
func (a *Account) decide(batch []*order) (left []*order, due voucher.Amount, raised bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	for _, o := range batch {
		if o.claim != nil {
			o.before = o.claim.c
		}
		next, after, want, err := a.decided(o)
		if err != nil {
			o.err = err
			close(o.served)
			continue
		}
		from := a.state
		o.from, o.to = &from, &next
		a.state = next
		a.admit(o, after)
		due = due.Max(want)
		left = append(left, o)
	}
	return left, due, a.saved.Authorized().Less(a.state.Authorized())
}

// retract takes back what decide counted, where no voucher was made.
func (a *Account) retract(batch []*order) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range batch {
		if o.claim == nil {
			continue
		}
		if o.from != nil { // it was decided
			a.state = a.state.Undo(*o.from, *o.to)
			o.from, o.to = nil, nil
		}
		o.claim.c = o.before
		o.claim.charge()
		if o.before == (rule.Claim{}) {
			a.drop(o.claim)
		}
	}
}

// serve hands the voucher to every order of the batch.
func (a *Account) serve(batch []*order, signed voucher.Signed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range batch {
		o.signed = signed
		close(o.served)
		if o.left {
			a.abandon(o)
		}
	}
}

// fail hands an error to every order of the batch.
func (a *Account) fail(batch []*order, err error) {
	for _, o := range batch {
		o.err = err
		close(o.served)
	}
}
