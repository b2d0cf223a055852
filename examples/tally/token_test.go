package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
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
	} {
		assert.Contains(t, s.ok(of...), "otherUSD", "%s", of)
	}
	s.env["TALLY_MAX_PRICE"] = "0.001"
	e = s.run("/data")
	assert.Equal(t, exitRefused, e.code, "a flag is in dollars: %s", e.stderr)
	s.books(100)
}
