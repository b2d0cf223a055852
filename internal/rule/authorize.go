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

	// piece is set for what a frame of a stream asks for: Limits.Stream and Limits.Step bound its
	// price instead of Limits.Price, and it may be zero.
	piece bool
}

// Claim is the amount that one request in flight has reserved.
type Claim struct {
	// Price is what it costs: with Lead its share of State.Claimed.
	Price voucher.Amount
	// Asked is its share of State.Asked: the highest price that it was decided at, less what was
	// raised elsewhere, and at least what it raised here.
	Asked voucher.Amount
	// Raised is by how much its price has raised what may be signed on this channel. A price does
	// so once, however often it is presented and whatever prices are offered in between.
	Raised voucher.Amount
	// Elsewhere is what its price raised on other channels ([Request.Elsewhere]).
	Elsewhere voucher.Amount
	// Lead is what a stream was authorized ahead, for pieces that did not come yet. They use it up
	// before they count in State.Claimed and State.Asked themselves.
	Lead voucher.Amount
}

// Held returns the claim's share of State.Claimed.
func (c Claim) Held() voucher.Amount { return c.Price.AddCapped(c.Lead) }

// Authorized returns the stored ceiling, in base units: no voucher above it exists.
func (s State) Authorized() voucher.Amount { return s.authorized }

// Asked returns the sum of the prices that callers requested on this channel, in base units.
func (s State) Asked() voucher.Amount { return s.asked }

// MayExist returns the highest cumulative amount whose voucher may exist: all that was authorized,
// less what is known to be unsigned because the signer refused it. The gate stores it before it
// signs.
func (s State) MayExist() voucher.Amount { return s.authorized.SubFloor(s.unsigned) }

// Payable reports whether vouchers may be signed: the channel is open, or its opening transaction
// leaves with the first voucher. A channel that was open and is not seen is: nobody can redeem a
// voucher of one that is not there. An opening that was missed is not presented any more.
func (s State) Payable() bool {
	ending := s.Closed || s.CloseSent || s.CloseRequestedAt != 0 || s.Gone
	return !ending && (s.Confirmed || s.Unseen == 0 && len(s.Opening.Raw) > 0)
}

// bounds are what a decision about a claim must stay within, in base units.
type bounds struct {
	// reach is the highest voucher that may be presented without raising anything: one that may
	// exist, and is at most what callers requested plus Limits.Ahead. After a crash that is the
	// whole ceiling: what may have been signed may be signed again. What a signer refused is not
	// signed later, although its ceiling is stored.
	reach voucher.Amount
	// own is what the price of the claim may raise on this channel in all.
	own voucher.Amount
	// most is the highest voucher that the claim may raise to. What other requests owe and
	// Limits.Ahead do not count against its price.
	most voucher.Amount
	// ceiling is the most that may be authorized now.
	ceiling voucher.Amount
}

// bounds returns what a decision must stay within that puts the claim c in the place of was.
func (s State) bounds(was, c Claim, lim Limits) (b bounds) {
	b.reach = s.MayExist().Min(s.asked.AddCapped(lim.Ahead)).Max(s.Signed)
	b.own = c.Price.SubFloor(c.Elsewhere).Max(c.Raised)
	owed := s.Claimed.SubFloor(was.Price).AddCapped(b.own).AddCapped(lim.Ahead)
	b.most = b.reach.AddCapped(b.own.SubFloor(c.Raised)).Max(owed)
	b.ceiling = s.Deposit.Min(lim.Deposit).Min(s.Protocol.Max())
	for _, r := range lim.Rooms {
		b.ceiling = b.ceiling.Min(s.authorized.AddCapped(r.Rule.Allowed.SubFloor(r.Used)))
	}
	if lim.run != nil {
		b.ceiling = b.ceiling.Min(s.MayExist().AddCapped(lim.run.left))
	}
	return b
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
	was Claim, req Request, lim Limits,
) (_ State, _ Claim, due voucher.Amount, err error) {
	unchanged := s
	refuse := func(err error) (State, Claim, voucher.Amount, error) {
		return unchanged, was, voucher.Amount{}, err
	}
	if err := lim.CheckPrice(req.Price); err != nil && !req.piece {
		return refuse(err)
	}
	if !s.Payable() {
		return refuse(fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing()))
	}
	highest := was.Asked.AddCapped(was.Elsewhere).Max(req.Price)
	claim := Claim{
		Price: req.Price, Asked: highest.SubFloor(req.Elsewhere).Max(was.Raised),
		Raised: was.Raised, Elsewhere: req.Elsewhere,
	}
	bounds := s.bounds(was, claim, lim)
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
	case !bounds.reach.Less(claimed) && fits(claimed):
		return next, claim, claimed, nil
	case fits(bounds.reach):
		return next, claim, bounds.reach, nil
	}
	most := bounds.most.Min(claimed.Min(asked).AddCapped(lim.Ahead))
	target := most.Min(bounds.ceiling)
	switch want := claimed.Max(req.Floor.Min(most)); {
	case most.Less(claimed):
		return refuse(next.unreachable(claim, lim))
	case target.Less(want):
		return refuse(s.short(want, lim))
	}
	claim.Raised = claim.Raised.AddCapped(target.SubFloor(bounds.reach)).Min(claim.Asked)
	due = bounds.reach.Max(target)
	switch {
	case due.Less(req.Floor):
		return refuse(&channel.DesyncError{
			ChannelID: s.ID, Required: req.Floor, Ours: due, Currency: lim.Currency,
		})
	case !fits(due): // it grows by too little
		return refuse(&channel.LimitError{
			Limit: "Ahead", Wanted: req.MinDelta.SubFloor(claimed.SubFloor(s.Signed)),
			Allowed: lim.Ahead, Currency: lim.Currency,
		})
	}
	return next.raised(due), claim, due, nil
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
	bounds := s.bounds(c, c, lim)
	exists := bounds.reach
	if presented.Less(s.Signed) {
		exists = s.Signed
	}
	// If other requests used the credit of this one, no voucher that exists covers all that is
	// claimed.
	if behind := bounds.reach.Less(s.Claimed); !behind && presented.Less(exists) {
		return s, c, exists, nil
	}
	if !s.Payable() {
		return s, c, due, fmt.Errorf(
			"%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing(),
		)
	}
	rest := bounds.own.SubFloor(c.Raised).Max(s.Claimed.SubFloor(bounds.reach))
	if rest.IsZero() {
		return s, c, due, s.spent(c, presented)
	}
	target, err := bounds.reach.Add(rest)
	if err != nil {
		return s, c, due, err
	}
	asked := s.asked.AddCapped(lim.Ahead)
	most := bounds.most.Min(s.Claimed.AddCapped(lim.Ahead))
	target = target.Max(most.Min(asked).Min(bounds.ceiling)) // a payee that requires larger steps
	switch {
	case asked.Less(target) && presented.Less(exists):
		return s, c, exists, nil
	case asked.Less(target):
		return s, c, due, s.spent(c, presented)
	case bounds.ceiling.Less(target):
		return s, c, due, s.short(target, lim)
	}
	next = s.raised(target)
	next.Claimed = target.Max(s.Claimed)
	c.Raised = c.Raised.AddCapped(target.SubFloor(bounds.reach)).Min(c.Asked).Max(bounds.own)
	return next, c, target, nil
}

// Stepped decides what to present for a claim that the credit covers, to a payee that refuses all vouchers up to
// had: one that is a unit higher, or by all that the price of c has not raised yet if the payee requires larger
// steps; nothing, if that does not suffice. It comes out of that, and the rest of the price is paid for by the credit.
//
// The errors are those of [State.Overdrawn].
func (s State) Stepped(
	c Claim, had, delta voucher.Amount, lim Limits,
) (next State, _ Claim, due voucher.Amount, err error) {
	bounds := s.bounds(c, c, lim)
	step, unit := bounds.own.SubFloor(c.Raised), voucher.Units(1)
	if !unit.Less(delta) {
		step = step.Min(unit)
	}
	target, err := bounds.reach.Max(had).Add(step)
	switch {
	case err != nil:
		return s, c, due, err
	case !s.Payable():
		return s, c, due, fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, s.standing())
	case step.IsZero(), step.Less(delta), s.asked.AddCapped(lim.Ahead).Less(target):
		return s, c, due, s.spent(c, had)
	case bounds.ceiling.Less(target):
		return s, c, due, s.short(target, lim)
	}
	c.Raised = c.Raised.AddCapped(step)
	return s.raised(target), c, target, nil
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
	s.Claimed = s.Claimed.SubFloor(c.Held())
	return s
}

// Without returns the state as if c had not been decided. The ceiling stays.
func (s State) Without(c Claim) State {
	s.Claimed, s.asked = s.Claimed.SubFloor(c.Held()), s.asked.SubFloor(c.Asked)
	return s
}

// CatchUp returns the state and the claim after a stream has delivered pieces for total, whether it
// asked for them or took them out of the voucher of another request. Its price grows to total,
// within Limits.Stream: out of its lead, and then until Claimed reaches most. Nothing is signed for
// it.
func (s State) CatchUp(c Claim, total, most voucher.Amount, lim Limits) (State, Claim) {
	came := total.Min(lim.Stream).SubFloor(c.Price)
	led := came.Min(c.Lead)
	c.Price, c.Lead = c.Price.AddCapped(led), c.Lead.SubFloor(led)
	grown := came.SubFloor(led).Min(most.SubFloor(s.Claimed))
	s.Claimed = s.Claimed.AddCapped(grown)
	s.asked = s.asked.AddCapped(grown)
	c.Price, c.Asked = c.Price.AddCapped(grown), c.Asked.AddCapped(grown)
	return s, c
}

// AuthorizeMore decides a need-voucher frame of a stream: required is what the payee requires the
// next voucher to reach, unit the price of one piece, c the stream's claim so far, and delivered
// the price of the pieces that came. The frame counts as a request of our own size: one unit, or
// Limits.Step if one unit is not enough. If what is signed or claimed reaches required already, the
// next piece is claimed only if this stream has not claimed it.
//
// A voucher that has to be signed covers the stream's lead, too ([Limits.Delivered]): how much that
// is does not depend on what the payee requires.
//
// A unit of zero means that the stream is charged once: nothing more is claimed or signed for it,
// whatever the limits are. A voucher that exists may be presented.
//
// The error is a [*channel.DesyncError] if that does not reach required, and [channel.ErrLimit]
// above Limits.Stream for the whole stream; the others are those of [State.Authorize].
func (s State) AuthorizeMore(
	c Claim, delivered, required, unit voucher.Amount, lim Limits,
) (next State, grown Claim, due voucher.Amount, err error) {
	if unit.IsZero() {
		return s.present(c, required, lim)
	}
	size := s.piece(required, unit, lim)
	switch next := delivered.AddCapped(unit).SubFloor(c.Price); {
	case !next.IsZero() && size == unit:
		size = unit.Min(next) // a part of it may be claimed already
	case !next.IsZero():
	case !s.Signed.Less(required):
		return s, c, s.Signed, nil
	case !s.Claimed.Less(required):
		size = voucher.Amount{}
	}
	more, after := s.ahead(c, required, size, unit, lim)
	if reach := s.Signed.Max(s.Claimed.AddCapped(more).AddCapped(lim.Ahead)); reach.Less(required) {
		return s, c, due, &channel.DesyncError{
			ChannelID: s.ID, Required: required, Ours: reach, Currency: lim.Currency,
		}
	}
	if after.Price, err = c.Price.Add(size); err != nil {
		return s, c, due, err
	}
	if lim.Stream.Less(after.Held()) && !size.IsZero() {
		return s, c, due, lim.over("Stream", after.Held(), lim.Stream)
	}
	next, asked, due, err := s.Renew(
		Claim{}, Request{Price: more, Floor: required, piece: true}, lim,
	)
	if err != nil {
		return s, c, due, err
	}
	after.Asked, after.Raised = c.Asked.AddCapped(more), c.Raised.AddCapped(asked.Raised)
	return next, after, due, nil
}

// present returns the voucher that exists, if it reaches required.
func (s State) present(c Claim, required voucher.Amount, lim Limits) (State, Claim, voucher.Amount, error) {
	if s.Signed.Less(required) {
		return s, c, voucher.Amount{}, &channel.DesyncError{
			ChannelID: s.ID, Required: required, Ours: s.Signed, Currency: lim.Currency,
		}
	}
	return s, c, s.Signed, nil
}

// piece returns the size of the request that a need-voucher frame counts as.
func (s State) piece(required, unit voucher.Amount, lim Limits) voucher.Amount {
	if s.Signed.Max(s.Claimed.AddCapped(unit).AddCapped(lim.Ahead)).Less(required) {
		return lim.step(unit)
	}
	return unit
}
