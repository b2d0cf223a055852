package channel

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

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
	// what it leaves before this request, in base units.
	Wanted, Allowed, Left voucher.Amount
}
