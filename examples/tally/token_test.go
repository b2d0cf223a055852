package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestKnownTokens: each token that limits are for without being named has its balance and its symbol shown.
func TestKnownTokens(t *testing.T) {
	for c := range channel.Dollars() {
		shown := func(h holding) bool { return h.Token == c.Token && h.Symbol == c.Symbol }
		assert.True(t, slices.ContainsFunc((&world{}).known(c.ChainID), shown), "%s", c)
		assert.Equal(t, c, (&world{}).currencyOf(c.ChainID, c.Token))
	}
}

// TestTokenThatThePolicyNames is paid in within its own limits, and has its symbol wherever an amount of it is shown.
func TestTokenThatThePolicyNames(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.Token = s.srv.OtherToken
	s.policy(fmt.Sprintf("limits.price = '1'\nlimits.deposit = '1'\n[asset.'%s']\nchain = %d\nsymbol = 'otherUSD'\n"+
		"decimals = 6\nprice = '0.001'\ndeposit = '0.1'\n", s.srv.OtherToken, s.srv.ChainID))
	e := s.run("-v", "-w", "%{payment_amount} %{payment_currency}\n", "/data")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stdout, "0.0001 otherUSD\n")
	for _, says := range []string{
		"* opening ", "price 0.0001 otherUSD", "deposit 0.01 otherUSD", "paid 0.0001 otherUSD (channel ", "0.0099 otherUSD stays in it",
	} {
		assert.Contains(t, e.stderr, says)
	}
	for _, of := range [][]string{
		{"channels"},
		{"channels", "show", "0x"},
		{"ledger"},
		{"ledger", "--csv"},
		{"ledger", "--json"},
		{"ledger", "--check"},
		{"ledger", "--html", "-"},
		{"spend"},
		{"balance"},
		{"budget"},
		{"quote", "/data"},
		{"channels", "sync", "--all"},
		{"doctor"},
		{"__complete", "close", ""},
	} {
		assert.Contains(t, s.ok(of...), "otherUSD", "%s", of)
	}
	s.env["TALLY_MAX_PRICE"] = "0.001"
	e = s.run("/data")
	assert.Equal(t, exitRefused, e.code, "a flag is in dollars: %s", e.stderr)
	s.books(100)
	assert.Contains(t, s.ok("close"), " closed: 0.0001 otherUSD paid, 0.0099 otherUSD back\n")
	for _, of := range [][]string{{"channels", "archive"}, {"channels", "archive", "--json"}} {
		assert.Contains(t, s.ok(of...), "otherUSD", "%s", of)
	}
	delete(s.env, "TALLY_POLICY")
	for _, of := range [][]string{{"channels", "archive"}, {"channels", "--all"}} {
		assert.Regexp(t, `(?i) 10000u .* `+s.srv.OtherToken.Hex()[:10], s.ok(of...), "%s, without the policy", of)
	}
}

// TestTokenThatNobodyKnows has its amounts in base units: a guess of its decimals could be far off.
func TestTokenThatNobodyKnows(t *testing.T) {
	unknown := channel.Currency{Asset: channel.Asset{ChainID: 1, Token: common.Address{0xab}}}
	err := &channel.ViolationError{What: "more was spent", Claimed: voucher.Units(7_654_321), Bound: voucher.Units(1_234_567), Currency: unknown}
	text := speaker{unknown}.explain(err).lines()
	assert.Contains(t, text, "more was spent: 7654321u 0xab000000, at most 1234567u 0xab000000 is possible")

	var found []string
	c, d := census{locked: map[channel.Currency]voucher.Amount{}}, &doctor{world: &world{}}
	for _, token := range []common.Address{escrow.PathUSD, unknown.Token, escrow.PathUSD} {
		c.count(channel.Info{
			Phase: channel.Open, ChainID: escrow.Mainnet, Descriptor: channel.Descriptor{Token: token}, Deposit: voucher.Units(1_000_000),
		}, nil, d)
	}
	for _, one := range c.symptoms("store") {
		found = append(found, one.text)
	}
	assert.Contains(t, found, "3 hold 1000000u 0xab000000, 2 pathUSD", "tokens are not added up")
}
