package rule

import (
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// This file is the rule. It alone writes State.authorized, and it never takes an operand from a
// server: what raises the number is a price that our own caller agreed to, our own Ahead, or our own
// signature that somebody shows us.

// Request is one thing that a caller wants paid on a channel.
type Request struct {
	Elsewhere voucher.Amount

	// Price is what it costs, in base units, as agreed by the caller's limits.
	Price voucher.Amount
	// Floor is what the payee says a voucher must reach, or zero. It is compared, never signed: where our
	// own number stays below it the ask is refused.
	Floor voucher.Amount
	// MinDelta is the growth between two vouchers that the payee insists on (minVoucherDelta), or zero. It
	// too is compared only.
	MinDelta voucher.Amount
}

// Claim is what one ask in flight stands for: Price in Claimed, and Asked in what callers asked for in all, which is the
// highest price that it was decided with. Raised is what it raised the ceiling by: a price does so once, however often it
// is presented, and whatever other prices were named in between.
type Claim struct{ Price, Asked, Raised voucher.Amount }

// Authorize decides one ask. It returns the state in which the ask is counted, the claim that stands
// for it, and due: the cumulative amount of the voucher to present. Where due is at most Signed there
// is nothing to sign; otherwise the returned state must be durable before a signature is made.
//
// What was authorized and not used is used first. Beyond it the ceiling rises to what was claimed plus
// Ahead, but never above what callers asked for in all plus Ahead, the deposit, Limits.Deposit, or what budgets
// leave.
//
// The errors are [channel.ErrOffer], [channel.ErrLimit], [channel.ErrNotPayable] and [channel.ErrDeposit]; the state is then unchanged.
func (s State) Authorize(req Request, lim Limits) (next State, c Claim, due voucher.Amount, err error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return s, Claim{}, due, err
	}
	return s.authorize(req, lim)
}

func (s State) authorize(req Request, lim Limits) (State, Claim, voucher.Amount, error) {
	refuse := func(err error) (State, Claim, voucher.Amount, error) { return s, Claim{}, voucher.Amount{}, err }
	if !s.Payable() {
		return refuse(fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing()))
	}
	claimed, err := s.Claimed.Add(req.Price)
	if err != nil {
		return refuse(err)
	}
	asked, err := s.asked.Add(req.Price)
	if err != nil {
		return refuse(err)
	}
	next, claim := s, Claim{Price: req.Price, Asked: req.Price}
	next.Claimed, next.asked = claimed, asked

	var due voucher.Amount
	switch enough := func(v voucher.Amount) bool { return !v.Less(claimed) && !v.Less(req.Floor) }; {
	case enough(s.Signed):
		return next, claim, s.Signed, nil
	case enough(s.authorized):
		due = claimed
		if due.Less(req.Floor) || due.SubFloor(s.Signed).Less(req.MinDelta) {
			due = s.authorized
		}
	default:
		target := claimed.AddCapped(lim.Ahead).Min(asked.AddCapped(lim.Ahead)).Min(s.ceiling(lim))
		if want := claimed.Max(req.Floor.Min(claimed.AddCapped(lim.Ahead)).Min(asked.AddCapped(lim.Ahead))); target.Less(want) {
			return refuse(s.short(want, lim))
		}
		claim.Raised = target.SubFloor(s.authorized).Min(req.Price)
		next.authorized = target.Max(s.authorized)
		due = next.authorized
	}
	if due.Less(req.Floor) {
		return refuse(&channel.DesyncError{ChannelID: s.ID, Required: req.Floor, Ours: due})
	}
	if grown := due.SubFloor(s.Signed); !s.Signed.IsZero() && grown.Less(req.MinDelta) {
		return refuse(&channel.LimitError{Limit: "Ahead", Wanted: req.MinDelta.SubFloor(claimed.SubFloor(s.Signed)), Allowed: lim.Ahead})
	}
	return next, claim, due, nil
}

// Renew decides the ask of a claim again: the price was another one, or the deposit had to be looked at. The
// claim is counted once, and what it raised the ceiling by stays counted against it, so that one request
// raises the ceiling by its price at most, however often it is decided. The errors are those of
// [State.Authorize]; the state is then unchanged.
func (s State) Renew(c Claim, req Request, lim Limits) (next State, _ Claim, due voucher.Amount, err error) {
	again := s.Release(c)
	again.asked = s.asked.SubFloor(c.Asked.Min(req.Price)) // the highest of the prices was agreed to
	next, renewed, due, err := again.Authorize(req, lim)
	if err != nil {
		return s, c, due, err
	}
	renewed.Asked = c.Asked.Max(req.Price)
	renewed.Raised = renewed.Raised.AddCapped(c.Raised)
	return next, renewed, due, nil
}

// Overdrawn decides what to present when the payee refuses presented as too little. What exists
// already comes first: a higher voucher, then the rest of an unused ceiling. Only when the whole
// ceiling is used does the ceiling rise, by what this claim's price has not raised yet, so that one
// price still raises it once, or to what is claimed in all.
//
// The errors are [channel.ErrSpent] when this claim has nothing left to give, [channel.ErrNotPayable], [channel.ErrLimit] and [channel.ErrDeposit].
func (s State) Overdrawn(c Claim, presented voucher.Amount, lim Limits) (next State, _ Claim, due voucher.Amount, err error) {
	exists := s.authorized
	if presented.Less(s.Signed) {
		exists = s.Signed
	}
	// Where others used what was meant for this claim, no voucher that exists covers all that is claimed.
	if behind := s.authorized.Less(s.Claimed); !behind && presented.Less(exists) {
		return s, c, exists, nil
	}
	if !s.Payable() {
		return s, c, due, fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing())
	}
	rest := c.Price.SubFloor(c.Raised).Max(s.Claimed.SubFloor(s.authorized))
	if rest.IsZero() {
		return s, c, due, fmt.Errorf("%w: channel %s holds a voucher of %s", channel.ErrSpent, s.ID, presented)
	}
	target, err := s.authorized.Add(rest)
	if err != nil {
		return s, c, due, err
	}
	asked := s.asked.AddCapped(lim.Ahead)
	target = target.Max(s.Claimed.AddCapped(lim.Ahead).Min(asked).Min(s.ceiling(lim))) // a payee that insists on larger steps
	switch {
	case asked.Less(target) && presented.Less(exists):
		return s, c, exists, nil
	case asked.Less(target):
		return s, c, due, fmt.Errorf("%w: channel %s holds a voucher of %s, and callers asked for no more", channel.ErrSpent, s.ID, presented)
	case s.ceiling(lim).Less(target):
		return s, c, due, s.short(target, lim)
	}
	next = s
	next.authorized, next.Claimed = target, target.Max(s.Claimed)
	c.Raised = c.Price
	return next, c, target, nil
}

// ceiling is the most that may be authorized as things stand.
func (s State) ceiling(lim Limits) voucher.Amount {
	return s.Deposit.Min(lim.Deposit).Min(s.Protocol.Max()).Min(s.authorized.AddCapped(lim.rise()))
}

// short says why a target is not reachable: by a limit, a budget, or for want of deposit.
func (s State) short(target voucher.Amount, lim Limits) error {
	if err := within("Deposit", target, lim.Deposit); err != nil {
		return err
	}
	if err := lim.fits(target.SubFloor(s.authorized)); err != nil {
		return err
	}
	return fmt.Errorf("%w: channel %s needs %s, deposited %s", channel.ErrDeposit, s.ID, target, s.Deposit)
}

// signedBefore raises the three numbers of our column to v: an amount that we are shown to have signed
// before, by our own signature or by the chain's settlement of one.
func (s State) signedBefore(v voucher.Amount) State {
	if s.authorized.Less(v) {
		s.history = s.history.shifted(v.SubFloor(s.authorized))
		s.authorized = v
		s.asked, s.Claimed = s.asked.Max(v), s.Claimed.Max(v)
	}
	return s
}

// MarkSigned notes that the voucher v exists. The gate calls it. The error is [channel.ErrOverAuthorized].
func (s State) MarkSigned(v voucher.Signed) (State, error) {
	if s.authorized.Less(v.Cumulative) || v.ChannelID != s.ID {
		return s, fmt.Errorf("%w: channel %s: %s above %s", channel.ErrOverAuthorized, s.ID, v.Cumulative, s.authorized)
	}
	if s.Signed.Less(v.Cumulative) || (s.Signed == v.Cumulative && len(s.Voucher) == 0) {
		s.Signed, s.Voucher = v.Cumulative, v.Signature
	}
	return s, nil
}

// Release takes back a claim that was certainly not charged. The ceiling stays; what is free under it
// is used by the next ask.
func (s State) Release(c Claim) State {
	s.Claimed = s.Claimed.SubFloor(c.Price)
	return s
}
