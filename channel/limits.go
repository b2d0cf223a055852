package channel

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits say how much may be spent. All amounts are base units of the token. Unset money is no
// money: the zero Limits pay nothing, and the [LimitError] names the field to set.
type Limits struct {
	// Price is the most that one unit (one request, or one charged piece of a stream) may cost. What the
	// redirects of a request cost counts together. Zero pays nothing.
	Price voucher.Amount
	// Deposit is the most that one channel may hold, and the most that may ever be signed for it. Zero
	// opens and signs nothing.
	Deposit voucher.Amount
	// Total is the most that one session puts into channels in all, opens and top-ups of all origins
	// together. Zero means Deposit: one full channel.
	Total voucher.Amount
	// Fund is how much an open or a top-up puts in where more than the need is allowed. Zero follows the
	// server's suggestion, and the bare need where it suggests nothing. It never lifts Deposit or Total.
	Fund voucher.Amount
	// Stream is the most that one streamed answer may cost in all. Zero pays for the first unit only:
	// the stream ends with a [LimitError] when the server asks for more.
	Stream voucher.Amount
	// Step is the most that one need-voucher frame of a stream may ask for. Zero means the price of one
	// unit, which is what servers that charge unit by unit ask.
	Step voucher.Amount
	// Ahead lets what is authorized run ahead of what was asked for, so that one durable write and one
	// signature serve many requests and a stream need not stop. The exposure is exactly this amount for
	// each channel: a dishonest payee can settle it without having delivered anything for it. Zero
	// signs for what was asked and nothing more.
	Ahead voucher.Amount
	// Ask is the price above which the owner is asked first (client.Config.Approve). Zero asks for nothing.
	Ask voucher.Amount
	// All, Origin and Payee bound what may be authorized over time: on all channels of the store together, for any
	// one origin, and for any one payee at whatever origin. They hold across restarts. Where nothing is set, a month
	// authorizes no more than Total, whoever asks.
	All, Origin, Payee Windows

	room *Room // what budgets leave for one decision; nil where they are not looked at
}

// ErrLimit is what every [LimitError] is, for errors.Is.
var ErrLimit = errors.New("channel: refused by a limit")

// LimitError says which limit refused, what was wanted and what is allowed. Nothing was signed.
type LimitError struct {
	// Limit is the field of [Limits] that refused, for example "Price" or "Origin.Day", or [RunBudget].
	Limit string
	// Wanted and Allowed are in base units; for a budget both count what was authorized before. Left is what the
	// limit leaves.
	Wanted, Allowed, Left voucher.Amount
}

// RunBudget is the Limit of a [LimitError] about the budget of one run (client.WithBudget).
const RunBudget = "WithBudget"

func (e *LimitError) Error() string {
	if e.Limit == RunBudget {
		return fmt.Sprintf("channel: the budget of this run: wanted %s base units in all, allowed %s, left %s: start the run with a larger budget to allow this",
			e.Wanted, e.Allowed, e.Left)
	}
	return fmt.Sprintf("channel: limit %s: wanted %s base units, allowed %s: set Limits.%s to at least %s to allow this",
		e.Limit, e.Wanted, e.Allowed, e.Limit, e.Wanted)
}

// Is reports whether target is [ErrLimit].
func (e *LimitError) Is(target error) bool { return target == ErrLimit }

// within returns a LimitError where wanted is above allowed.
func within(limit string, wanted, allowed voucher.Amount) error {
	if allowed.Less(wanted) {
		return &LimitError{Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed}
	}
	return nil
}

// CheckPrice refuses a unit price that is zero or above the limit.
func (l Limits) CheckPrice(price voucher.Amount) error {
	if price.IsZero() {
		return fmt.Errorf("%w: the price is zero", ErrOffer)
	}
	return within("Price", price, l.Price)
}

// total is what Total means where it is zero.
func (l Limits) total() voucher.Amount {
	if l.Total.IsZero() {
		return l.Deposit
	}
	return l.Total
}

// step is what Step means where it is zero.
func (l Limits) step(price voucher.Amount) voucher.Amount { return l.Step.Max(price) }
