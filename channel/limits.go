package channel

import (
	"fmt"
	"iter"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits bound what is spent. All amounts are base units of Currency. The zero Limits pay nothing,
// and the [LimitError] names the field to set.
type Limits struct {
	// Currency is what the amounts are in, and what may be paid in under them. The zero Currency means
	// the known dollar tokens of every chain ([Dollars]). They share these limits.
	Currency Currency
	// Price is the most that one unit may cost: one request with its redirects, or one charged
	// piece of a stream. Zero pays nothing.
	Price voucher.Amount
	// Deposit is the most that one channel may hold, and that is ever signed for it. Zero opens and
	// signs nothing.
	Deposit voucher.Amount
	// Total is the most that one session puts into channels in this currency, with openings and
	// top-ups and their fees, for all origins together. Zero means as much as Deposit.
	Total voucher.Amount
	// Fund is how much an opening or a top-up puts in, within Deposit and Total, and at least what
	// the request needs. Zero means a sum that keeps fees small: at least the price of 20 requests,
	// 100 times the fee of a top-up, and what the server suggests; for a top-up also as much as the
	// channel holds. It takes more than half of what Total leaves only for the 100 fees. See
	// client.Config.FundAsNeeded.
	Fund voucher.Amount
	// Stream is the most that one streamed response may cost in all. Zero pays for its first unit
	// only: the stream ends with a [LimitError] when the server asks for more.
	//
	// Within it a voucher runs ahead of the stream by a quarter of the pieces that came with
	// content so far, so that a stream of n pieces waits for O(log n) vouchers. A dishonest payee
	// can take what was signed ahead and deliver nothing for it: the price of one piece and of a
	// quarter of those that came, or of four pieces if that is more. See PieceByPiece.
	Stream voucher.Amount
	// PieceByPiece turns that off: a voucher covers one more piece of a stream, which then waits a
	// round trip for each. Step and Ahead count either way; if Ahead is the larger lead, it counts
	// alone. WithLimits can set it and cannot clear it.
	PieceByPiece bool
	// Step is the most that one need-voucher frame of a stream may ask for: the event by which a server
	// asks for the next voucher. Zero means the price of one unit.
	Step voucher.Amount
	// Ahead is how much more than what callers requested may be signed, for each channel. One store
	// write and one signature then serve many requests, and a stream does not stop to wait. A
	// dishonest payee can take this amount and deliver nothing for it. Zero signs for what was
	// requested only. It must also cover what a server that requires a minimum growth of vouchers
	// ([Offer.MinDelta]) asks for above the price.
	Ahead voucher.Amount
	// Ask is the price above which client.Config.Approve is called and has to agree. Zero means
	// that no approval is needed.
	Ask voucher.Amount
	// All, Origin and Payee bound over time what is authorized and what fees are paid in this currency: on
	// all channels of the store together, for each origin, and for each payee. They hold to the unit across
	// restarts and processes: their use is in records of the store that all sessions write before they
	// sign. If All.Month is zero, at most Total is authorized in a month. If Origin.Month or Payee.Month is
	// zero, it is the same as for all together.
	All, Origin, Payee Windows
	// Fees bound what the payer's own transactions may cost. The most that a transaction can be charged
	// counts in All, Origin and Payee, too, and is corrected when it is known what it was charged.
	Fees FeeLimits
}

// FeeLimits are limits on the fees of the payer's transactions: openings, top-ups, close requests and
// withdrawals. They count the most that a transaction can be charged until it is known what it was, in
// base units of the fee token, under the limits for that token. A sponsored transaction costs nothing.
type FeeLimits struct {
	// Transaction is the most that one transaction may cost. Zero means a tenth of Limits.Deposit.
	Transaction voucher.Amount
	// Hour, Day and Month are the most that transactions may cost in any 60 minutes, 24 hours and 30
	// days. A zero window means as much as the next longer one that is set, and if none is, a quarter of
	// what Limits.All allows within the window.
	Hour, Day, Month voucher.Amount
}

// Windows are limits over time: the most that may be authorized in any 60 minutes, 24 hours and 30
// days, in base units. They count what payees can take, [Limits.Ahead] included, and the fees of the
// payer's transactions ([Limits.Fees]). A zero window means as much as the next longer one.
type Windows struct{ Hour, Day, Month voucher.Amount }

// Fields yields the name of every amount, for example "Price" or "Origin.Day", and its address, in
// the order of declaration.
func (l *Limits) Fields() iter.Seq2[string, *voucher.Amount] {
	type field struct {
		name   string
		amount *voucher.Amount
	}
	all := [...]field{
		{"Price", &l.Price},
		{"Deposit", &l.Deposit},
		{"Total", &l.Total},
		{"Fund", &l.Fund},
		{"Stream", &l.Stream},
		{"Step", &l.Step},
		{"Ahead", &l.Ahead},
		{"Ask", &l.Ask},
		{"All.Hour", &l.All.Hour},
		{"All.Day", &l.All.Day},
		{"All.Month", &l.All.Month},
		{"Origin.Hour", &l.Origin.Hour},
		{"Origin.Day", &l.Origin.Day},
		{"Origin.Month", &l.Origin.Month},
		{"Payee.Hour", &l.Payee.Hour},
		{"Payee.Day", &l.Payee.Day},
		{"Payee.Month", &l.Payee.Month},
		{"Fees.Transaction", &l.Fees.Transaction},
		{"Fees.Hour", &l.Fees.Hour},
		{"Fees.Day", &l.Fees.Day},
		{"Fees.Month", &l.Fees.Month},
	}
	return func(yield func(string, *voucher.Amount) bool) {
		for _, f := range all {
			if !yield(f.name, f.amount) {
				return
			}
		}
	}
}

// Set sets the amount with the given name. The error names a field that does not exist.
func (l *Limits) Set(name string, v voucher.Amount) error {
	for field, amount := range l.Fields() {
		if field == name {
			*amount = v
			return nil
		}
	}
	return fmt.Errorf("channel: there is no limit %q", name)
}

// BudgetRule is one budget: the most that may be authorized within a time.
type BudgetRule struct {
	// Name is the field of [Limits], for example "Origin.Day".
	Name string
	// Length is how long the window is. Allowed is what may be authorized within it, in base units.
	Length  time.Duration
	Allowed voucher.Amount
}

// Room is what a budget leaves: by how much the authorized amounts of channels may rise now.
type Room struct {
	// Rule is the budget.
	Rule BudgetRule
	// Used is what was authorized within the window so far, in base units.
	Used voucher.Amount
}

// Left returns by how much authorized amounts may rise, in base units.
func (r Room) Left() voucher.Amount { return r.Rule.Allowed.SubFloor(r.Used) }

// Near reports whether a rise by amount passes 80% of the budget.
func (r Room) Near(amount voucher.Amount) bool {
	fifth := func(used voucher.Amount) bool {
		left := r.Rule.Allowed.SubFloor(used)
		five, err := left.Mul(5)
		return err == nil && !r.Rule.Allowed.Less(five)
	}
	return !fifth(r.Used) && fifth(r.Used.AddCapped(amount))
}

// Verdict is the result of checking a request against the limits.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow" // allowed
	Ask   Verdict = "ask"   // allowed if the owner approves: see [Limits.Ask]
	Deny  Verdict = "deny"  // refused
)

// Decision tells how the limits decide a request, and why.
type Decision struct {
	Verdict Verdict
	// Rule is the field of [Limits] that decided. If the verdict is allow, it is the budget that
	// leaves the least.
	Rule string
	// Wanted is what was requested under that rule, Allowed what the rule allows in all, and Left
	// what it leaves before this request, in base units of Currency.
	Wanted, Allowed, Left voucher.Amount
	Currency              Currency
}
