package rule

import (
	"cmp"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Override returns l with the non-zero fields of own applied. A field may be lowered freely, and
// raised up to most. The error is a [*channel.LimitError] that names the first field above that;
// the limits then pay nothing. A limit on fees over time that is not set is a part of what payments may
// take, or a longer one that is set: to lower the longer one must not raise it.
func (l Limits) Override(own, most channel.Limits) (Limits, error) {
	now := l.filled()
	wanted, current, bound := fields(&own), fields(&now.Limits), fields(&most)
	for i, f := range fields(&l.Limits) {
		allowed := current[i].amount.Max(*bound[i].amount)
		switch want := *wanted[i].amount; {
		case want.IsZero():
		case allowed.Less(want):
			return Limits{}, &channel.LimitError{
				Limit: f.name, Wanted: want, Allowed: allowed, Left: allowed, Currency: l.Currency,
			}
		default:
			*f.amount = want
		}
	}
	_, may := Limits{Limits: most}.FeeBudgets()
	_, is := l.FeeBudgets()
	was := now.Fees
	for i, f := range [...]struct{ field, was *voucher.Amount }{
		{&l.Fees.Month, &was.Month}, {&l.Fees.Day, &was.Day}, {&l.Fees.Hour, &was.Hour},
	} {
		if bound := f.was.Max(may[i].Allowed); bound.Less(is[i].Allowed) {
			*f.field = bound
		}
	}
	l.PieceByPiece = l.PieceByPiece || own.PieceByPiece
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
	transaction, fees := l.FeeBudgets()
	l.Fees = channel.FeeLimits{
		Transaction: transaction, Month: fees[0].Allowed, Day: fees[1].Allowed, Hour: fees[2].Allowed,
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
