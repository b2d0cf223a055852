package client

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// secondPaymentEvery is how long a payee, and an origin, is not paid twice for one request again, unless
// it served another request since.
const secondPaymentEvery = time.Hour

func (a *attempt) payees() [2]string {
	return [2]string{a.origin, a.challenge.offer.Payee.Hex()}
}

// paidTwice reports whether this payee or origin was paid twice for one request lately, and served
// nothing since.
func (a *attempt) paidTwice() bool {
	for _, name := range a.payees() {
		if a.s.twice.within(name, secondPaymentEvery) {
			return true
		}
	}
	return false
}

// beginSecond notes that this request is about to be paid a second time. If other requests at the same
// time were first, the decision is taken back.
func (a *attempt) beginSecond(do purchase.Action) purchase.Action {
	if a.second || !a.decision.Twice {
		return do
	}
	a.second = true
	for _, name := range a.payees() {
		if !a.s.twice.begin(name, secondPaymentEvery) {
			return a.decision.Forbid()
		}
	}
	return do
}

// served notes that the payee served a request that it was paid once for.
func (a *attempt) served() {
	if a.decision.Twice {
		return
	}
	for _, name := range a.payees() {
		a.s.twice.forget(name)
	}
}
