package rule

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// CloseDue is the cumulative amount to sign for a cooperative close: what was really used, as claimed and as
// lowered by receipts. refused is the amount that the payee refused as too low, or zero on the first try; the
// next one is then the highest voucher that is known to exist, or less where the payee says that it charged less.
// The last one is what a session that was killed may have signed ([State.MayExist]): closing gives nothing that a signer
// refused.
//
// A v1 payee takes the whole close voucher and refuses one at or below what is settled: where nothing
// more was used there is no cooperative close, only a requested one. The error is [channel.ErrNotPayable].
func (s State) CloseDue(refused voucher.Amount) (voucher.Amount, error) {
	if p := s.Phase(); p == channel.Unopened || p == channel.Closed {
		return voucher.Amount{}, fmt.Errorf("%w: channel %s is %s", channel.ErrNotPayable, s.ID, p)
	}
	due := s.Claimed.Min(s.MayExist()).Max(s.Settled)
	if !refused.IsZero() {
		if !refused.Less(s.MayExist()) {
			return voucher.Amount{}, fmt.Errorf("%w: channel %s: the payee refuses to close at %s, the most that may have been signed; request the close on chain and withdraw", channel.ErrNotPayable, s.ID, refused)
		}
		if due = s.Signed; !refused.Less(due) {
			due = s.MayExist()
		}
		if refused.Less(s.Spent) {
			due = due.Min(s.Spent) // no more than the payee says it charged
		}
	}
	if s.Protocol == voucher.V1 && !s.Settled.Less(due) {
		return voucher.Amount{}, fmt.Errorf("%w: channel %s: all of %s is settled, and a v1 payee closes only above that; request the close on chain and withdraw", channel.ErrNotPayable, s.ID, s.Settled)
	}
	return due, nil
}

// ClosingAt writes down that a cooperative close for amount is about to be sent. No voucher follows it.
func (s State) ClosingAt(amount voucher.Amount) State {
	s.CloseSent, s.CloseAmount = true, amount
	return s
}

// CloseRefused takes that back: the payee refused, and the channel still takes vouchers.
func (s State) CloseRefused() State {
	s.CloseSent, s.CloseAmount = false, voucher.Amount{}
	return s
}

// CloseAcknowledged books the payee's close receipt. The chain has the last word ([State.Settle]).
func (s State) CloseAcknowledged(tx common.Hash) State {
	s.CloseTx = tx
	return s
}

// Abandoned marks a channel whose payee takes no more vouchers. Its money comes back by a close.
func (s State) Abandoned() State {
	s.Gone = true
	return s
}
