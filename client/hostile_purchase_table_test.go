package client_test

import (
	"time"

	. "github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// mindTable collects the rows of TestHostileMindChanges.
type mindTable []mindChange

// add adds the row once for each lie, on top of those that it has already.
func (t *mindTable) add(m mindChange, each ...Lie) {
	for _, l := range each {
		one := m
		one.lies = append([]Lie{l}, m.lies...)
		*t = append(*t, one)
	}
}

var bounces = []Lie{BounceFound, BounceSeeOther, BounceTemporary, BouncePermanent}

// mindChanges is the table of TestHostileMindChanges.
func mindChanges() (t mindTable) {
	for _, part := range []func(*mindTable){flips, refusals, gone, budgets, waits} {
		part(&t)
	}
	return t
}

// flips: terms that change back and forth, alone and between redirects.
func flips(t *mindTable) {
	for _, warm := range []bool{false, true} {
		m := mindChange{warm: warm}
		t.add(m, FlipProtocol, FlipProtocolOnce, FlipPayee, FlipPayeeOnce, FlipErratic)
		m.path = "/v1/data"
		t.add(m, FlipProtocol, FlipPayee, FlipErratic)
		m.openings = 1
		t.add(m, FlipEscrow)
		m.path = ""
		t.add(m, FlipEscrow)
		t.add(mindChange{warm: warm, openings: 1, price: 400, most: 3 * 400}, PriceClimbs)
		// Whoever trusts all payees of an origin opens one channel for each of them.
		strangers := mindChange{warm: warm, openings: 4}
		t.add(strangers, FlipStrangers)
		for _, b := range bounces {
			t.add(mindChange{warm: warm, lies: []Lie{b}}, FlipProtocol, FlipPayee)
			strangers.lies = []Lie{b}
			t.add(strangers, FlipStrangers)
		}
	}
	// A policy that accepts the other unit accepts Limits.Stream with it.
	unit := mindChange{path: "/stream/30/10", times: 1, most: 10, hosts: 200, openings: 1}
	t.add(unit, UnitBecomesChunk)
	for _, path := range []string{"", "/v1/data"} {
		fees := mindChange{path: path, openings: 1, most: 300}
		t.add(fees, FeeTokenFlips, SponsorAppears, SponsorVanishes)
	}
}

// refusals: every reason for a refusal, between redirects.
func refusals(t *mindTable) {
	for _, why := range []Lie{
		ProblemUnknown, ProblemBalance, ProblemDelta, ProblemSignature, ProblemUnverified,
		ProblemMalformed, ProblemRequired, ProblemPayload, ProblemChallenge, ProblemExpired,
		ProblemInsufficient, ProblemDeposit, ProblemNone, GoneAgain, GoneFinalized, GoneQuietly,
		GoneAfterVoucher, RefuseAfterCharge, GoneAfterCharge,
	} {
		t.add(mindChange{warm: true, lies: []Lie{why}}, bounces...)
	}
}

// gone: a channel that is called gone again and again costs one more deposit and one more price.
func gone(t *mindTable) {
	for _, path := range []string{"", "/v1/data"} {
		m := mindChange{warm: true, path: path, times: 10}
		t.add(m, GoneAgain, GoneAfterVoucher, GoneAfterCharge)
		m.again = 1
		t.add(m, GoneFinalized)
	}
}

// budgets: they hold what can be taken, however it is refused.
func budgets(t *mindTable) {
	takers := []Lie{
		RefuseAfterCharge, GoneAfterCharge, GoneAfterVoucher, GoneAgain, ErrorAfterCharge,
		CutAfterCharge, BusyForever, FlipProtocol, FlipPayee, FlipErratic, ProblemBalance,
		RedirectToll,
	}
	m := mindChange{warm: true, times: 5, price: 1000}
	m.run = 250
	t.add(m, takers...)
	m.run, m.hour, m.most = 0, 450, 250 // 200 of it is spent
	t.add(m, takers...)
}

// waits: headers that the server chooses, and bodies without an end.
func waits(t *mindTable) {
	m := mindChange{openings: 1, most: 300}
	t.add(m, IntoIdempotency, IntoIdempotencyX)
	m.times, m.most = 1, 100
	t.add(m, SlowChallenge)
	m = mindChange{
		openings: 1,
		price:    10,
		most:     20,
		times:    1,
		path:     "/stream/5/10",
		stall:    400 * time.Millisecond,
	}
	t.add(m, StreamPings)
}
