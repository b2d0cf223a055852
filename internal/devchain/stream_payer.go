package devchain

import (
	"math/big"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// streamTopUp adds to the deposit and cancels a pending close. It cannot be used with zero.
func streamTopUp(r streamCall) error {
	extra := r.args.number()
	if err := r.check(true); err != nil {
		return err
	}
	if extra.Sign() == 0 {
		return revertWith(errZeroDeposit)
	}
	total, err := voucher.AmountFromBig(new(big.Int).Add(r.ch.deposit.Big(), extra))
	if err != nil {
		return revertWith(errDepositOverflow)
	}
	if err := r.transferFrom(r.ch.token, r.cfg.StreamChannel, r.from, r.cfg.StreamChannel, extra); err != nil {
		return err
	}
	cancels := r.ch.closeRequestedAt != 0
	r.ch.deposit, r.ch.closeRequestedAt = total, 0
	put(r.s, r.s.streams, r.id, r.ch)
	if cancels {
		r.event(eventRequestCancelled)
	}
	r.event(eventStreamTopUp, extra, total)
	return nil
}

// streamRequestClose starts the payer's grace period, once.
func streamRequestClose(r streamCall) error {
	if err := r.check(true); err != nil || r.ch.closeRequestedAt != 0 {
		return err
	}
	r.ch.closeRequestedAt = r.now
	put(r.s, r.s.streams, r.id, r.ch)
	r.event(eventCloseRequested, r.now+closeGrace)
	return nil
}

// streamWithdraw gives the payer what is not settled, after the grace period.
func streamWithdraw(r streamCall) error {
	if err := r.check(true); err != nil {
		return err
	}
	if r.ch.closeRequestedAt == 0 || r.now < r.ch.closeRequestedAt+closeGrace {
		return revertWith(errCloseNotReady)
	}
	return r.finish(r.ch.settled, true)
}
