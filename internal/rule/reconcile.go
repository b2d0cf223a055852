package rule

import (
	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Reconcile books the server's word. It can only lower what will be signed: where less was spent than
// was claimed, the difference is free for the next ask. inFlight is the sum of the claims still waiting
// for their answers, which the server may not have counted yet.
//
// Where the word contradicts itself or our column, the returned error is a [*channel.ViolationError] and the
// returned state differs only in that the server's Spent is no longer used.
func (s State) Reconcile(w channel.Report, inFlight voucher.Amount) (State, error) {
	violation := func(what string, claimed, bound voucher.Amount) (State, error) {
		s.Untrusted = true
		return s, &channel.ViolationError{ChannelID: s.ID, What: what, Claimed: claimed, Bound: bound}
	}
	if s.authorized.Less(w.Accepted) {
		return violation("it accepted more than was ever authorized", w.Accepted, s.authorized)
	}
	if w.Accepted.Less(w.Spent) {
		return violation("more was spent than accepted", w.Spent, w.Accepted)
	}
	s.Accepted = s.Accepted.Max(w.Accepted)
	s.Units = max(s.Units, w.Units)
	if w.Spent.Less(s.Spent) {
		return s, nil // an older word, or a server that counts one request only
	}
	s.Spent = w.Spent
	if !s.Untrusted {
		s.Claimed = s.Claimed.Min(s.Spent.Max(s.Settled).AddCapped(inFlight))
	}
	return s, nil
}

// Deliver counts what a stream has brought so far: total is the price of the pieces delivered to the
// caller. A claim grows to it, but never beyond what is already signed, so counting signs nothing.
func (s State) Deliver(c Claim, total voucher.Amount) (State, Claim) {
	return s.deliver(c, total, s.Signed)
}

// CatchUp counts what a stream has brought and did not ask for: the payee took it out of a voucher that was meant
// for another request, which is then refused or asks again. A claim grows to it within Limits.Stream, so far
// that Claimed reaches most.
func (s State) CatchUp(c Claim, total, most voucher.Amount, lim Limits) (State, Claim) {
	return s.deliver(c, total.Min(lim.Stream), most)
}

func (s State) deliver(c Claim, total, most voucher.Amount) (State, Claim) {
	grown := total.SubFloor(c.Price).Min(most.SubFloor(s.Claimed))
	if grown.IsZero() {
		return s, c
	}
	s.Claimed = s.Claimed.AddCapped(grown)
	s.asked = s.asked.AddCapped(grown)
	c.Price, c.Asked = c.Price.AddCapped(grown), c.Asked.AddCapped(grown)
	return s, c
}

// AuthorizeMore decides a need-voucher frame of a stream: required is what the payee says the next
// voucher must reach, unit the price of one piece, c the stream's claim so far, delivered the price of the
// pieces that came. The frame counts as one more ask of our own size: one unit, or Limits.Step where one
// unit is not enough. Where what is signed or claimed reaches it, the payee has not seen that yet, or
// it was for another request: the next piece is then claimed only if this stream has not done so.
//
// A required amount that this does not reach is a [*channel.DesyncError]; one above Limits.Stream for the whole
// stream is [channel.ErrLimit]; the other errors are those of [State.Authorize].
func (s State) AuthorizeMore(c Claim, delivered, required, unit voucher.Amount, lim Limits) (next State, grown Claim, due voucher.Amount, err error) {
	size := s.piece(required, unit, lim)
	if !c.Price.Less(delivered.AddCapped(unit)) {
		switch {
		case !s.Signed.Less(required):
			return s, c, s.Signed, nil
		case !s.Claimed.Less(required):
			size = voucher.Amount{}
		}
	}
	if reach := s.Signed.Max(s.Claimed.AddCapped(size).AddCapped(lim.Ahead)); reach.Less(required) {
		return s, c, due, &channel.DesyncError{ChannelID: s.ID, Required: required, Ours: reach}
	}
	total, err := c.Price.Add(size)
	if err != nil {
		return s, c, due, err
	}
	if err := within("Stream", total, lim.Stream); err != nil && !size.IsZero() {
		return s, c, due, err
	}
	next, more, due, err := s.authorize(Request{Price: size, Floor: required}, lim)
	if err != nil {
		return s, c, due, err
	}
	return next, Claim{Price: total, Asked: c.Asked.AddCapped(size), Raised: c.Raised.AddCapped(more.Raised)}, due, nil
}

// piece is what a need-voucher frame asks for: one unit, or Limits.Step where one unit is not enough.
func (s State) piece(required, unit voucher.Amount, lim Limits) voucher.Amount {
	if s.Signed.Max(s.Claimed.AddCapped(unit).AddCapped(lim.Ahead)).Less(required) {
		return lim.step(unit)
	}
	return unit
}
