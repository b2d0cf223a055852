package devchain

import "github.com/seed-5fe1f529/tallystick/voucher"

// reserveTopUp adds to the deposit and cancels a pending close. With zero it does only the latter.
func reserveTopUp(r reserveCall) error {
	extra := r.args.amount(96)
	if err := r.check(true); err != nil {
		return err
	}
	cancels := r.ch.closeRequestedAt != 0
	if extra.IsZero() && !cancels {
		return nil
	}
	total, err := r.ch.deposit.Add(extra)
	if err != nil || voucher.V2.Max().Less(total) {
		return revertWith(errDepositOverflow)
	}
	if !extra.IsZero() {
		if err := r.transfer(r.d.Token, r.from, ReserveAddress, extra.Big()); err != nil {
			return err
		}
	}
	r.ch.deposit, r.ch.closeRequestedAt = total, 0
	put(r.s, r.s.reserve, r.id, r.ch)
	if cancels {
		r.event(eventRequestCancelled)
	}
	r.event(eventReserveTopUp, extra, total)
	return nil
}

// reserveRequestClose starts the payer's grace period, once.
func reserveRequestClose(r reserveCall) error {
	if err := r.check(true); err != nil || r.ch.closeRequestedAt != 0 {
		return err
	}
	r.ch.closeRequestedAt = r.now
	put(r.s, r.s.reserve, r.id, r.ch)
	r.event(eventCloseRequested, r.now+closeGrace)
	return nil
}

// reserveWithdraw gives the payer what is not settled, after the grace period.
func reserveWithdraw(r reserveCall) error {
	if err := r.check(true); err != nil {
		return err
	}
	if r.ch.closeRequestedAt == 0 || r.now < r.ch.closeRequestedAt+closeGrace {
		return revertWith(errCloseNotReady)
	}
	return r.finish(r.ch.settled)
}
