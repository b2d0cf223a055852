package main

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestTopUpCommand puts in what it is given, within --max-deposit and the policy, and says what is missing.
func TestTopUpCommand(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	id := s.books(100).ChannelID
	holds := func(want uint64) {
		t.Helper()
		assert.Equal(t, voucher.Units(want), s.srv.Chain.Channel(id).Deposit)
	}
	e := s.process(nil, nil, "channels", "top-up", id.Hex(), "0.02")
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, short(id)+" holds 0.03 pathUSD now, 0.0001 of it used\n", e.stdout)
	holds(30_000)
	assert.Contains(t, s.run("channels", "top-up", "-v", short(id), "10000u").stderr, "* topping_up "+short(id)+", deposit 0.04")
	holds(40_000)
	assert.Contains(t, s.ok("ledger"), "top")

	for _, one := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{short(id), "0.07"}, exitRefused, "refused: --max-deposit is 0.1 and this needs 0.11 pathUSD"},
		{[]string{"--max-deposit", "0.02", short(id), "0.01"}, exitRefused, "to allow it: --max-deposit 0.05"},
		{[]string{short(id), "0"}, exitUsage, "adds nothing"},
		{[]string{short(id), "1.0000001"}, exitUsage, "AMOUNT"},
		{[]string{short(id), "much"}, exitUsage, "AMOUNT"},
		{[]string{short(id)}, exitUsage, "tally channels top-up --help"},
		{[]string{"0xffffff", "1"}, exitUsage, "no channel begins with"},
		{[]string{"--rpc-url", "http://192.0.2.1", short(id), "1"}, exitUsage, "--insecure-rpc"},
	} {
		e := s.run(append([]string{"channels", "top-up"}, one.args...)...)
		assert.Equal(t, one.code, e.code, "%s: %s", one.args, e.stderr)
		assert.Contains(t, e.stderr, one.says)
		assert.Empty(t, e.stdout)
	}
	holds(40_000)
	s.policy("limits.price = '0.001'\nlimits.deposit = '0.05'\n")
	e = s.run("channels", "top-up", short(id), "0.02")
	assert.Equal(t, exitRefused, e.code)
	assert.Regexp(t, "the policy .* allows 0.05 as deposit and this needs 0.06 pathUSD", e.stderr)
	assert.Contains(t, s.ok("channels", "top-up", short(id), "0.01"), "holds 0.05 ")
	s.policy(enough)

	// No answer comes, and the payee does not have it: the same command completes it.
	var down atomic.Bool
	down.Store(true)
	s.srv.OnRequest(func(r clienttest.Request) (f clienttest.Fault) {
		if r.Action == "topUp" && down.Load() {
			f.Refuse = http.StatusBadRequest
		}
		return f
	})
	e = s.run("channels", "top-up", short(id), "0.01")
	assert.Equal(t, exitUnknown, e.code)
	assert.Contains(t, e.stderr, "it is not known whether it is in the channel (0.01 pathUSD)\n  the same command again completes it")
	holds(50_000)
	down.Store(false)
	assert.Contains(t, s.ok("channels", "top-up", short(id), "0.01"), "holds 0.06 ")
	holds(60_000)
	assert.Contains(t, s.ok("close"), "closed: 0.0001 pathUSD paid, 0.0599 pathUSD back")
	assert.Equal(t, exitRefused, s.run("channels", "top-up", short(id), "0.01").code)
	delete(s.env, "TALLY_KEY_FILE")
	assert.Equal(t, exitKey, s.run("channels", "top-up", short(id), "0.01").code)
}

// TestParseAmount reads tokens by the decimals of the currency, and base units of any.
func TestParseAmount(t *testing.T) {
	six := channel.Currency{Symbol: "EURC.e", Decimals: 6}
	two := channel.Currency{Symbol: "CENT", Decimals: 2}
	unknown := channel.Currency{Asset: channel.Asset{Token: common.HexToAddress("0x20c0")}}
	for _, one := range []struct {
		in   channel.Currency
		text string
		want uint64 // 0: it is refused
	}{
		{six, "1.5", 1_500_000},
		{six, "15u", 15},
		{six, "0.0000001", 0},
		{six, "0", 0},
		{six, "-1", 0},
		{six, "", 0},
		{two, "1.5", 150},
		{two, "1.555", 0},
		{two, "15u", 15},
		{unknown, "15u", 15},
		{unknown, "15", 0},
	} {
		got, err := parseAmount(one.in, one.text)
		assert.Equal(t, one.want == 0, err != nil, "%s %q", one.in.Symbol, one.text)
		assert.Equal(t, voucher.Units(one.want), got)
	}
}
