package rule

import (
	"cmp"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// PlanTopUp decides a top-up of s by an amount that its owner names; funded is what the session has put
// into channels so far. Only the limits on deposits count: no price is agreed to by it, and nothing may be
// signed because of it.
//
// The error is a [channel.LimitError] about Limits.Deposit or Limits.Total, or [channel.ErrDeposit] if no
// channel of the protocol holds as much.
func PlanTopUp(s *State, amount, funded voucher.Amount, lim Limits) (Plan, error) {
	deposit, all := s.Deposit.AddCapped(amount), funded.AddCapped(amount)
	total := cmp.Or(lim.Total, lim.Deposit)
	switch {
	case amount.IsZero():
		return Plan{}, fmt.Errorf("%w: a top-up of zero adds nothing", channel.ErrDeposit)
	case lim.Deposit.Less(deposit):
		return Plan{}, lim.over("Deposit", deposit, lim.Deposit)
	case total.Less(all):
		return Plan{}, lim.over("Total", all, total)
	case s.Protocol.Max().Less(deposit):
		return Plan{}, fmt.Errorf("%w: no %s channel holds %s", channel.ErrDeposit, s.Protocol, lim.Currency.Format(deposit))
	}
	return Plan{Step: TopUp, Amount: amount}, nil
}
