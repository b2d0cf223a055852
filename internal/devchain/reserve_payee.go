package devchain

import "github.com/seed-5fe1f529/tallystick/voucher"

// reserveSettle pays the payee the difference to what is settled.
func reserveSettle(r reserveCall) error {
	cumulative, signature := r.args.amount(96), r.args.bytes()
	if err := r.check(false); err != nil {
		return err
	}
	switch {
	case r.ch.deposit.Less(cumulative):
		return revertWith(errAmountOverDeposit)
	case !r.ch.settled.Less(cumulative):
		return revertWith(errNotIncreasing)
	}
	if err := r.voucher(cumulative, signature); err != nil {
		return err
	}
	delta := cumulative.SubFloor(r.ch.settled)
	r.ch.settled = cumulative
	put(r.s, r.s.reserve, r.id, r.ch)
	if err := r.pay(r.d.Payee, delta); err != nil {
		return err
	}
	r.event(eventReserveSettled, cumulative, delta, cumulative)
	return nil
}

// reserveClose pays the capture and gives the rest back. A capture of no more than is settled needs
// no voucher.
func reserveClose(r reserveCall) error {
	cumulative, capture, signature := r.args.amount(96), r.args.amount(96), r.args.bytes()
	if err := r.check(false); err != nil {
		return err
	}
	switch {
	case capture.Less(r.ch.settled) || cumulative.Less(capture):
		return revertWith(errCaptureInvalid)
	case r.ch.deposit.Less(capture):
		return revertWith(errAmountOverDeposit)
	}
	if r.ch.settled.Less(capture) {
		if err := r.voucher(cumulative, signature); err != nil {
			return err
		}
	}
	return r.finish(capture)
}

// finish pays out a channel for good: to the payee what is captured and not yet settled, to the payer
// the rest.
func (r reserveCall) finish(capture voucher.Amount) error {
	drop(r.s, r.s.reserve, r.id)
	refund := r.ch.deposit.SubFloor(capture)
	if err := r.pay(r.d.Payee, capture.SubFloor(r.ch.settled)); err != nil {
		return err
	}
	if err := r.pay(r.d.Payer, refund); err != nil {
		return err
	}
	r.event(eventReserveClosed, capture, refund)
	return nil
}
