package rule

import (
	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CatchUp returns the state and the claim after a stream has delivered pieces for total, whether it
// asked for them or took them out of the voucher of another request. The claim grows to total,
// within Limits.Stream and until Claimed reaches most. Nothing is signed for it.
func (s State) CatchUp(c Claim, total, most voucher.Amount, lim Limits) (State, Claim) {
	grown := total.Min(lim.Stream).SubFloor(c.Price).Min(most.SubFloor(s.Claimed))
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
// A unit of zero means that the stream is charged once: nothing more is claimed or signed for it,
// whatever the limits are. A voucher that exists may be presented.
//
// The error is a [*channel.DesyncError] if that does not reach required, and [channel.ErrLimit]
// above Limits.Stream for the whole stream; the others are those of [State.Authorize].
func (s State) AuthorizeMore(
	c Claim, delivered, required, unit voucher.Amount, lim Limits,
) (next State, grown Claim, due voucher.Amount, err error) {
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
		return s, c, voucher.Amount{}, &channel.DesyncError{
			ChannelID: s.ID, Required: required, Ours: s.Signed,
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
