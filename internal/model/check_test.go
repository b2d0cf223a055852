package model_test

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// check looks at all that has to hold after each step.
func (w *world) check() {
	var deposits voucher.Amount
	for id := range w.openings {
		on := w.srv.Chain.Channel(id)
		w.deposits[id] = w.deposits[id].Max(on.Deposit)
		deposits = deposits.AddCapped(w.deposits[id])
		if w.lim.Deposit.Less(w.deposits[id]) {
			w.broken("a deposit above the limit", "%s", w.deposits[id])
		}
		s, ok := w.record(id)
		switch {
		case !ok:
			w.broken("a channel is not on record", "%s", id)
		case on.Exists && !s.HoldsMoney():
			w.broken("a record has forgotten its money", "%s holds %s and is %s", id, on.Deposit, s.Phase())
		case w.highest[id].Cumulative.Less(on.Settled):
			w.broken("more was settled than was signed", "%s of %s", on.Settled, w.highest[id].Cumulative)
		}
	}
	if total, _ := w.lim.Total.Mul(uint64(w.born)); total.Less(deposits) {
		w.broken("more deposits than the total", "%s by %d sessions", deposits, w.born)
	}
	var authorized voucher.Amount
	for _, s := range w.records() {
		authorized = authorized.AddCapped(s.Authorized())
		most := w.lim.Ahead
		for _, c := range w.calls {
			if c.channels[s.ID] || !c.clean {
				most = most.AddCapped(w.agreed(c))
			}
		}
		switch authorized := s.Authorized(); {
		case most.Less(authorized):
			w.broken("more is authorized than was asked for", "%s on %s, of %s in %d calls", authorized, s.ID, most, len(w.calls))
		case w.lim.Deposit.Less(authorized):
			w.broken("more is authorized than the limit", "%s", authorized)
		case authorized.Less(s.Signed):
			w.broken("more is signed than authorized", "%s above %s", s.Signed, authorized)
		case authorized.Less(w.highest[s.ID].Cumulative):
			w.broken("a signature above what the store holds now", "%s above %s", w.highest[s.ID].Cumulative, authorized)
		}
	}
	w.checkCalls()
	w.checkBudgets(authorized)
	// A month authorizes the total. Each of two processes may not have seen what the other did a moment ago.
	if most, _ := w.lim.Total.Mul(2); most.Less(authorized) {
		w.broken("more is authorized in all than the total", "%s", authorized)
	}
}

// finish lets the server be honest and everything be sound, and looks whether life goes on.
func (w *world) finish() {
	for id, v := range w.highest {
		s, ok := w.record(id)
		if !ok {
			w.broken("a channel is not on record", "%s", id)
		}
		if err := voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {
			w.broken("a signature that is none", "%v", err)
		}
	}
	w.srv.Lie()
	w.srv.Chain.Advance(time.Minute) // a transaction that was kept back is void by then
	if err := w.srv.Chain.Check(); err != nil {
		w.broken("the chain's books do not add up", "%v", err)
	}
}
