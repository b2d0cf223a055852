package client_test

import (
	"time"

	. "github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// purchaseTable collects the rows of TestHostilePurchases.
type purchaseTable []purchaseTrial

// add adds the row once for each lie, which joins the lies of the row.
func (t *purchaseTable) add(m purchaseTrial, each ...Lie) {
	for _, l := range each {
		one := m
		one.lies = append([]Lie{l}, m.lies...)
		*t = append(*t, one)
	}
}

var bounces = []Lie{BounceFound, BounceSeeOther, BounceTemporary, BouncePermanent}

// purchaseTrials returns the table of TestHostilePurchases.
func purchaseTrials() (t purchaseTable) {
	for _, part := range []func(*purchaseTable){flips, refusals, gone, budgets, waits} {
		part(&t)
	}
	return t
}

// flips adds terms that change back and forth, alone and between redirects.
func flips(t *purchaseTable) {
	for _, warm := range []bool{false, true} {
		m := purchaseTrial{warm: warm}
		t.add(m, FlipProtocol, FlipProtocolOnce, FlipPayee, FlipPayeeOnce, FlipErratic)
		m.path = "/v1/data"
		t.add(m, FlipProtocol, FlipPayee, FlipErratic)
		m.openings = 1
		t.add(m, FlipEscrow)
		m.path = ""
		t.add(m, FlipEscrow)
		t.add(purchaseTrial{warm: warm, openings: 1, price: 400, most: 3 * 400}, PriceClimbs)
		// A policy that accepts all payees of an origin opens one channel for each payee.
		strangers := purchaseTrial{warm: warm, openings: 4}
		t.add(strangers, FlipStrangers)
		for _, b := range bounces {
			t.add(purchaseTrial{warm: warm, lies: []Lie{b}}, FlipProtocol, FlipPayee)
			strangers.lies = []Lie{b}
			t.add(strangers, FlipStrangers)
		}
	}
	// A policy that accepts the other unit accepts Limits.Stream with it.
	unit := purchaseTrial{path: "/stream/30/10", times: 1, most: 10, hosts: 200, openings: 1}
	t.add(unit, UnitBecomesChunk)
	for _, path := range []string{"", "/v1/data"} {
		fees := purchaseTrial{path: path, openings: 1, most: 300}
		t.add(fees, FeeTokenFlips, SponsorAppears, SponsorVanishes)
	}
}

// refusals adds each type of refusal between redirects.
func refusals(t *purchaseTable) {
	for _, why := range []Lie{
		ProblemUnknown, ProblemBalance, ProblemDelta, ProblemSignature, ProblemUnverified,
		ProblemMalformed, ProblemRequired, ProblemPayload, ProblemChallenge, ProblemExpired,
		ProblemInsufficient, ProblemDeposit, ProblemNone, GoneAgain, GoneFinalized, GoneQuietly,
		GoneAfterVoucher, RefuseAfterCharge, GoneAfterCharge,
	} {
		t.add(purchaseTrial{warm: true, lies: []Lie{why}}, bounces...)
	}
}

// gone adds repeated 410s. They cost one more deposit and one more price.
func gone(t *purchaseTable) {
	for _, path := range []string{"", "/v1/data"} {
		m := purchaseTrial{warm: true, path: path, times: 10}
		t.add(m, GoneAgain, GoneAfterVoucher, GoneAfterCharge, GoneAlways)
		m.again = 1
		t.add(m, GoneFinalized)
	}
}

// budgets adds servers that take vouchers without serving. Budgets bound what they can take.
func budgets(t *purchaseTable) {
	takers := []Lie{
		RefuseAfterCharge, GoneAfterCharge, GoneAfterVoucher, GoneAgain, ErrorAfterCharge,
		CutAfterCharge, BusyForever, FlipProtocol, FlipPayee, FlipErratic, ProblemBalance,
		RedirectToll,
	}
	m := purchaseTrial{warm: true, times: 5, price: 1000}
	m.run = 250
	t.add(m, takers...)
	m.run, m.hour, m.most = 0, 450, 250 // 200 of it is spent
	t.add(m, takers...)
}

// waits adds headers that the server chooses, and endless bodies.
func waits(t *purchaseTable) {
	m := purchaseTrial{openings: 1, most: 300}
	t.add(m, IntoIdempotency, IntoIdempotencyX)
	m.times, m.most = 1, 100
	t.add(m, SlowChallenge)
	m = purchaseTrial{
		openings: 1,
		price:    10,
		most:     20,
		times:    1,
		path:     "/stream/5/10",
		stall:    400 * time.Millisecond,
	}
	t.add(m, StreamPings)
}
