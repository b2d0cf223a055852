package rule

import (
	"math/big"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A stream that waits for a voucher before each piece makes one round trip for each. So trust grows
// with delivery: a voucher runs ahead of the stream by a share of what it delivered, its lead, and
// a stream of n pieces needs O(log n) vouchers.
//
// The lead is claimed and asked for like a piece, when a voucher is signed, and pieces use it up
// before they count themselves. So a stream adds to what callers asked for the larger of
//
//   - the price of the pieces that came and that its frames asked for, one by one, without a lead;
//   - the price of the pieces that came with content and were paid for, of a quarter of them, and
//     of one more, within Limits.Stream; and of the frames without a delivery, if others use the
//     channel at the same time.
//
// The pieces are counted by our own parser. No number of the payee is an operand.

// share is the part of what a stream delivered that may be signed ahead: one of so many pieces.
const share = 4

// part returns the share of v.
func part(v voucher.Amount) voucher.Amount {
	n := v.Big()
	v, _ = voucher.AmountFromBig(n.Quo(n, big.NewInt(share)))
	return v
}

// lead is what a stream has earned.
type lead struct {
	// pieces is how many pieces it may have been authorized for, those that came included. Zero
	// means no lead.
	pieces uint64
	// pooled reports that other streams or sessions use the channel, too.
	pooled bool
}

// Delivered returns the limits for a decision about a stream that delivered so many pieces with
// content. pooled reports whether others have requests in flight on the channel. Under
// [channel.Limits.PieceByPiece] there is no lead.
func (l Limits) Delivered(pieces uint64, pooled bool) Limits {
	l.lead = lead{pooled: pooled}
	if !l.PieceByPiece {
		l.lead.pieces = pieces + pieces/share + 1
	}
	return l
}

// ahead returns by how much asked and claimed grow for a piece of size, and the claim with its new
// lead. The piece comes out of the lead that the stream has. If the payee says that all of what is
// claimed is used, and others use the channel, it may have used the lead for them: then the piece
// is claimed beside the lead, as it would be without one.
func (s State) ahead(
	c Claim, required, size, unit voucher.Amount, lim Limits,
) (more voucher.Amount, after Claim) {
	more, after = size.SubFloor(c.Lead), c
	after.Lead = c.Lead.SubFloor(size)
	if s.Claimed.AddCapped(more).AddCapped(lim.Ahead).Less(required) && lim.lead.pooled {
		more, after = size, c
	}
	top, err := unit.Mul(lim.lead.pieces)
	if err != nil || !s.Signed.Less(required) {
		return more, after
	}
	// Pieces that nobody asked to be paid for earn nothing.
	top = top.Min(c.Price.AddCapped(part(c.Price)).AddCapped(unit))
	has := c.Price.AddCapped(size).AddCapped(after.Lead).AddCapped(lim.Ahead)
	grant := top.Min(lim.Stream).SubFloor(has)
	// Where budgets or the deposit are short, the lead is shorter.
	room := s.bounds(Claim{}, Claim{Price: more}, lim).ceiling.SubFloor(s.Claimed.AddCapped(more))
	grant = grant.Min(room)
	after.Lead = after.Lead.AddCapped(grant)
	return more.AddCapped(grant), after
}
