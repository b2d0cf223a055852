package rule

import "github.com/seed-5fe1f529/tallystick/channel"

// Info returns the channel as users see it.
func (s State) Info() channel.Info {
	return channel.Info{
		ID: s.ID, Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow,
		Descriptor: s.Descriptor,
		Scope:      s.Scope, URL: s.URL, CreatedAt: s.CreatedAt,
		Phase: s.Phase(), Confirmed: s.Confirmed, Gone: s.Gone,
		Authorized: s.authorized, Signed: s.Signed, Claimed: s.Claimed, Asked: s.asked,
		Deposit: s.Deposit, Opening: s.Opening.transfer(), ToppingUp: s.ToppingUp.transfer(),
		Accepted: s.Accepted, Spent: s.Spent, Units: s.Units, Untrusted: s.Untrusted,
		Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt,
		CloseSent: s.CloseSent, CloseAmount: s.CloseAmount, CloseTx: s.CloseTx,
	}
}

func (f Funding) transfer() channel.Transfer {
	return channel.Transfer{Amount: f.Amount, Hash: f.Hash, ValidBefore: f.ValidBefore}
}
