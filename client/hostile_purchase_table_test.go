package client_test

import (
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
	t.add(mindChange{warm: true}, FlipProtocolOnce, FlipPayeeOnce, FlipErratic, FlipStrangers)
	t.add(mindChange{warm: true, path: "/v1/data"}, FlipErratic)
	for _, warm := range []bool{false, true} {
		for _, path := range []string{"", "/v1/data"} {
			t.add(mindChange{warm: warm, openings: 1, path: path}, FlipEscrow)
		}
		t.add(mindChange{warm: warm, openings: 1, price: 400, most: 3 * 400}, PriceClimbs)
	}
	for _, b := range bounces {
		t.add(mindChange{warm: true, lies: []Lie{b}}, FlipProtocol, FlipPayee, FlipStrangers)
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
		CutAfterCharge, BusyForever, FlipErratic, ProblemBalance,
	}
	m := mindChange{warm: true, times: 5, price: 1000}
	m.run = 250
	t.add(m, takers...)
	m.run, m.hour, m.most = 0, 450, 250 // 200 of it is spent
	t.add(m, takers...)
}

// waits: headers that the server chooses, and bodies without an end.
func waits(t *mindTable) {
	t.add(mindChange{openings: 1, most: 300}, IntoIdempotency)
}
