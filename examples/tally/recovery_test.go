package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// These are the recipes of docs/recovery.md that no other test runs.

// TestRecoverUnreadableRecord: a damaged record stops its own channel. Put aside, its channel is found again.
func TestRecoverUnreadableRecord(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/boot")
	s.ok("/boot")
	id := s.srv.Accounts()[0].ChannelID.Hex()
	record := filepath.Join(s.env["TALLY_STORE"], "channel="+id+".rec")
	require.NoError(t, os.WriteFile(record, []byte("tide"), 0o600))
	e := s.run("channels")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stderr, record)
	for _, args := range [][]string{
		{"/boot"},
		{"quote", "/boot"},
		{"keep", "--once"},
		{"find"},
		{"balance"},
		{"ledger", "--check"},
		{"channels", "show", id},
		{"close", id},
		{"close"},
		{"close", "--all"},
		{"close", "--idle", "1h"},
	} {
		e = s.run(args...)
		assert.Equal(t, exitState, e.code, args)
		assert.Contains(t, e.stderr, record, args)
		assert.NotContains(t, e.stdout+e.stderr, "nothing to close", args)
	}
	e = s.run("doctor")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stdout, "none of those that can be read holds money")
	assert.Len(t, s.srv.Accounts(), 1, "nothing is opened in its place")

	require.NoError(t, os.Rename(record, filepath.Join(t.TempDir(), "put-aside")))
	assert.Contains(t, s.ok("find", "--again"), id[:10]+" found: holds 0.01 pathUSD")
	e = s.run("close", id, "--force")
	require.Equal(t, 0, e.code, e.stderr)
	s.srv.Chain.Advance(15 * time.Minute)
	assert.Contains(t, s.ok("keep"), "closed")
}

// TestCloseBesideAnUnreadableRecord: what can be read is closed, and what cannot is no success of --all.
func TestCloseBesideAnUnreadableRecord(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/v1/data")
	other := s.srv.Accounts()[0].ChannelID.Hex()
	s.ok("/data")
	for _, a := range s.srv.Accounts() {
		if id := a.ChannelID.Hex(); id != other {
			record := filepath.Join(s.env["TALLY_STORE"], "channel="+id+".rec")
			require.NoError(t, os.WriteFile(record, nil, 0o600))
			defer func() {
				e := s.run("close", "--all")
				assert.Equal(t, exitState, e.code)
				assert.Contains(t, e.stderr, record)
			}()
		}
	}
	e := s.run("close", "--all")
	assert.Equal(t, exitPart, e.code)
	assert.Contains(t, e.stdout, other[:10]+" closed")
	assert.Contains(t, e.stderr, "a channel that may hold money was passed over")
}

// TestRecoverWithoutANode: what is open is paid from and closed without a node; what is new waits for one.
func TestRecoverWithoutANode(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	node := s.env["TALLY_RPC_URL"]
	for _, down := range []string{"", "http://127.0.0.1:1"} {
		s.env["TALLY_RPC_URL"] = down
		e := s.run("/v1/data")
		assert.NotZero(t, e.code)
	}
	s.env["TALLY_RPC_URL"] = ""
	s.ok("/data")
	assert.Contains(t, s.ok("close"), "the payee says so, the chain was not asked (--rpc-url)")
	s.env["TALLY_RPC_URL"] = node
	assert.Contains(t, s.ok("close", "--all"), "closed: 0.0002 pathUSD paid, 0.0098 pathUSD back")
	assert.Contains(t, s.ok("channels", "--all"), "closed")
	s.ok("/v1/data")
}

// TestRecoverForgottenChannel: the server says 410. It is paid from a new channel, and the old one is closed by force.
func TestRecoverForgottenChannel(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	old := s.srv.Accounts()[0].ChannelID
	s.srv.Forget(old)
	s.ok("/data")
	assert.Contains(t, s.ok("channels"), "refused by the payee")
	s.ok("close", old.Hex(), "--force")
	s.srv.Chain.Advance(15 * time.Minute)
	before := s.srv.Chain.Balance(s.key.Address)
	assert.Contains(t, s.ok("keep"), old.Hex()[:10]+" closed")
	assert.True(t, voucher.Units(5000).Less(s.srv.Chain.Balance(s.key.Address).SubFloor(before)))
	assert.Equal(t, 1, strings.Count(s.ok("channels"), "open"), "the new one goes on")
	s.ok("/data")
}

// TestRecoverLostAnswer: the opening left and nobody answered. Run again, it goes on with the same deposit.
func TestRecoverLostAnswer(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault { return clienttest.Fault{LoseAnswer: r.Action != ""} })
	e := s.run("/data")
	require.Equal(t, exitUnknown, e.code, e.stderr)
	s.srv.OnRequest(nil)
	s.ok("/data")
	assert.Len(t, s.srv.Accounts(), 1)
	assert.Contains(t, s.ok("ledger", "--check"), "agrees")
}
