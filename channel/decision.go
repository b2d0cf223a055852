package channel

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// BudgetRule is one budget: what may be authorized within a stretch of time.
type BudgetRule struct {
	// Name is the field of [Limits], for example "Origin.Day".
	Name string
	// Length is how long the window is, Allowed what may be authorized within it, in base units.
	Length  time.Duration
	Allowed voucher.Amount
}

// Room is what budgets leave: by how much a ceiling may rise now.
type Room struct {
	// Rule is the tightest one.
	Rule BudgetRule
	// Used is what was authorized within its window so far, in base units.
	Used voucher.Amount
}

// Left is by how much the ceiling may rise, in base units.
func (r Room) Left() voucher.Amount { return r.Rule.Allowed.SubFloor(r.Used) }

// Near reports whether a rise by amount passes four fifths of the rule: time to tell somebody.
func (r Room) Near(amount voucher.Amount) bool {
	fifth := func(used voucher.Amount) bool {
		left := r.Rule.Allowed.SubFloor(used)
		five, err := left.Mul(5)
		return err == nil && !r.Rule.Allowed.Less(five)
	}
	return !fifth(r.Used) && fifth(r.Used.AddCapped(amount))
}

// Verdict is what the limits make of an ask.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow" // go on
	Ask   Verdict = "ask"   // ask the owner first: see [Limits.Ask]
	Deny  Verdict = "deny"  // no
)

// Decision is what the limits make of an ask, as data.
type Decision struct {
	Verdict Verdict
	// Rule is the limit that decided: a field of [Limits]. Where the verdict is allow it is the tightest budget.
	Rule string
	// Wanted is what was asked for under that rule, Allowed what it allows in all, Left what it leaves before this
	// ask, in base units.
	Wanted, Allowed, Left voucher.Amount
}
