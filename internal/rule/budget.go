package rule

import (
	"errors"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// fill returns the windows with what is not set filled in.
func fill(w channel.Windows, month voucher.Amount) channel.Windows {
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

func rules(scope string, w channel.Windows) [3]channel.BudgetRule {
	return [3]channel.BudgetRule{
		{Name: scope + ".Month", Length: month * time.Second, Allowed: w.Month},
		{Name: scope + ".Day", Length: day * time.Second, Allowed: w.Day},
		{Name: scope + ".Hour", Length: hour * time.Second, Allowed: w.Hour},
	}
}

// Budgets are the rules that a payment has to keep: those of all payments, of its origin's and of its payee's, the
// longest window first. What is not set is filled in.
func (l Limits) Budgets() (all, origin, payee [3]channel.BudgetRule) {
	l = l.meant()
	return rules("All", l.All), rules("Origin", l.Origin), rules("Payee", l.Payee)
}

// Within returns the limits with what the limits over time leave now, for one decision. They count by how much the
// ceiling rises.
func (l Limits) Within(r channel.Room) Limits {
	l.room = &r
	return l
}

// WithinRun returns the limits with what the request's own budgets leave now, for one decision. They count by how much
// the amount rises whose voucher may exist ([State.MayExist]).
func (l Limits) WithinRun(r channel.Room) Limits {
	l.run = &r
	return l
}

// tightest returns the room that leaves the least, or nil if there is none.
func (l Limits) tightest() *channel.Room {
	if l.room == nil || l.run != nil && l.run.Left().Less(l.room.Left()) {
		return l.run
	}
	return l.room
}

// risen is by how much a decision raises the ceiling, and the amount whose voucher may exist.
type risen struct{ ceiling, exists voucher.Amount }

// to returns what it takes to sign target.
func (s State) to(target voucher.Amount) risen {
	return risen{target.SubFloor(s.authorized), target.SubFloor(s.MayExist())}
}

// most returns the highest amount that the budgets leave for what is signed on s.
func (l Limits) most(s State) voucher.Amount {
	most := voucher.MaxAmount
	if l.room != nil {
		most = s.authorized.AddCapped(l.room.Left())
	}
	if l.run != nil {
		most = most.Min(s.MayExist().AddCapped(l.run.Left()))
	}
	return most
}

// fits returns a LimitError if the budgets do not leave as much.
func (l Limits) fits(more risen) error {
	for _, b := range [...]struct {
		room *channel.Room
		more voucher.Amount
	}{{l.room, more.ceiling}, {l.run, more.exists}} {
		if b.room != nil && b.room.Left().Less(b.more) {
			return &channel.LimitError{
				Limit: b.room.Rule.Name, Wanted: b.room.Used.AddCapped(b.more), Allowed: b.room.Rule.Allowed, Left: b.room.Left(),
			}
		}
	}
	return nil
}

// Decide says what the limits make of a price on s as it stands (nil where there is no channel), without doing
// it. The limits are those of [Limits.Within].
func (l Limits) Decide(s *State, req Request) channel.Decision {
	if s == nil {
		s = &State{Confirmed: true, Deposit: l.Deposit}
	} else {
		funded := *s
		funded.Deposit = l.Deposit.Max(s.Deposit)
		s = &funded
	}
	_, _, _, err := s.Authorize(req, l)
	var over *channel.LimitError
	switch {
	case errors.As(err, &over):
		return channel.Decision{Verdict: channel.Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed, Left: over.Left}
	case err != nil:
		return channel.Decision{Verdict: channel.Deny, Rule: "Price", Wanted: req.Price, Allowed: l.Price, Left: l.Price}
	case !l.Ask.IsZero() && l.Ask.Less(req.Price):
		return channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: req.Price, Allowed: l.Ask, Left: l.Ask}
	}
	room := l.tightest()
	if room == nil {
		return channel.Decision{Verdict: channel.Allow, Rule: "Price", Wanted: req.Price, Allowed: l.Price, Left: l.Price}
	}
	return channel.Decision{
		Verdict: channel.Allow, Rule: room.Rule.Name, Wanted: room.Used.AddCapped(req.Price), Allowed: room.Rule.Allowed, Left: room.Left(),
	}
}

// Override returns the limits with every field of own that is set in the place of theirs, where it is lower, or where
// most, the owner's own bounds for what callers may set, allows as much. Zero fields of own change nothing. The error is a
// [channel.LimitError] that names the first field above both, and the limits then pay nothing.
func (l Limits) Override(own, most channel.Limits) (Limits, error) {
	now := l.meant()
	fields, asked, means, bound := fields(&l.Limits), fields(&own), fields(&now.Limits), fields(&most)
	for i, f := range fields {
		allowed := means[i].amount.Max(*bound[i].amount)
		switch want := *asked[i].amount; {
		case want.IsZero():
		case allowed.Less(want):
			return Limits{}, &channel.LimitError{Limit: f.name, Wanted: want, Allowed: allowed, Left: allowed}
		default:
			*f.amount = want
		}
	}
	return l, nil
}

// meant are the limits with what their zero fields mean written out: how far a caller may go.
func (l Limits) meant() Limits {
	l.Total = l.total()
	l.All = fill(l.All, l.Total)
	l.Origin, l.Payee = fill(l.Origin, l.All.Month), fill(l.Payee, l.All.Month)
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

func fields(l *channel.Limits) (all []field) {
	for name, amount := range l.Fields() {
		all = append(all, field{name, amount})
	}
	return all
}
