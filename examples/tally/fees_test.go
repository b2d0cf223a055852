package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// withFees is a user on a chain with fees, with limits that leave room for them.
func withFees(t *testing.T) *shell {
	s := newShell(t, clienttest.Config{BaseFee: 20_000_000_000})
	s.env["TALLY_MAX_DEPOSIT"], s.env["TALLY_MAX_FEE"] = "1", "0.05"
	return s
}

// TestFees: what an opening cost is what left the wallet, wherever it is shown, and the chain agrees to the unit.
func TestFees(t *testing.T) {
	s := withFees(t)
	began := s.srv.Chain.Balance(s.key.Address)
	report := filepath.Join(t.TempDir(), "report.json")
	e := s.run("-v", "--json-report", report, "-w", "%{payment_fees} %{payment_fees_currency} %{payment_fees_known}\n", "/data")
	require.Equal(t, 0, e.code, e.stderr)
	account := s.books(100)
	charged := began.SubFloor(account.Deposit).SubFloor(s.srv.Chain.Balance(s.key.Address))
	fee := tokens(charged)
	assert.Contains(t, e.stdout, "\n"+fee+" pathUSD true\n")
	assert.Regexp(t, `paid 0.0001 pathUSD \(channel .*\); fees: `+regexp.QuoteMeta(fee)+" pathUSD\n", e.stderr)
	assert.Regexp(t, `\* opening .* fee <= 0\.0\d+ pathUSD`, e.stderr)
	assert.Regexp(t, `\* fee .* fee `+regexp.QuoteMeta(fee)+" pathUSD", e.stderr)
	var got money
	text, err := os.ReadFile(report)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &got))
	require.Len(t, got.Fees, 1)
	assert.Equal(t, charged, got.Fees[0].Charged)
	assert.True(t, got.Fees[0].Known)
	assert.Equal(t, "pathUSD", got.Fees[0].Symbol)
	for _, of := range [][]string{
		{"channels"}, {"channels", "show", "0x"}, {"ledger"}, {"spend"}, {"ledger", "--check"}, {"ledger", "--html", "-"},
	} {
		assert.Contains(t, s.ok(of...), fee, "%s", of)
	}
	assert.Regexp(t, "\n60 minutes, fees .* "+regexp.QuoteMeta(fee)+" ", s.ok("budget"))
	assert.Contains(t, s.ok("ledger", "--check"), "agrees: 3 lines, 0.0001 pathUSD authorized, 0.01 pathUSD put in, fees "+fee+" pathUSD, open")
	assert.NotContains(t, s.run("/data").stderr, "fees", "no transaction was made for it")

	s.env["TALLY_MAX_FEE"] = "0.001"
	e = s.run("/v1/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Regexp(t, `refused: a transaction for it can cost 0\.0\d+, and --max-fee is 0.001 pathUSD\n  nothing was signed for it\n  to allow it: --max-fee 0\.`, e.stderr)
}

// TestSponsoredFees are shown as such.
func TestSponsoredFees(t *testing.T) {
	s := withFees(t)
	e := s.run("-w", "%{payment_fees} %{payment_fees_known}\n", "/sponsored")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stdout, "\n0 true\n")
	assert.Contains(t, e.stderr, "; fees: sponsored\n")
	assert.Contains(t, s.ok("ledger"), " sponsored ")
	assert.Contains(t, s.ok("ledger", "--check"), "agrees")
}

// TestLedgerCheckOfFees: a fee that the lines, the record and the chain do not agree on, to the unit, is named.
func TestLedgerCheckOfFees(t *testing.T) {
	s := withFees(t)
	s.ok("/data")
	whole, err := os.ReadFile(s.lines())
	require.NoError(t, err)
	charged := regexp.MustCompile(`"charged":"(\d+)","known":true`)
	found := charged.FindStringSubmatch(string(whole))
	require.NotNil(t, found, "%s", whole)
	cost, err := voucher.ParseAmount(found[1])
	require.NoError(t, err)
	differs := func(text string) string {
		require.NoError(t, os.WriteFile(s.lines(), []byte(text), 0o600))
		e := s.run("ledger", "--check")
		assert.Equal(t, exitState, e.code, e.stderr)
		return e.stdout
	}
	less := cost.SubFloor(voucher.Units(1))
	out := differs(strings.Replace(string(whole), found[0], `"charged":"`+less.String()+`","known":true`, 1))
	assert.Contains(t, out, "the record has fees of "+tokens(cost)+" pathUSD, the lines explain "+tokens(less)+" pathUSD")
	assert.Contains(t, out, "the chain charged "+tokens(cost)+" pathUSD, the line says "+tokens(less)+" pathUSD")

	var kept []string
	for _, line := range strings.SplitAfter(string(whole), "\n") {
		if !strings.Contains(line, `"kind":"fee"`) {
			kept = append(kept, line)
		}
	}
	out = differs(strings.Join(kept, ""))
	assert.Contains(t, out, "the lines say that transactions cost 0.0")
	assert.Regexp(t, "the chain charged "+tokens(cost)+" pathUSD, the line says at most 0.0", out)

	out = differs(regexp.MustCompile(`"transaction":"0x[0-9a-f]{8}`).ReplaceAllString(string(whole), `"transaction":"0xffffffff`))
	assert.Contains(t, out, "the line says that it cost "+tokens(cost)+" pathUSD, and the node has no receipt of it")
	delete(s.env, "TALLY_RPC_URL")
	require.NoError(t, os.WriteFile(s.lines(), whole, 0o600))
	assert.Contains(t, s.ok("ledger", "--check"), "agrees")
}
