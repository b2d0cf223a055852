package rule

import (
	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CatchUp counts what a stream has delivered: total is the price of the pieces that came, whether the stream asked
// for them or took them out of a voucher that was for another request. The claim grows to it within Limits.Stream, and
// so far that Claimed reaches most. Nothing is signed for it.
func (s State) CatchUp(c Claim, total, most voucher.Amount, lim Limits) (State, Claim) {
	grown := total.Min(lim.Stream).SubFloor(c.Price).Min(most.SubFloor(s.Claimed))
	s.Claimed = s.Claimed.AddCapped(grown)
	s.asked = s.asked.AddCapped(grown)
	c.Price, c.Asked = c.Price.AddCapped(grown), c.Asked.AddCapped(grown)
	return s, c
}

// AuthorizeMore decides a need-voucher frame of a stream: required is what the payee says the next voucher must
// reach, unit the price of one piece, c the stream's claim so far, delivered the price of the pieces that came. The
// frame counts as one more request of our own size: one unit, or Limits.Step if one unit is not enough. If what is
// signed or claimed reaches required, the payee has not seen that yet, or it was for another request: the next piece is
// then claimed only if this stream has not done so.
//
// A unit of zero means that the stream is charged once: nothing more is claimed or signed for it, whatever the limits
// are. A higher voucher that exists is presented.
//
// If this does not reach required, the error is a [*channel.DesyncError]; above Limits.Stream for the whole stream it is
// [channel.ErrLimit]; the other errors are those of [State.Authorize].
func (s State) AuthorizeMore(c Claim, delivered, required, unit voucher.Amount, lim Limits) (next State, grown Claim, due voucher.Amount, err error) {
	if unit.IsZero() {
		return s.present(c, required)
	}
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
	if lim.Stream.Less(total) && !size.IsZero() {
		return s, c, due, over("Stream", total, lim.Stream)
	}
	next, more, due, err := s.authorize(Claim{}, Request{Price: size, Floor: required}, lim)
	if err != nil {
		return s, c, due, err
	}
	c.Price, c.Asked = total, c.Asked.AddCapped(size)
	c.Raised = c.Raised.AddCapped(more.Raised)
	return next, c, due, nil
}

// present returns the voucher that exists, if it reaches required.
func (s State) present(c Claim, required voucher.Amount) (State, Claim, voucher.Amount, error) {
	if s.Signed.Less(required) {
		return s, c, voucher.Amount{}, &channel.DesyncError{ChannelID: s.ID, Required: required, Ours: s.Signed}
	}
	return s, c, s.Signed, nil
}

// piece returns the size of the request that a need-voucher frame counts as: one unit, or Limits.Step if one unit is
// not enough.
func (s State) piece(required, unit voucher.Amount, lim Limits) voucher.Amount {
	if s.Signed.Max(s.Claimed.AddCapped(unit).AddCapped(lim.Ahead)).Less(required) {
		return lim.step(unit)
	}
	return unit
}
