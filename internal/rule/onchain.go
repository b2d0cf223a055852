package rule

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// OnChain is what the chain shows of a channel.
type OnChain struct {
	// Exists is false if the escrow does not know the channel: never opened, or (v2) closed.
	Exists bool
	// Finalized is set by a v1 escrow for a channel that is closed for good.
	Finalized bool
	// Deposit and Settled are in base units.
	Deposit, Settled voucher.Amount
	// CloseRequestedAt is in Unix seconds, and zero if no close was requested.
	CloseRequestedAt uint64
	// Ended reports proof that the channel was closed: the log of its close, or our own confirmed
	// withdrawal.
	Ended bool
	// Time is the chain's own clock at that block, in Unix seconds.
	Time uint64
	// Payer, Payee, Token and Signer are stored by a v1 escrow. They are zero for v2.
	Payer, Payee, Token, Signer common.Address
}

// Settle returns the state with what the chain shows. Settled proves a signature of ours; nothing
// else changes our own amounts.
//
// Only proof ends a channel. One that the chain does not show may be there all the same, because a
// node lags or leaves it out, so it stays listed as not seen with all that is known of it; see
// [State.Unseen]. An opening that can still be mined is not missed. If a later reading shows the
// channel, it is as it was: ids are never used twice. Of a node that lags behind the one that was read
// before, the deposit and the request of a close are older, and do not count.
func (s State) Settle(c OnChain) State {
	switch {
	case c.Finalized, c.Ended && !c.Exists:
		return s.ended(true)
	case !c.Exists && s.Closed, !c.Exists && s.Opening.Pending() && c.Time <= s.Opening.ValidBefore:
		return s // an opening may still be mined, whatever the payee said
	case !c.Exists:
		if s.Unseen == 0 {
			s.Unseen = max(c.Time, 1)
		}
		return s
	}
	s.Confirmed, s.Closed, s.Unseen = true, false, 0
	s.Opening = Funding{}
	s.Settled = s.Settled.Max(c.Settled)
	s = s.paid(opens)
	return s.shown(c).signedBefore(c.Settled)
}

// shown returns the state with the deposit and the request of a close that the chain shows, unless it is
// known to be newer.
func (s State) shown(c OnChain) State {
	if c.Time != 0 && c.Time < s.ReadAt && s.ReadAt-c.Time < lag {
		return s
	}
	t := s.ToppingUp
	raised := t.Pending() && t.Before.Less(c.Deposit)
	if raised {
		s = s.paid(func(f Fee) bool { return f.Hash == t.Hash })
	}
	if raised || t.Pending() && t.ValidBefore < c.Time {
		s.ToppingUp = Funding{}
	}
	if raised || s.Deposit.Less(c.Deposit) || s.CloseRequestedAt != c.CloseRequestedAt {
		s.ReadAt = c.Time
	}
	s.Deposit, s.CloseRequestedAt = c.Deposit, c.CloseRequestedAt
	return s
}

// lag is how far, in seconds, a node may be behind another one that was read before. A reading that is
// older than that is believed: the time of the other one may have been a lie.
const lag = 60 * 60

// ended returns the state of a channel that is proved to hold nothing. was reports that it held a
// deposit before.
func (s State) ended(was bool) State {
	if t := s.ToppingUp; was { // a top-up that its payee confirmed was mined, as far as is known
		s = s.paid(func(f Fee) bool { return opens(f) || t.Pending() && f.Hash == t.Hash && t.Before.Less(s.Deposit) })
	}
	s.Closed, s.Unseen, s.CloseRequestedAt = true, 0, 0
	s.Opening, s.ToppingUp = Funding{}, Funding{}
	if s.Confirmed = was; !was {
		s.Deposit = voucher.Amount{} // nothing left the wallet
	}
	return s
}

// Lapsed reports whether the opening transaction can no longer be mined, and no reading showed the
// channel. It may have been mined all the same, so that the channel stays listed.
func (s State) Lapsed() bool { return s.Phase() == channel.NotSeen && !s.Confirmed }

// NeverSent returns the state of a channel whose opening transaction was not sent and is dropped.
func (s State) NeverSent() State {
	s, _, _ = s.Charged(s.Opening.Hash, voucher.Amount{}, 0)
	return s.ended(false)
}

// InDoubt returns the hash of a funding transaction that is neither confirmed nor expired. It is
// the zero hash if there is none, or if only its sponsor knows the hash.
func (s State) InDoubt() common.Hash {
	if s.Closed {
		return common.Hash{}
	}
	if s.Opening.Pending() {
		return s.Opening.Hash
	}
	return s.ToppingUp.Hash
}

// Mined returns the state after a funding transaction was mined. One that was reverted moved
// nothing. One that succeeded shows in the next reading of the chain ([State.Settle]); an opening
// that does not show there was closed since.
func (s State) Mined(tx common.Hash, success bool) State {
	s = s.paid(func(f Fee) bool { return f.Hash == tx })
	switch {
	case tx == common.Hash{}:
	case s.Opening.Hash == tx && !success:
		return s.ended(false)
	case s.Opening.Hash == tx:
		s.Opening, s.Confirmed = Funding{}, true
	case s.ToppingUp.Hash == tx:
		s.ToppingUp = Funding{}
	}
	return s
}

// Funded returns the state with a top-up that is about to be sent. It counts as deposit when the
// chain or the payee confirms it.
func (s State) Funded(f Funding) State {
	f.Before = s.Deposit
	s.ToppingUp = f
	return s
}

// ToppedUp returns the state after the payee confirmed the pending top-up. The transaction stays
// until the chain confirms it, so that no other is signed if the payee was wrong.
func (s State) ToppedUp() State {
	if t := s.ToppingUp; t.Pending() {
		s.Deposit = s.Deposit.Max(t.Before.AddCapped(t.Amount))
		s.CloseRequestedAt = 0
	}
	return s
}
