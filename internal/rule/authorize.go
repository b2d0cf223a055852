package rule

import (
	"cmp"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Only this file writes State.authorized, and no amount of a server is an operand: what raises it
// is a price that our own caller agreed to, our own Limits.Ahead, or our own signature.

// Request is one purchase of a caller, as it is decided on a channel.
type Request struct {
	// Price is what it costs, in base units, as the caller's limits allow it.
	Price voucher.Amount
	// Elsewhere is the part of Price that the same purchase has raised on other channels already.
	// It is not raised here a second time: this channel's ceiling rises by at most Price less
	// Elsewhere for it.
	Elsewhere voucher.Amount
	// Floor is what the payee requires a voucher to reach, or zero. It is compared, never signed:
	// if our own amount stays below it, the request is refused.
	Floor voucher.Amount
	// MinDelta is the growth between two vouchers that the payee requires (minVoucherDelta), or
	// zero. It is only compared, too.
	MinDelta voucher.Amount
}

// Claim is the amount that one request in flight has reserved.
type Claim struct {
	// Price is its share of State.Claimed.
	Price voucher.Amount
	// Asked is its share of State.Asked: the highest price that it was decided at, less what was
	// raised elsewhere, and at least what it raised here.
	Asked voucher.Amount
	// Raised is by how much its price has raised what may be signed on this channel. A price does
	// so once, however often it is presented and whatever prices are offered in between.
	Raised voucher.Amount
	// Elsewhere is what its price raised on other channels ([Request.Elsewhere]).
	Elsewhere voucher.Amount
}

// own returns what the price of the claim may raise on this channel in all.
func (c Claim) own() voucher.Amount { return c.Price.SubFloor(c.Elsewhere).Max(c.Raised) }

// MayExist returns the highest cumulative amount whose voucher may exist: all that was authorized,
// less what is known to be unsigned because the signer refused it. The gate stores it before it
// signs.
func (s State) MayExist() voucher.Amount { return s.authorized.SubFloor(s.unsigned) }

// reach returns the highest voucher that may be presented without raising anything: one that may
// exist, and is at most what callers requested plus ahead. After a crash that is the whole ceiling:
// what may have been signed may be signed again. What a signer refused is not signed later,
// although its ceiling is stored.
func (s State) reach(ahead voucher.Amount) voucher.Amount {
	return s.MayExist().Min(s.asked.AddCapped(ahead)).Max(s.Signed)
}

// raised returns the state with a voucher of v authorized.
func (s State) raised(v voucher.Amount) State {
	may := s.MayExist().Max(v)
	s.authorized = s.authorized.Max(v)
	s.unsigned = s.authorized.SubFloor(may)
	return s
}

// Authorize decides one request. It returns the state that counts the request, the claim that it
// reserves, and due: the cumulative amount of the voucher to present. If due is above Signed, the
// returned state must be stored before the voucher is signed.
//
// Credit is used first. Beyond it the ceiling rises to what is claimed plus Limits.Ahead, but never
// above what callers requested in all plus Limits.Ahead, the deposit, Limits.Deposit, or what
// budgets leave.
//
// The errors are [channel.ErrOffer], [channel.ErrLimit], [channel.ErrNotPayable],
// [channel.ErrDeposit] and [channel.ErrRaised]; the state is then unchanged.
func (s State) Authorize(
	req Request, lim Limits,
) (next State, c Claim, due voucher.Amount, err error) {
	return s.Renew(Claim{}, req, lim)
}

// Renew decides the request of a claim again, for example at another price. The claim is counted
// once, and what it raised stays counted against it, so that one request raises the ceiling by its
// price at most, however often it is decided. The errors are those of [State.Authorize]; the state
// is then unchanged.
func (s State) Renew(
	c Claim, req Request, lim Limits,
) (next State, _ Claim, due voucher.Amount, err error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return s, c, due, err
	}
	return s.authorize(c, req, lim)
}

// authorize decides a request at any price, zero included. was is its claim so far.
func (s State) authorize(was Claim, req Request, lim Limits) (State, Claim, voucher.Amount, error) {
	unchanged, due := s, s.reach(lim.Ahead)
	refuse := func(err error) (State, Claim, voucher.Amount, error) {
		return unchanged, was, voucher.Amount{}, err
	}
	if !s.Payable() {
		return refuse(fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing()))
	}
	highest := was.Asked.AddCapped(was.Elsewhere).Max(req.Price)
	claim := Claim{
		Price: req.Price, Asked: highest.SubFloor(req.Elsewhere).Max(was.Raised),
		Raised: was.Raised, Elsewhere: req.Elsewhere,
	}
	s.Claimed, s.asked = s.Claimed.SubFloor(was.Price), s.asked.SubFloor(was.Asked)
	claimed, tooMuch := s.Claimed.Add(claim.Price)
	asked, tooMany := s.asked.Add(claim.Asked)
	if err := cmp.Or(tooMuch, tooMany); err != nil {
		return refuse(err)
	}
	next := s
	next.Claimed, next.asked = claimed, asked

	least := claimed.Max(req.Floor)
	fits := func(v voucher.Amount) bool {
		return !v.Less(least) && (req.MinDelta.IsZero() || s.grows(v, req))
	}
	switch {
	case fits(s.Signed):
		return next, claim, s.Signed, nil
	case !due.Less(claimed) && fits(claimed):
		return next, claim, claimed, nil
	case fits(due):
		return next, claim, due, nil
	}
	most := s.most(claim, due, lim).Min(claimed.Min(asked).AddCapped(lim.Ahead))
	target := most.Min(s.ceiling(lim))
	switch want := claimed.Max(req.Floor.Min(most)); {
	case most.Less(claimed):
		return refuse(next.unreachable(claim, lim))
	case target.Less(want):
		return refuse(s.short(want, lim))
	}
	claim.Raised = claim.Raised.AddCapped(target.SubFloor(due)).Min(claim.Asked)
	due = due.Max(target)
	next = next.raised(due)
	switch {
	case due.Less(req.Floor):
		return refuse(&channel.DesyncError{ChannelID: s.ID, Required: req.Floor, Ours: due})
	case !req.MinDelta.IsZero() && !s.grows(due, req):
		return refuse(&channel.LimitError{
			Limit: "Ahead", Wanted: req.MinDelta.SubFloor(claimed.SubFloor(s.Signed)),
			Allowed: lim.Ahead,
		})
	}
	return next, claim, due, nil
}

// most returns the highest voucher that a claim may raise to. s is the state without it, and reach
// what may be presented without raising anything. What other requests owe and Limits.Ahead do not
// count against its price.
func (s State) most(c Claim, reach voucher.Amount, lim Limits) voucher.Amount {
	owed := s.Claimed.AddCapped(c.own()).AddCapped(lim.Ahead)
	return reach.AddCapped(c.own().SubFloor(c.Raised)).Max(owed)
}

// grows reports whether a voucher of v exists, is the first one, or is higher by as much as the
// payee requires.
func (s State) grows(v voucher.Amount, req Request) bool {
	return s.Signed.IsZero() || !s.Signed.Less(v) || !v.SubFloor(s.Signed).Less(req.MinDelta)
}

// Overdrawn decides what to present after the payee refused presented as too little: first a higher
// voucher that exists, then the rest of the ceiling. Only after that the ceiling rises, by what the
// price of c has not raised yet or to what is claimed in all.
//
// The errors are [channel.ErrSpent] if this claim has nothing left to give, and [channel.ErrRaised]
// too if that is because of other channels; [channel.ErrNotPayable], [channel.ErrLimit] and
// [channel.ErrDeposit].
func (s State) Overdrawn(
	c Claim, presented voucher.Amount, lim Limits,
) (next State, _ Claim, due voucher.Amount, err error) {
	reach := s.reach(lim.Ahead)
	exists := reach
	if presented.Less(s.Signed) {
		exists = s.Signed
	}
	// If other requests used the credit of this one, no voucher that exists covers all that is
	// claimed.
	if behind := reach.Less(s.Claimed); !behind && presented.Less(exists) {
		return s, c, exists, nil
	}
	if !s.Payable() {
		return s, c, due, fmt.Errorf(
			"%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing(),
		)
	}
	rest := c.own().SubFloor(c.Raised).Max(s.Claimed.SubFloor(reach))
	if rest.IsZero() {
		return s, c, due, s.spent(c, presented)
	}
	target, err := reach.Add(rest)
	if err != nil {
		return s, c, due, err
	}
	asked, ceiling := s.asked.AddCapped(lim.Ahead), s.ceiling(lim)
	most := s.Without(c).most(c, reach, lim).Min(s.Claimed.AddCapped(lim.Ahead))
	target = target.Max(most.Min(asked).Min(ceiling)) // a payee that requires larger steps
	switch {
	case asked.Less(target) && presented.Less(exists):
		return s, c, exists, nil
	case asked.Less(target):
		return s, c, due, s.spent(c, presented)
	case ceiling.Less(target):
		return s, c, due, s.short(target, lim)
	}
	next = s.raised(target)
	next.Claimed = target.Max(s.Claimed)
	c.Raised = c.Raised.AddCapped(target.SubFloor(reach)).Min(c.Asked).Max(c.own())
	return next, c, target, nil
}

// ceiling returns the most that may be authorized now.
func (s State) ceiling(lim Limits) voucher.Amount {
	most := s.Deposit.Min(lim.Deposit).Min(s.Protocol.Max())
	if lim.room != nil {
		most = most.Min(s.authorized.AddCapped(lim.room.Left()))
	}
	if lim.run != nil {
		most = most.Min(s.MayExist().AddCapped(lim.run.Left()))
	}
	return most
}

// signedBefore raises our own amounts to v, which our signature or a settlement on chain proves to
// be signed.
func (s State) signedBefore(v voucher.Amount) State {
	if s.authorized.Less(v) {
		s.history = s.history.shifted(v.SubFloor(s.authorized))
		s.asked, s.Claimed = s.asked.Max(v), s.Claimed.Max(v)
	}
	return s.raised(v)
}

// MarkSigned returns the state after the voucher v was signed. The error is
// [channel.ErrOverAuthorized].
func (s State) MarkSigned(v voucher.Signed) (State, error) {
	if s.authorized.Less(v.Cumulative) || v.ChannelID != s.ID {
		return s, fmt.Errorf(
			"%w: channel %s: %s above %s", channel.ErrOverAuthorized, s.ID, v.Cumulative,
			s.authorized,
		)
	}
	if s.Signed.Less(v.Cumulative) || (s.Signed == v.Cumulative && len(s.Voucher) == 0) {
		s.Signed, s.Voucher = v.Cumulative, v.Signature
	}
	s.unsigned = s.unsigned.Min(s.authorized.SubFloor(s.Signed))
	return s, nil
}

// Release returns the state after a claim ended that was certainly not charged. The ceiling stays,
// and the next request uses what is free below it.
func (s State) Release(c Claim) State {
	s.Claimed = s.Claimed.SubFloor(c.Price)
	return s
}

// Without returns the state as if c had not been decided. The ceiling stays.
func (s State) Without(c Claim) State {
	s.Claimed, s.asked = s.Claimed.SubFloor(c.Price), s.asked.SubFloor(c.Asked)
	return s
}
