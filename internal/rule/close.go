package rule

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CloseDue returns the cumulative amount to sign for a cooperative close. refused is the amount
// that the payee refused as too low, or zero at first. The first amount is what was claimed; the
// second the highest voucher that is known to exist, or less if the payee reports that it charged
// less; the last one what a session that was killed may have signed ([State.MayExist]).
//
// A v1 payee takes the whole close voucher and refuses one at or below what is settled. If nothing
// more was used, only a requested close is possible. The error is [channel.ErrNotPayable].
func (s State) CloseDue(refused voucher.Amount) (voucher.Amount, error) {
	if p := s.Phase(); p == channel.Unopened || p == channel.Closed {
		return voucher.Amount{}, fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, p)
	}
	due := s.Claimed.Min(s.MayExist()).Max(s.Settled)
	if !refused.IsZero() {
		if !refused.Less(s.MayExist()) {
			return voucher.Amount{}, fmt.Errorf(
				"%w: channel %s: the payee refuses to close at %s, the most that may have been "+
					"signed; request the close on chain and withdraw",
				channel.ErrNotPayable, s.ID, refused,
			)
		}
		if due = s.Signed; !refused.Less(due) {
			due = s.MayExist()
		}
		if refused.Less(s.Spent) {
			due = due.Min(s.Spent) // no more than the payee says it charged
		}
	}
	if s.Protocol == voucher.V1 && !s.Settled.Less(due) {
		return voucher.Amount{}, fmt.Errorf(
			"%w: channel %s: all of %s is settled, and a v1 payee closes only above that; "+
				"request the close on chain and withdraw",
			channel.ErrNotPayable, s.ID, s.Settled,
		)
	}
	return due, nil
}

// ClosingAt returns the state before a cooperative close for amount is sent. No voucher is signed
// after that.
func (s State) ClosingAt(amount voucher.Amount) State {
	s.CloseSent, s.CloseAmount = true, amount
	return s
}

// CloseRefused returns the state after the payee refused the close: vouchers may be signed again.
func (s State) CloseRefused() State {
	s.CloseSent, s.CloseAmount = false, voucher.Amount{}
	return s
}

// CloseAcknowledged returns the state with the transaction of the payee's close receipt. The
// channel is closed when the chain shows it ([State.Settle]).
func (s State) CloseAcknowledged(tx common.Hash) State {
	s.CloseTx = tx
	return s
}

// Abandoned returns the state of a channel whose payee accepts no more vouchers.
func (s State) Abandoned() State {
	s.Gone = true
	return s
}
