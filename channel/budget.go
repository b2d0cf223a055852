package channel

import (
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Windows are limits over time: the most that may be authorized in any 60 minutes, 24 hours and 30 days, in base
// units. What counts is by how much ceilings rise, [Limits.Ahead] included: the money that payees could take. Zero
// means as much as the next longer one.
type Windows struct{ Hour, Day, Month voucher.Amount }

// or fills in what is not set.
func (w Windows) or(month voucher.Amount) Windows {
	for _, f := range []struct {
		to   *voucher.Amount
		from *voucher.Amount
	}{{&w.Month, &month}, {&w.Day, &w.Month}, {&w.Hour, &w.Day}} {
		if f.to.IsZero() {
			*f.to = *f.from
		}
	}
	return w
}

// Rule is one budget: what may be authorized within a stretch of time.
type Rule struct {
	// Name is the field of [Limits], for example "Origin.Day".
	Name string
	// Seconds is how long the window is, Allowed what may be authorized within it, in base units.
	Seconds int64
	Allowed voucher.Amount
}

func (w Windows) rules(scope string) [3]Rule {
	return [3]Rule{{scope + ".Month", Month, w.Month}, {scope + ".Day", Day, w.Day}, {scope + ".Hour", Hour, w.Hour}}
}

// Budgets are the rules that a payment has to keep: those of all payments, of its origin's and of its payee's, the
// longest window first. What is not set is filled in.
func (l Limits) Budgets() (all, origin, payee [3]Rule) {
	l = l.meant()
	return l.All.rules("All"), l.Origin.rules("Origin"), l.Payee.rules("Payee")
}

// Room is what budgets leave: by how much a ceiling may rise now.
type Room struct {
	// Rule is the tightest one.
	Rule Rule
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

// Within returns the limits with what budgets leave now, for one decision.
func (l Limits) Within(r Room) Limits {
	l.room = &r
	return l
}

// rise is the most that a ceiling may rise by.
func (l Limits) rise() voucher.Amount {
	if l.room == nil {
		return voucher.MaxAmount
	}
	return l.room.Left()
}

// fits returns a LimitError where the budgets do not leave as much.
func (l Limits) fits(rise voucher.Amount) error {
	if !l.rise().Less(rise) {
		return nil
	}
	return &LimitError{Limit: l.room.Rule.Name, Wanted: l.room.Used.AddCapped(rise), Allowed: l.room.Rule.Allowed, Left: l.room.Left()}
}

// Verdict is what the limits make of an ask.
type Verdict string

// The verdicts.
const (
	Allow Verdict = "allow" // go on
	Query Verdict = "ask"   // put it to the owner first: see [Limits.Ask]
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

// Decide says what the limits make of a price on s as it stands (nil where there is no channel), without doing
// it. The limits are those of [Limits.Within].
func (l Limits) Decide(s *State, ask Ask) Decision {
	if s == nil {
		s = &State{Confirmed: true, Deposit: l.Deposit}
	} else {
		funded := *s
		funded.Deposit = l.Deposit.Max(s.Deposit)
		s = &funded
	}
	_, _, _, err := s.Authorize(ask, l)
	var over *LimitError
	switch {
	case errors.As(err, &over):
		return Decision{Verdict: Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed, Left: over.Left}
	case err != nil:
		return Decision{Verdict: Deny, Rule: "Price", Wanted: ask.Price, Allowed: l.Price, Left: l.Price}
	case !l.Ask.IsZero() && l.Ask.Less(ask.Price):
		return Decision{Verdict: Query, Rule: "Ask", Wanted: ask.Price, Allowed: l.Ask, Left: l.Ask}
	case l.room == nil:
		return Decision{Verdict: Allow, Rule: "Price", Wanted: ask.Price, Allowed: l.Price, Left: l.Price}
	}
	return Decision{Verdict: Allow, Rule: l.room.Rule.Name, Wanted: l.room.Used.AddCapped(ask.Price), Allowed: l.room.Rule.Allowed, Left: l.room.Left()}
}

// Narrow returns the limits with every field of own that is set in the place of theirs, where it is lower, or where
// most, the owner's own bounds for what callers may set, allows as much. Zero fields of own change nothing. The error is a
// [LimitError] that names the first field above both, and the limits then pay nothing.
func (l Limits) Narrow(own, most Limits) (Limits, error) {
	now := l.meant()
	fields, asked, means, bound := l.fields(), own.fields(), now.fields(), most.fields()
	for i, f := range fields {
		allowed := means[i].amount.Max(*bound[i].amount)
		switch want := *asked[i].amount; {
		case want.IsZero():
		case allowed.Less(want):
			return Limits{}, &LimitError{Limit: f.name, Wanted: want, Allowed: allowed, Left: allowed}
		default:
			*f.amount = want
		}
	}
	return l, nil
}

// meant are the limits with what their zero fields mean written out: how far a caller may go.
func (l Limits) meant() Limits {
	l.Total = l.total()
	l.All = l.All.or(l.Total)
	l.Origin, l.Payee = l.Origin.or(l.All.Month), l.Payee.or(l.All.Month)
	if l.Fund.IsZero() {
		l.Fund = l.Deposit // as the server suggests, up to that
	}
	if l.Ask.IsZero() {
		l.Ask = voucher.MaxAmount // nobody is asked
	}
	return l
}

// field is one amount of the limits.
type field struct {
	name   string
	amount *voucher.Amount
}

// fields are all amounts of the limits, in the order of their declaration.
func (l *Limits) fields() []field {
	out := []field{
		{"Price", &l.Price},
		{"Deposit", &l.Deposit},
		{"Total", &l.Total},
		{"Fund", &l.Fund},
		{"Stream", &l.Stream},
		{"Step", &l.Step},
		{"Ahead", &l.Ahead},
		{"Ask", &l.Ask},
	}
	for _, w := range []struct {
		name string
		w    *Windows
	}{{"All", &l.All}, {"Origin", &l.Origin}, {"Payee", &l.Payee}} {
		out = append(out, field{w.name + ".Hour", &w.w.Hour}, field{w.name + ".Day", &w.w.Day}, field{w.name + ".Month", &w.w.Month})
	}
	return out
}

// Set sets the amount of a field by its name, for example "Price" or "Origin.Day". The error names a field that there is not.
func (l *Limits) Set(name string, v voucher.Amount) error {
	for _, f := range l.fields() {
		if f.name == name {
			*f.amount = v
			return nil
		}
	}
	return fmt.Errorf("channel: there is no limit %q", name)
}
