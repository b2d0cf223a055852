package ledger

import (
	"context"
	"sync"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Terms are what one request is held to.
type Terms struct {
	Limits channel.Limits
	// Run is the budget that its price comes out of. Nil is none.
	Run *Run
}

type termsKey struct{}

// Within returns a context whose asks are held to the terms.
func Within(ctx context.Context, t Terms) context.Context {
	return context.WithValue(ctx, termsKey{}, t)
}

// terms are those of the context, or the ledger's own limits.
func (l *Ledger) terms(ctx context.Context) Terms {
	if t, ok := ctx.Value(termsKey{}).(Terms); ok {
		return t
	}
	return Terms{Limits: l.limits}
}

// Run is a budget for the prices of some requests, in memory. One that has a parent spends the parent's too. It is safe
// for concurrent use.
type Run struct {
	parent *Run
	limit  voucher.Amount

	mu   sync.Mutex // guards used
	used voucher.Amount
}

// NewRun returns a budget of limit base units, within parent's where parent is not nil.
func NewRun(limit voucher.Amount, parent *Run) *Run { return &Run{parent: parent, limit: limit} }

// Left is what can still be spent, in base units.
func (r *Run) Left() voucher.Amount {
	r.mu.Lock()
	left := r.limit.SubFloor(r.used)
	r.mu.Unlock()
	if r.parent != nil {
		left = left.Min(r.parent.Left())
	}
	return left
}

// move replaces what a claim has taken by what it takes now. Going down always works, and so does going up where
// the price was counted already (forced). The error is a [*channel.LimitError]; nothing was taken then.
func (r *Run) move(from, to voucher.Amount, forced bool) error {
	if r == nil || from == to {
		return nil
	}
	if err := r.parent.move(from, to, forced); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	used := r.used.SubFloor(from).AddCapped(to)
	if !forced && from.Less(to) && r.limit.Less(used) {
		_ = r.parent.move(to, from, true)
		return &channel.LimitError{Limit: channel.LimitBudget, Wanted: used, Allowed: r.limit, Left: r.limit.SubFloor(r.used)}
	}
	r.used = used
	return nil
}

// charge makes the run count the claim's price as it stands. The caller holds the account's mu.
func (c *Claim) charge() {
	_ = c.terms.Run.move(c.charged, c.c.Price, true)
	c.charged = c.c.Price
}

// afford makes the run count another price for the claim, if there is as much. The caller holds the account's mu.
func (c *Claim) afford(price voucher.Amount) error {
	err := c.terms.Run.move(c.charged, price, false)
	if err == nil {
		c.charged = price
	}
	return err
}

// refund gives back what the claim took. The caller holds the account's mu.
func (c *Claim) refund() {
	_ = c.terms.Run.move(c.charged, voucher.Amount{}, true)
	c.charged = voucher.Amount{}
}
