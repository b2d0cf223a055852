package devchain

import "github.com/seed-5fe1f529/tallystick/voucher"

// streamSettle pays the payee the difference to what is settled.
func streamSettle(r streamCall) error {
	cumulative, signature := r.args.amount(128), r.args.bytes()
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
	put(r.s, r.s.streams, r.id, r.ch)
	if err := r.pay(r.ch.payee, delta); err != nil {
		return err
	}
	r.event(eventStreamSettled, cumulative, delta, cumulative)
	return nil
}

// streamClose pays the whole voucher. At or below what is settled no voucher is looked at.
func streamClose(r streamCall) error {
	cumulative, signature := r.args.amount(128), r.args.bytes()
	if err := r.check(false); err != nil {
		return err
	}
	if !r.ch.settled.Less(cumulative) {
		return r.finish(r.ch.settled, false)
	}
	if r.ch.deposit.Less(cumulative) {
		return revertWith(errAmountOverDeposit)
	}
	if err := r.voucher(cumulative, signature); err != nil {
		return err
	}
	return r.finish(cumulative, false)
}

// finish pays out a channel for good and leaves the mark of finalization.
func (r streamCall) finish(total voucher.Amount, expired bool) error {
	put(r.s, r.s.streams, r.id, streamChannel{finalized: true})
	refund := r.ch.deposit.SubFloor(total)
	if err := r.pay(r.ch.payee, total.SubFloor(r.ch.settled)); err != nil {
		return err
	}
	if err := r.pay(r.ch.payer, refund); err != nil {
		return err
	}
	if expired {
		r.event(eventStreamExpired)
	}
	r.event(eventStreamClosed, total, refund)
	return nil
}
