package rule

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// Info returns the channel as users see it.
func (s State) Info() channel.Info {
	fees, reserved := s.Fees()
	return channel.Info{
		ID: s.ID, Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow,
		Descriptor: s.Descriptor,
		Scope:      s.Scope, URL: s.URL, CreatedAt: s.CreatedAt, PaidAt: s.paidAt(),
		Phase: s.Phase(), Confirmed: s.Confirmed, Gone: s.Gone,
		Authorized: s.authorized, Signed: s.Signed, Claimed: s.Claimed, Asked: s.asked,
		Deposit: s.Deposit, Opening: s.Opening.transfer(), ToppingUp: s.ToppingUp.transfer(),
		Accepted: s.Accepted, Spent: s.Spent, Units: s.Units, Untrusted: s.Untrusted,
		Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt,
		CloseSent: s.CloseSent, CloseAmount: s.CloseAmount, CloseTx: s.CloseTx,
		Fees: fees, FeesReserved: reserved,
	}
}

// paidAt returns the end of the minute in which the ceiling rose last, by the clock as it is.
func (s State) paidAt() time.Time {
	h := s.history
	for h.after != nil {
		h = *h.after
	}
	if last := h.last().At; last > s.CreatedAt.Unix() {
		return time.Unix(last, 0).UTC()
	}
	return s.CreatedAt
}

func (f Funding) transfer() channel.Transfer {
	return channel.Transfer{
		Amount: f.Amount, Hash: f.Hash, ValidBefore: f.ValidBefore,
		FeeToken: f.FeeToken, MaxFee: f.MaxFee, Fee: f.Fee, FeeKnown: f.FeeKnown,
	}
}
