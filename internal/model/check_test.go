package model_test

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// check checks what must hold after each step.
func (w *world) check() {
	var deposits voucher.Amount
	for id := range w.openings {
		on := w.srv.Chain.Channel(id)
		w.deposits[id] = w.deposits[id].Max(on.Deposit)
		deposits = deposits.AddCapped(w.deposits[id])
		if w.lim.Deposit.Less(w.deposits[id]) {
			w.fail("a deposit above the limit", "%s", w.deposits[id])
		}
		s, ok := w.record(id)
		switch {
		case !ok:
			w.fail("a channel is not on record", "%s", id)
		case on.Exists && !s.HoldsMoney():
			w.fail(
				"the record of a channel with money reports none", "%s holds %s and is %s", id,
				on.Deposit, s.Phase(),
			)
		case w.highest[id].Cumulative.Less(on.Settled):
			w.fail(
				"more was settled than was signed", "%s of %s", on.Settled,
				w.highest[id].Cumulative,
			)
		}
	}
	if total, _ := w.lim.Total.Mul(uint64(w.started)); total.Less(deposits) {
		w.fail("the deposits exceed the total", "%s by %d sessions", deposits, w.started)
	}
	var authorized voucher.Amount
	for _, s := range w.records() {
		authorized = authorized.AddCapped(s.Authorized())
		most := w.lim.Ahead
		for _, c := range w.calls {
			if c.channels[s.ID] || !c.completed {
				most = most.AddCapped(w.agreed(c))
			}
		}
		switch authorized := s.Authorized(); {
		case most.Less(authorized):
			w.fail(
				"more is authorized than the callers requested", "%s on %s, of %s in %d calls",
				authorized, s.ID, most, len(w.calls),
			)
		case w.lim.Deposit.Less(authorized):
			w.fail("more is authorized than the limit", "%s", authorized)
		case authorized.Less(s.Signed):
			w.fail("more is signed than authorized", "%s above %s", s.Signed, authorized)
		case authorized.Less(w.highest[s.ID].Cumulative):
			w.fail(
				"a signature above the stored sum", "%s above %s", w.highest[s.ID].Cumulative,
				authorized,
			)
		}
	}
	w.checkCalls()
	w.checkBudgets(authorized)
	// A month authorizes the total. Neither of the two processes must have seen the other's latest
	// writes.
	if most, _ := w.lim.Total.Mul(2); most.Less(authorized) {
		w.fail("all channels authorized more than the total", "%s", authorized)
	}
}

// finish checks all signatures and the chain, and makes the server honest.
func (w *world) finish() {
	for id, v := range w.highest {
		s, ok := w.record(id)
		if !ok {
			w.fail("a channel is not on record", "%s", id)
		}
		if err := voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {
			w.fail("an invalid signature", "%v", err)
		}
	}
	w.srv.Lie()
	w.srv.Chain.Advance(time.Minute) // transactions that the server withheld expire
	if err := w.srv.Chain.Check(); err != nil {
		w.fail("the balances on the chain do not add up", "%v", err)
	}
}
