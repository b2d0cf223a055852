package rule

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Step is what has to happen before a voucher can be presented.
type Step uint8

// The steps.
const (
	Pay   Step = iota // the deposit covers it
	TopUp             // put Amount more into the channel first
	Fund              // open a channel with a deposit of Amount
)

// Plan is one step and what it costs.
type Plan struct {
	Step   Step
	Amount voucher.Amount
}

// PlanPayment decides how req is paid on s; nil means that there is no channel yet. funded is what the session has put
// into channels so far. Sizes follow Limits.Fund, else the server's suggestion, else the bare need, and stay within
// Limits.Deposit and Limits.Total. The error is [channel.ErrLimit], [channel.ErrOffer] or [channel.ErrRaised]: nothing
// may be signed, and nothing is deposited for it.
func PlanPayment(s *State, req Request, suggested, funded voucher.Amount, lim Limits) (Plan, error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return Plan{}, err
	}
	if s == nil {
		if err := (State{}).affords(req, req.Price, lim); err != nil {
			return Plan{}, err
		}
		return plan(Fund, req.Price, voucher.Amount{}, risen{req.Price, req.Price}, suggested, funded, lim, voucher.Protocol(0).Max())
	}
	size := req.Price
	if !req.Floor.IsZero() {
		size = s.piece(req.Floor, size, lim)
	}
	need := s.Claimed.AddCapped(size)
	need = need.Max(req.Floor.Min(need.AddCapped(lim.Ahead))) // a stream's frame, as far as Ahead gives it
	if !s.Signed.IsZero() && s.Signed.Less(need) {
		// The growth that the payee insists on, as far as Ahead gives it.
		need = need.Max(s.Signed.AddCapped(req.MinDelta).Min(need.AddCapped(lim.Ahead)))
	}
	if !s.Deposit.Less(need) {
		return Plan{Step: Pay}, nil
	}
	if err := s.affords(req, size, lim); err != nil {
		return Plan{}, err
	}
	return plan(TopUp, need, s.Deposit, s.to(need), suggested, funded, lim, s.Protocol.Max())
}

// affords returns an error if size more, which no credit covers, cannot be claimed since the price was raised
// elsewhere.
func (s State) affords(req Request, size voucher.Amount, lim Limits) error {
	c := Claim{Price: size, Elsewhere: req.Elsewhere}
	most := s.most(c, s.reach(lim.Ahead), lim).Min(s.asked.AddCapped(c.own()).AddCapped(lim.Ahead))
	if req.Elsewhere.IsZero() || !most.Less(s.Claimed.AddCapped(size)) {
		return nil
	}
	return fmt.Errorf("%w: %s of %s", channel.ErrRaised, req.Elsewhere, req.Price)
}

// plan sizes a deposit that has to reach need from have, so that as much more can be signed.
func plan(step Step, need, have voucher.Amount, more risen, suggested, funded voucher.Amount, lim Limits, most voucher.Amount) (Plan, error) {
	room := lim.Deposit.Min(most).SubFloor(have)
	short := need.SubFloor(have)
	if err := within("Deposit", need, lim.Deposit); err != nil {
		return Plan{}, err
	}
	if err := within("Total", funded.AddCapped(short), lim.total()); err != nil {
		return Plan{}, err
	}
	if err := lim.fits(more); err != nil {
		return Plan{}, err // nothing is deposited for what may not be paid
	}
	wish := lim.Fund
	if wish.IsZero() {
		wish = suggested
	}
	amount := wish.Max(short).Min(room).Min(lim.total().SubFloor(funded))
	if amount.Less(short) {
		return Plan{}, fmt.Errorf("%w: %s does not fit the escrow", channel.ErrOffer, need)
	}
	return Plan{Step: step, Amount: amount}, nil
}
