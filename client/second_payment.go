package client

import (
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
)

// secondPaymentEvery is how long a payee, and an origin, is not paid twice for one request again,
// and gets no deposit in place of one that it does not take, unless it served another request
// since: content for a request that began after it.
const secondPaymentEvery = time.Hour

// paidTwice reports whether this payee or origin was paid twice for one request lately, or got
// another deposit, and served nothing since.
func (a *attempt) paidTwice() bool {
	return a.s.twice.within(secondPaymentEvery, a.origin.Text, a.challenge.offer.Payee.Hex())
}

// beginSecond notes that this request is about to be paid a second time, or to lock another
// deposit. If other requests at the same time were first, the decision is taken back.
func (a *attempt) beginSecond(do purchase.Action) purchase.Action {
	a.second = true
	for _, name := range []string{a.origin.Text, a.challenge.offer.Payee.Hex()} {
		if !a.s.twice.begin(name, secondPaymentEvery) {
			return a.decision.Forbid()
		}
	}
	return do
}
