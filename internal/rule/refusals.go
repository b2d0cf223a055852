package rule

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// unreachable returns why a claim cannot raise as much as s claims: its price was raised elsewhere,
// or the payee has used a larger Limits.Ahead of before.
func (s State) unreachable(c Claim, lim Limits) error {
	whole := s.asked.AddCapped(c.Elsewhere.Min(c.Price)).AddCapped(lim.Ahead)
	if !c.Elsewhere.IsZero() && !whole.Less(s.Claimed) {
		return fmt.Errorf(
			"%w: %s of %s; channel %s has no credit for it", channel.ErrRaised,
			lim.Currency.Format(c.Elsewhere), lim.Currency.Format(c.Price), s.ID,
		)
	}
	return &channel.LimitError{
		Limit: "Ahead", Wanted: s.Claimed.SubFloor(s.asked), Allowed: lim.Ahead, Left: lim.Ahead,
		Currency: lim.Currency,
	}
}

// spent returns the error for a claim that cannot raise anything more.
func (s State) spent(c Claim, presented voucher.Amount) error {
	err := fmt.Errorf("%w: channel %s holds a voucher of %s", channel.ErrSpent, s.ID, s.Currency().Format(presented))
	if !c.Elsewhere.IsZero() && c.Raised.Less(c.Price) {
		return fmt.Errorf("%w; %w: %s of %s", err, channel.ErrRaised, s.Currency().Format(c.Elsewhere), s.Currency().Format(c.Price))
	}
	return err
}

// short returns why target cannot be authorized: a limit, a budget, or the deposit.
func (s State) short(target voucher.Amount, lim Limits) error {
	if lim.Deposit.Less(target) {
		return lim.over("Deposit", target, lim.Deposit)
	}
	if err := s.checkBudgets(target, lim); err != nil {
		return err
	}
	return fmt.Errorf(
		"%w: channel %s needs %s, deposited %s", channel.ErrDeposit, s.ID,
		lim.Currency.Format(target), lim.Currency.Format(s.Deposit),
	)
}
