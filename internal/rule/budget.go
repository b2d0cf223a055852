package rule

import (
	"cmp"
	"errors"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Budgets returns the budgets over time that a payment must fit: those of all payments, of its
// origin and of its payee, each with the longest window first. Limits that are not set are filled
// in.
func (l Limits) Budgets() (all, origin, payee [3]channel.BudgetRule) {
	most := cmp.Or(l.All.Month, l.Total, l.Deposit) // in a month
	for _, b := range [...]struct {
		rules            *[3]channel.BudgetRule
		month, day, hour string
		set              channel.Windows
	}{
		{&all, "All.Month", "All.Day", "All.Hour", l.All},
		{&origin, "Origin.Month", "Origin.Day", "Origin.Hour", l.Origin},
		{&payee, "Payee.Month", "Payee.Day", "Payee.Hour", l.Payee},
	} {
		inMonth := cmp.Or(b.set.Month, most)
		inDay := cmp.Or(b.set.Day, inMonth)
		*b.rules = [3]channel.BudgetRule{
			{Name: b.month, Length: month * time.Second, Allowed: inMonth},
			{Name: b.day, Length: day * time.Second, Allowed: inDay},
			{Name: b.hour, Length: hour * time.Second, Allowed: cmp.Or(b.set.Hour, inDay)},
		}
	}
	return all, origin, payee
}

// Within returns the limits with what the limits over time leave, for one decision. They count by
// how much the ceiling rises.
func (l Limits) Within(r channel.Room) Limits {
	l.room = &r
	return l
}

// WithinRun returns the limits with what the request's own budgets leave, for one decision. They
// count by how much [State.MayExist] rises.
func (l Limits) WithinRun(r channel.Room) Limits {
	l.run = &r
	return l
}

// most returns the highest voucher that the budgets allow on s.
func (l Limits) most(s *State) voucher.Amount {
	most := voucher.MaxAmount
	if l.room != nil {
		most = s.authorized.AddCapped(l.room.Left())
	}
	if l.run != nil {
		most = most.Min(s.MayExist().AddCapped(l.run.Left()))
	}
	return most
}

// Decide returns how the limits decide a request on s, without counting it. A nil s means that
// there is no channel yet.
func (l Limits) Decide(s *State, req Request) channel.Decision {
	if s == nil {
		s = &State{Confirmed: true, Deposit: l.Deposit}
	} else {
		funded := *s
		funded.Deposit = l.Deposit.Max(s.Deposit)
		s = &funded
	}
	_, _, _, err := s.Renew(Claim{}, req, l)
	var over *channel.LimitError
	switch {
	case errors.As(err, &over):
		return channel.Decision{
			Verdict: channel.Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed,
			Left: over.Left,
		}
	case err != nil:
		return channel.Decision{
			Verdict: channel.Deny, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	case !l.Ask.IsZero() && l.Ask.Less(req.Price):
		return channel.Decision{
			Verdict: channel.Ask, Rule: "Ask", Wanted: req.Price, Allowed: l.Ask, Left: l.Ask,
		}
	}
	room := l.room
	if room == nil || l.run != nil && l.run.Left().Less(room.Left()) {
		room = l.run
	}
	if room == nil {
		return channel.Decision{
			Verdict: channel.Allow, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	}
	return channel.Decision{
		Verdict: channel.Allow, Rule: room.Rule.Name, Wanted: room.Used.AddCapped(req.Price),
		Allowed: room.Rule.Allowed, Left: room.Left(),
	}
}

// Override returns l with the non-zero fields of own applied. A field may be lowered freely, and
// raised up to most. The error is a [*channel.LimitError] that names the first field above that;
// the limits then pay nothing.
func (l Limits) Override(own, most channel.Limits) (Limits, error) {
	now := l.filled()
	wanted, current, bound := fields(&own), fields(&now.Limits), fields(&most)
	for i, f := range fields(&l.Limits) {
		allowed := current[i].amount.Max(*bound[i].amount)
		switch want := *wanted[i].amount; {
		case want.IsZero():
		case allowed.Less(want):
			return Limits{}, &channel.LimitError{
				Limit: f.name, Wanted: want, Allowed: allowed, Left: allowed,
			}
		default:
			*f.amount = want
		}
	}
	return l, nil
}

// filled returns the limits with their zero fields replaced by what zero means.
func (l Limits) filled() Limits {
	all, origin, payee := l.Budgets()
	l.All = channel.Windows{Month: all[0].Allowed, Day: all[1].Allowed, Hour: all[2].Allowed}
	l.Origin = channel.Windows{
		Month: origin[0].Allowed, Day: origin[1].Allowed, Hour: origin[2].Allowed,
	}
	l.Payee = channel.Windows{
		Month: payee[0].Allowed, Day: payee[1].Allowed, Hour: payee[2].Allowed,
	}
	l.Total = cmp.Or(l.Total, l.Deposit)
	l.Fund = cmp.Or(l.Fund, l.Deposit)       // the server may suggest as much
	l.Ask = cmp.Or(l.Ask, voucher.MaxAmount) // no approval is needed
	return l
}

// field is one amount of the limits.
type field struct {
	name   string
	amount *voucher.Amount
}

// fields returns all amounts of the limits, in the order of their declaration.
func fields(l *channel.Limits) (all []field) {
	for name, amount := range l.Fields() {
		all = append(all, field{name, amount})
	}
	return all
}
