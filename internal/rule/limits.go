package rule

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits are the owner's limits together with what budgets leave for one decision.
type Limits struct {
	channel.Limits

	// room is what the limits over time leave: by how much the ceiling may rise. Nil if they are
	// not considered.
	room *channel.Room
	// run is what the request's own budgets leave: by how much MayExist may rise. Nil if there are
	// none.
	run *channel.Room
}

// Of returns limits without a bound by budgets. See [Limits.Within].
func Of(l channel.Limits) Limits { return Limits{Limits: l} }

// over returns the error for an amount that is above a limit.
func over(limit string, wanted, allowed voucher.Amount) error {
	return &channel.LimitError{Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed}
}

// CheckPrice returns an error for a unit price that is zero or above the limit.
func (l Limits) CheckPrice(price voucher.Amount) error {
	if price.IsZero() {
		return fmt.Errorf("%w: the price is zero", channel.ErrOffer)
	}
	if l.Price.Less(price) {
		return over("Price", price, l.Price)
	}
	return nil
}

// step returns Step, or what it means if it is zero.
func (l Limits) step(price voucher.Amount) voucher.Amount { return l.Step.Max(price) }
