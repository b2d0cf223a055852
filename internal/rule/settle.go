package rule

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// OnChain is the chain's word on a channel.
type OnChain struct {
	// Exists is false where the escrow does not know the channel: never opened, or (v2) closed.
	Exists bool
	// Finalized is set by a v1 escrow for a channel that is closed for good.
	Finalized bool
	// Deposit and Settled are in base units.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds, zero where no close was requested.
	CloseRequestedAt uint64
	// Time is the chain's own clock at that block, in Unix seconds.
	Time uint64
	// Payer, Payee, Token and Signer are what a v1 escrow stores of a channel; zero on v2, where the
	// descriptor hashes to the id.
	Payer, Payee, Token, Signer common.Address
}

// Settle books the chain's word. Settled proves a signature of ours, nothing else of it touches our
// column.
//
// A channel that the chain does not know is closed, unless its opening transaction can still be mined: a
// transaction that can not (its validBefore has passed in chain time) never will be. A node that was behind, or
// lied, is corrected by the next word that shows the channel: an id is never used twice, so money that is seen
// there is ours.
func (s State) Settle(c OnChain) State {
	if !c.Exists || c.Finalized {
		if s.Opening.Pending() && !c.Finalized && c.Time <= s.Opening.ValidBefore {
			return s // still unknown, whatever the payee said
		}
		s.Closed, s.CloseRequestedAt = true, 0
		s.Opening, s.ToppingUp = Funding{}, Funding{}
		s.Confirmed = s.Confirmed || c.Finalized // a v1 escrow remembers that it was there
		if !s.Confirmed {
			s.Deposit = voucher.Amount{} // never opened: nothing left the wallet
		}
		return s
	}
	s.Confirmed, s.Closed = true, false
	s.Opening = Funding{}
	s.Settled = s.Settled.Max(c.Settled)
	s.CloseRequestedAt = c.CloseRequestedAt
	if t := s.ToppingUp; t.Pending() && (t.Before.Less(c.Deposit) || t.ValidBefore < c.Time) {
		s.ToppingUp = Funding{}
	}
	s.Deposit = c.Deposit
	return s.signedBefore(c.Settled)
}

// InDoubt is the hash of a funding transaction of which the chain's word so far does not say whether it was mined. It is
// the zero hash where there is none, and for one that only its sponsor knows.
func (s State) InDoubt() common.Hash {
	if s.Closed {
		return common.Hash{}
	}
	if s.Opening.Pending() {
		return s.Opening.Hash
	}
	return s.ToppingUp.Hash
}

// Mined books the receipt of a funding transaction, by the hash that we computed ourselves: it can not be mined
// again. One that was reverted moved nothing. One that worked shows in the next word of the chain ([State.Settle]), and
// an opening that does not was closed since.
func (s State) Mined(tx common.Hash, success bool) State {
	switch {
	case tx == common.Hash{}:
	case s.Opening.Hash == tx:
		s.Opening, s.Confirmed = Funding{}, success
	case s.ToppingUp.Hash == tx:
		s.ToppingUp = Funding{}
	}
	return s
}

// Funded returns the state with a top-up written down, before it is sent. It does not count until the
// chain or the payee confirms it.
func (s State) Funded(f Funding) State {
	f.Before = s.Deposit
	s.ToppingUp = f
	return s
}

// ToppedUp books the payee's word that the pending top-up was mined: the amount is our own. The
// transaction stays until the chain decides it, so that no other is signed where the word was false.
func (s State) ToppedUp() State {
	if t := s.ToppingUp; t.Pending() {
		s.Deposit = s.Deposit.Max(t.Before.AddCapped(t.Amount))
		s.CloseRequestedAt = 0
	}
	return s
}

// Acknowledged books the payee's acceptance of the opening voucher. The transaction stays until the chain
// decides it: a payee may say that it opened, that the channel is gone, and then send it.
func (s State) Acknowledged() State {
	s.Confirmed = true
	return s
}
