package main

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestDoctor names what is wrong and what to do, and ends with the status of the first that is bad.
func TestDoctor(t *testing.T) {
	s := newShell(t, clienttest.Config{WallClock: true})
	s.ok("/data")
	e := s.process(nil, nil, "doctor")
	assert.Equal(t, 0, e.code, "%s%s", e.stdout, e.stderr)
	assert.Equal(t, []string{"ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok", "ok"},
		regexp.MustCompile(`(?m)^\w+`).FindAllString(e.stdout, -1), e.stdout)
	for _, part := range []string{
		"0.001 dollars a request, 0.1 dollars a channel, 0.01 dollars a stream", "chain 42431 (Moderato, the testnet, or a demo)",
		s.key.Address.Hex(), "pathUSD", "1 hold 0.01 pathUSD", "2 lines", "each has more than a fifth left",
	} {
		assert.Contains(t, e.stdout, part)
	}
	good := maps.Clone(s.env)
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk")
	require.NoError(t, os.WriteFile(junk, []byte("limits = 7"), 0o600))
	for _, one := range []struct {
		name, value string
		code        int
		says, do    string
	}{
		{"TALLY_MAX_PRICE", "", 0, "note  limits    the flags allow no price: nothing is paid", "--max-price"},
		{"TALLY_MAX_PRICE", "x", exitUsage, "BAD   settings", "correct the flag"},
		{"TALLY_MAX_DEPOSIT", "", 0, "note  limits    the flags allow no deposit", "--max-deposit"},
		{"TALLY_PER_HOUR", "110u", 0, "note  budgets   0.00001 of 0.00011 dollars are left within 60 minutes", "tally ledger"},
		{"TALLY_PER_HOUR", "100u", 0, "note  budgets   0 of 0.0001 dollars are left", "raise the limit"},
		{"TALLY_RPC_URL", "", exitUsage, "BAD   node", "set --rpc-url"},
		{"TALLY_RPC_URL", "http://192.0.2.1", exitUsage, "BAD   node", "--insecure-rpc"},
		{
			"TALLY_RPC_URL", s.srv.RPCURL + " http://127.0.0.1:1", exitBusy,
			"BAD   node 2    the node does not answer", "another node",
		},
		{"TALLY_RPC_URL", answering(t, map[string]string{
			"eth_chainId": `"result":"0x7"`, "eth_call": `"result":"0x"`,
			"eth_getBlockByNumber": `"result":{"timestamp":"0x1"}`,
		}), exitFunds, "note  node      chain 7, whose newest block is ", "caught up"},
		{"TALLY_RPC_URL", s.srv.RPCURL + " " + answering(t, map[string]string{
			"eth_chainId": `"result":"0x7"`, "eth_getBlockByNumber": `"result":{"timestamp":"0x1"}`,
		}), exitRefused, "BAD   node 2    is on chain 7, and the first on chain 42431", "take it out"},
		{"TALLY_RPC_URL", answering(t, map[string]string{
			"eth_chainId": `"result":"0x7"`, "eth_getBlockByNumber": `"result":null`,
		}), exitBusy, "BAD   node      the node has no newest block", "take another node"},
		{"TALLY_KEY_FILE", "", exitKey, "BAD   key       there is no key", "tally key new FILE"},
		{"TALLY_KEY_FILE", junk, exitKey, "BAD   key", "tally key new FILE"},
		{"TALLY_POLICY", junk, exitUsage, "BAD   settings", "policy"},
		{"TALLY_STORE", junk, exitState, "BAD   store", "see the store first"},
	} {
		s.env = maps.Clone(good)
		s.env[one.name] = one.value
		e := s.run("doctor")
		assert.Equal(t, one.code, e.code, "%s=%s: %s%s", one.name, one.value, e.stdout, e.stderr)
		assert.Contains(t, e.stdout, one.says, "%s=%s", one.name, one.value)
		assert.Contains(t, e.stdout, one.do, "%s=%s", one.name, one.value)
		assert.Equal(t, one.code != 0, strings.Contains(e.stderr, " bad; the first: "), e.stderr)
	}

	s.env = maps.Clone(good)
	s.ok("close", "--force")
	assert.Contains(t, s.ok("doctor"),
		"note  channels  1 are being opened, topped up or closed\n                to do: tally keep\n")
	s.env["TALLY_KEY_FILE"], s.env["TALLY_KEY"] = "", aKey
	e = s.run("doctor")
	assert.Equal(t, exitFunds, e.code)
	assert.Contains(t, e.stdout, "to do: tally fund, or send tokens to "+aAddress)
	assert.Contains(t, e.stdout, "1 more are of another key")
	require.NoError(t, os.WriteFile(s.lines(), []byte("{\"v\":999}\n"), 0o600))
	s.env = maps.Clone(good)
	e = s.run("doctor")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stdout, "BAD   journal")
}

// TestReadersAskForNoKey: a command that needs no key runs no --key-command, and doctor runs it once.
func TestReadersAskForNoKey(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the command is one of a Unix shell")
	}
	s := newShell(t, clienttest.Config{WallClock: true})
	s.ok("/data")
	count := filepath.Join(t.TempDir(), "count")
	delete(s.env, "TALLY_KEY_FILE")
	s.env["TALLY_KEY_COMMAND"] = "echo >>'" + count + "'; echo " + s.key.Hex
	for _, args := range []string{"spend", "channels sync --all", "channels show 0x", "channels archive"} {
		s.ok(strings.Fields(args)...)
	}
	assert.NoFileExists(t, count)
	s.ok("doctor")
	text, err := os.ReadFile(count)
	require.NoError(t, err)
	assert.Equal(t, "\n", string(text))
}

func TestDoctorReadsTheClock(t *testing.T) {
	for _, one := range []struct {
		ahead, give time.Duration
		code        int
		do          bool
	}{
		{0, time.Second, 0, false},
		{-6 * time.Second, time.Second, 0, false},
		{7 * time.Second, time.Second, 0, true},
		{-32 * time.Second, time.Second, exitState, true},
		{40 * time.Second, 10 * time.Second, 0, true},
	} {
		s := clockSymptom(one.ahead, one.give)
		assert.Equal(t, one.code, s.code, one.ahead)
		assert.Equal(t, one.do, s.do != "", one.ahead)
	}
}
