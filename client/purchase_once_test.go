package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// errand is one request to a payee that changes what it wants after it was paid.
type errand struct {
	path  string // /data
	body  string // sent with a POST; empty means a GET
	cold  bool   // there is no channel yet; otherwise there is one of each protocol
	turns []turn
	// most may be signed for the request in all: 100, one price.
	most uint64
	// openings is how many channels may be opened: none, or one if cold.
	openings int
}

// onePrice is the price of /data, and twoPrices is what a second payment makes of it.
const (
	onePrice  = 100
	twoPrices = 2 * onePrice
)

// TestOneRequestIsOnePurchase: whatever a payee wants after it was paid, in whatever order and
// wherever it redirects to, one request signs one price, or two by the second payment rule. Its
// budget is charged for all of it, every answered challenge was consented to, and the outcome shows
// that vouchers left.
func TestOneRequestIsOnePurchase(t *testing.T) {
	for name, e := range errands() {
		for _, policy := range []string{"pin", "hosts", "approve"} {
			t.Run(name+", "+policy, func(t *testing.T) { e.run(t, policy) })
		}
	}
}

func (e errand) run(t *testing.T, policy string) {
	t.Parallel()
	srv := clienttest.New(t, clienttest.Config{})
	agreed := &consents{srv: srv}
	p := newPayer(t, srv, func(c *client.Config) { agreed.install(c, policy) })
	if !e.cold {
		p.get("/data")
		p.get("/v1/data")
	}
	e.path = defaulted(e.path, "/data")
	before := p.signed()
	bare, _, _ := strings.Cut(e.path, "?")
	l := p.follow(wants("", bare), e.turns...)

	const budget = 5000
	run := client.NewBudget(asset(srv), u(budget))
	ctx := client.WithBudget(t.Context(), run)
	req := p.request(ctx, http.MethodGet, e.path, nil)
	if e.body != "" {
		req = p.request(ctx, http.MethodPost, e.path, strings.NewReader(e.body))
	}
	resp, err := p.send(req)
	outcome, _, err := finish(t, resp, err)

	grown := p.signedAbove(before)
	assert.False(
		t, u(defaulted(e.most, onePrice)).Less(grown), "signed %s for one request (%v)", grown, err,
	)
	taken := u(budget).SubFloor(run.Left())
	assert.False(t, taken.Less(grown), "signed %s, and the budget counts %s", grown, taken)
	openings := e.openings
	if e.cold {
		openings = max(openings, 1)
	}
	assert.LessOrEqual(t, len(l.openings()), openings, "channels opened")
	assert.NotEmpty(t, l.spenders(), "nothing was paid: the test tests nothing")
	if outcome != "" { // http.Client itself gives up after ten redirects
		assert.NotContains(t, []client.Outcome{
			client.OutcomeNone, client.OutcomeRefused, client.OutcomeNotSent,
		}, outcome, "%d vouchers left", len(l.spenders()))
	}
	agreed.cover(t, &victim{payer: p, wire: l})
}

// errands are the rows of TestOneRequestIsOnePurchase.
func errands() map[string]errand {
	const (
		refused    = "payment-required"
		stale      = "invalid-challenge"
		unverified = "verification-failed"
	)
	all := map[string]errand{
		"v1, v2, v2 again, then away": {most: twoPrices, turns: append(
			[]turn{wants(refused, "/v1/data"), wants(refused, "/data"), wants(unverified, "/data")},
			around(
				60, leads(http.StatusFound, "/data"), wants(refused, "/v1/data"),
				wants(unverified, "/v1/data"), wants(refused, "/data"), wants(unverified, "/data"),
			)...,
		)},
		"v2, v1, v1 again, then away": {path: "/v1/data", most: twoPrices, turns: append(
			[]turn{wants(refused, "/data"), wants(unverified, "/data"), wants(refused, "/v1/data")},
			around(
				60, leads(http.StatusFound, "/v1/data"), wants(refused, "/data"),
				wants(refused, "/v1/data"), wants(unverified, "/v1/data"), wants(stale, "/data"),
			)...,
		)},
		"no reason at all": {most: twoPrices, turns: around(
			60, wants("", "/v1/data"), wants("", "/data"), wants("", "/data"),
			leads(http.StatusFound, "/data"),
		)},
		"v1 and v2 for a body": {body: "x", most: twoPrices, turns: around(
			60, wants(refused, "/v1/data"), wants(refused, "/data"),
			leads(http.StatusPermanentRedirect, "/data"),
		)},
		"no channel yet": {cold: true, most: twoPrices, turns: around(
			9, wants(refused, "/v1/data"), wants(refused, "/data"),
		)},
		"no channel yet, v1 first": {cold: true, path: "/v1/data", most: twoPrices, turns: around(
			9, wants(refused, "/data"), wants(refused, "/v1/data"),
		)},
		"another payee each time": {most: twoPrices, cold: true, turns: []turn{
			wants(
				refused, "/data", payeeIs(stranger(1)),
			), wants(refused, "/data", payeeIs(stranger(2))),
			leads(http.StatusFound, "/data"), wants(refused, "/data", payeeIs(stranger(3))),
			wants(refused, "/data", payeeIs(stranger(4))), leads(http.StatusFound, "/data"),
			wants(refused, "/data", payeeIs(stranger(5))), leads(http.StatusFound, "/data"),
		}},
		"three payees over both protocols": {most: twoPrices, openings: 1, turns: around(
			40, wants(refused, "/v1/data", payeeIs(stranger(1))),
			wants(refused, "/data", payeeIs(stranger(2))), leads(http.StatusSeeOther, "/data"),
			wants(stale, "/v1/data"), wants(refused, "/data"),
		)},
		"an operator comes and goes": {most: twoPrices, openings: 1, turns: around(
			40, wants(refused, "/data", operatorIs(stranger(1))), wants(refused, "/data"),
			leads(http.StatusFound, "/data"),
		)},
		"the unit comes and goes": {turns: around(
			40, wants(refused, "/data", unitIs("chunk")), wants(refused, "/data"),
			leads(http.StatusFound, "/data"),
		)},
		"the price falls and rises": {turns: around(
			40, wants(refused, "/data", priceIs("40")), wants(refused, "/data"),
			leads(http.StatusFound, "/data"), wants(refused, "/data", priceIs("70")),
		)},
		"the price rises over hops": {most: 160, turns: []turn{
			wants(refused, "/data", priceIs("120")), leads(http.StatusFound, "/data"),
			wants(refused, "/data", priceIs("140")), leads(http.StatusFound, "/data"),
			wants(refused, "/data", priceIs("160")), leads(http.StatusFound, "/data"),
			wants(refused, "/data", priceIs("100")),
		}},
		"gone and back": {most: twoPrices, openings: 1, turns: around(
			40, unknown("session/channel-not-found"), leads(http.StatusFound, "/data"),
			wants(refused, "/v1/data"), unknown(""), leads(http.StatusFound, "/v1/data"),
		)},
		"gone under both protocols": {most: twoPrices, openings: 2, cold: true, turns: around(
			40, unknown("session/channel-finalized"), wants(refused, "/v1/data"), unknown(""),
		)},
		"a stream": {path: "/stream?n=5", most: 60, cold: true, turns: []turn{
			wants(
				refused, "/v1/stream",
			), wants(refused, "/stream"), leads(http.StatusFound, "/stream?n=5"),
			wants(refused, "/v1/stream"), wants(stale, "/stream"), serves,
		}},
		"a stream over v1": {path: "/v1/stream?n=5", most: 60, turns: []turn{
			wants(refused, "/stream"), wants(unverified, "/v1/stream"), wants(refused, "/stream"),
			leads(
				http.StatusTemporaryRedirect, "/v1/stream?n=5",
			), wants(stale, "/v1/stream"), serves,
		}},
	}
	for _, status := range []int{
		http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	} {
		all[fmt.Sprintf("redirects of %d", status)] = errand{most: twoPrices, turns: around(
			60, wants(refused, "/v1/data"), wants(unverified, "/v1/data"),
			leads(status, "/v1/data"), wants(refused, "/data"), leads(status, "/data"),
		)}
	}
	for _, problem := range []string{
		"session/insufficient-balance", "session/amount-exceeds-deposit", "session/delta-too-small",
		"session/invalid-signature", "malformed-credential", "invalid-payload", "payment-expired",
		"payment-insufficient", "method-unsupported",
	} {
		all["refused as "+problem] = errand{most: twoPrices, turns: around(
			60, wants(problem, "/v1/data"), wants(problem, "/v1/data"), wants(problem, "/data"),
			wants(problem, "/data"), leads(http.StatusFound, "/data"),
		)}
	}
	return all
}
