package rule

import (
	"cmp"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Step is what must happen before a voucher can be presented.
type Step uint8

// The steps.
const (
	Pay   Step = iota // the deposit covers it
	TopUp             // put Amount more into the channel first
	Fund              // open a channel with a deposit of Amount
)

// Plan is one step and its amount.
type Plan struct {
	Step   Step
	Amount voucher.Amount
}

// PlanPayment decides how req is paid on s; nil means that there is no channel yet. funded is what
// the session has put into channels so far. Sizes follow Limits.Fund, else the server's suggestion,
// else the bare need, and stay within Limits.Deposit and Limits.Total. The error is
// [channel.ErrLimit], [channel.ErrOffer] or [channel.ErrRaised]: nothing may be signed, and nothing
// is deposited for it.
func PlanPayment(
	s *State, req Request, suggested, funded voucher.Amount, lim Limits,
) (Plan, error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return Plan{}, err
	}
	step, size, need := Fund, req.Price, req.Price
	if s == nil {
		s = new(State)
	} else if step, size, need = TopUp, s.size(req, lim), s.need(req, lim); !s.Deposit.Less(need) {
		return Plan{Step: Pay}, nil
	}
	if !req.Elsewhere.IsZero() {
		if err := s.affords(req, size, lim); err != nil {
			return Plan{}, err
		}
	}
	short, total := need.SubFloor(s.Deposit), cmp.Or(lim.Total, lim.Deposit)
	switch {
	case lim.Deposit.Less(need):
		return Plan{}, over("Deposit", need, lim.Deposit)
	case total.Less(funded.AddCapped(short)):
		return Plan{}, over("Total", funded.AddCapped(short), total)
	case lim.most(s).Less(need):
		return Plan{}, s.overBudget(need, lim) // nothing is deposited for what may not be paid
	}
	room := lim.Deposit.Min(s.Protocol.Max()).SubFloor(s.Deposit)
	amount := cmp.Or(lim.Fund, suggested).Max(short).Min(room).Min(total.SubFloor(funded))
	if amount.Less(short) {
		return Plan{}, fmt.Errorf("%w: %s does not fit the escrow", channel.ErrOffer, need)
	}
	return Plan{Step: step, Amount: amount}, nil
}

// size returns what req claims: its price, or what a frame of a stream counts as.
func (s State) size(req Request, lim Limits) voucher.Amount {
	if req.Floor.IsZero() {
		return req.Price
	}
	return s.piece(req.Floor, req.Price, lim)
}

// need returns the deposit that req needs.
func (s State) need(req Request, lim Limits) voucher.Amount {
	need := s.Claimed.AddCapped(s.size(req, lim))
	// What a frame of a stream requires, as far as Ahead allows it.
	need = need.Max(req.Floor.Min(need.AddCapped(lim.Ahead)))
	if !s.Signed.IsZero() && s.Signed.Less(need) {
		// The growth that the payee requires, as far as Ahead allows it.
		need = need.Max(s.Signed.AddCapped(req.MinDelta).Min(need.AddCapped(lim.Ahead)))
	}
	return need
}

// affords returns an error if a request of size, which no credit covers, cannot raise as much
// because its price was raised elsewhere.
func (s State) affords(req Request, size voucher.Amount, lim Limits) error {
	c := Claim{Price: size, Elsewhere: req.Elsewhere}
	most := s.most(c, s.reach(lim.Ahead), lim).Min(s.asked.AddCapped(c.own()).AddCapped(lim.Ahead))
	if !most.Less(s.Claimed.AddCapped(size)) {
		return nil
	}
	return fmt.Errorf("%w: %s of %s", channel.ErrRaised, req.Elsewhere, req.Price)
}
