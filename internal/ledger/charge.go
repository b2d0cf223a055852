package ledger

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Charge is what one request of a caller takes from its budgets, on all channels and across
// redirects: the sum of its prices and, beside it, the sum of the amounts by which it raised what
// payees can take. A price that was released and then asked for again counts once. A Charge only
// grows while the request lives. A nil Charge counts nothing. A Charge is safe for concurrent use.
type Charge struct {
	budgets []*Budget

	mu     sync.Mutex     // guards what follows; taken before those of the budgets
	prices voucher.Amount // of the reservations that are not released
	taken  taken          // what the budgets count: of prices, the highest that it was
	sent   atomic.Bool    // set with mu held
	on     []*Account     // where it took anything since the last refund
}

// NewCharge returns a charge that nothing was taken for yet. Nil budgets are left out.
func NewCharge(budgets ...*Budget) *Charge { return &Charge{budgets: within(budgets)} }

// Taken returns what the budgets count for the request, in base units.
func (c *Charge) Taken() voucher.Amount {
	if c == nil {
		return voucher.Amount{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken.prices.Max(c.taken.rises)
}

// Affords returns a [*channel.LimitError] if the budgets do not leave one more price of the
// request. It takes nothing.
func (c *Charge) Affords(asset channel.Asset, price voucher.Amount) error {
	if c == nil {
		return nil
	}
	defer c.lock()()
	return c.refuses(asset, taken{prices: c.growth(voucher.Amount{}, price)})
}

// Sent notes that a credential of the request left. From now on nothing is refunded.
func (c *Charge) Sent() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.Store(true)
}

// Refund ends a request of which no credential ever left. It gives the prices back, and what the
// request raised as soon as no other request may present a voucher that covers it. After Sent it
// does nothing. What the request was given before must not be sent after it.
func (c *Charge) Refund() {
	if c == nil {
		return
	}
	for _, a := range c.refundPrices() {
		a.unhold(c)
	}
}

// refundPrices gives the prices back, and returns the accounts that may give rises back. It returns
// nil if a credential of the request left.
func (c *Charge) refundPrices() (on []*Account) {
	defer c.lock()()
	if c.sent.Load() {
		return nil
	}
	on, c.on, c.prices = c.on, nil, voucher.Amount{}
	c.giveBack(taken{prices: c.taken.prices})
	return on
}

// take counts another price for one reservation on a, and by how much it raises what the payee can
// take there. It returns by how much the budgets count more. After an error nothing was counted.
// The caller holds the account's mu.
func (c *Charge) take(a *Account, from, to, rise voucher.Amount) (more taken, err error) {
	if c == nil {
		return more, nil
	}
	defer c.lock()()
	more = taken{c.growth(from, to), rise}
	if err := c.refuses(a.asset(), more); err != nil {
		return taken{}, err
	}
	c.count(from, to, more)
	if !slices.Contains(c.on, a) {
		c.on = append(c.on, a)
	}
	return more, nil
}

// takeUpTo counts a growth of a reservation's price as far as the budgets pay for it. It returns
// the price that was counted, and the error of [Charge.take] if that is not all.
func (c *Charge) takeUpTo(asset channel.Asset, from, to voucher.Amount) (voucher.Amount, error) {
	if c == nil {
		return to, nil
	}
	defer c.lock()()
	err := c.refuses(asset, taken{prices: c.growth(from, to)})
	if err != nil {
		spare := voucher.MaxAmount
		for _, b := range c.budgets {
			if b.asset != asset {
				return from, err
			}
			spare = spare.Min(b.amount.SubFloor(b.used.prices))
		}
		to = c.taken.prices.AddCapped(spare).SubFloor(c.prices.SubFloor(from)).Min(to).Max(from)
	}
	c.count(from, to, taken{prices: c.growth(from, to)})
	return to, err
}

// moved notes another price of a reservation that is no higher than one before. The budgets go on
// counting the highest sum.
func (c *Charge) moved(from, to voucher.Amount) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prices = c.prices.SubFloor(from).AddCapped(to)
}

// undo takes back what take counted for a decision that nothing was signed for. The price went back
// already.
func (c *Charge) undo(more taken) {
	if c == nil || more == (taken{}) {
		return
	}
	defer c.lock()()
	c.giveBack(more)
}

// within returns the limits with what the budgets leave for a rise of a ceiling.
func (c *Charge) within(lim rule.Limits) rule.Limits {
	defer c.lock()()
	var tightest channel.Room
	for i, b := range c.budgets {
		all := channel.BudgetRule{Name: channel.LimitBudget, Allowed: b.amount}
		room := channel.Room{Rule: all, Used: b.used.rises}
		if i == 0 || room.Left().Less(tightest.Left()) {
			tightest = room
		}
	}
	if len(c.budgets) == 0 {
		return lim
	}
	return lim.WithinRun(tightest)
}

// lock locks the charge and its budgets.
func (c *Charge) lock() (unlock func()) {
	c.mu.Lock()
	for _, b := range c.budgets {
		b.mu.Lock()
	}
	return func() {
		for _, b := range c.budgets {
			b.mu.Unlock()
		}
		c.mu.Unlock()
	}
}

// growth returns by how much the highest sum of prices grows when one of them changes.
func (c *Charge) growth(from, to voucher.Amount) voucher.Amount {
	return c.prices.SubFloor(from).AddCapped(to).SubFloor(c.taken.prices)
}

func (c *Charge) refuses(asset channel.Asset, more taken) error {
	for _, b := range c.budgets {
		if err := b.refuses(asset, more); err != nil {
			return err
		}
	}
	return nil
}

func (c *Charge) count(from, to voucher.Amount, more taken) {
	c.prices = c.prices.SubFloor(from).AddCapped(to)
	c.taken = c.taken.plus(more)
	for _, b := range c.budgets {
		b.used = b.used.plus(more)
	}
}

// giveBack makes the charge and its budgets count less, but never less than the prices that remain.
func (c *Charge) giveBack(less taken) {
	less.prices = less.prices.Min(c.taken.prices.SubFloor(c.prices))
	less.rises = less.rises.Min(c.taken.rises)
	c.taken = c.taken.minus(less)
	for _, b := range c.budgets {
		b.used = b.used.minus(less)
	}
}
