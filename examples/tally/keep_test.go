package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestLostStore: the store is gone, and a payee does not help. Everything comes back with the key alone.
func TestLostStore(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.ok("/v1/data")
	s.ok("close", s.srv.Accounts()[0].ChannelID.Hex())
	s.ok("/data")
	ids := map[string]bool{}
	for _, a := range s.srv.Accounts()[1:] {
		ids[a.ChannelID.Hex()[:10]] = true
	}
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "empty")
	e := s.run("find")
	require.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stderr, "tally: searched up to block ")
	assert.Contains(t, e.stdout, s.srv.Accounts()[0].ChannelID.Hex()[:10]+" closed")
	for id := range ids {
		assert.Contains(t, e.stdout, id+" found: holds 0.01 pathUSD (payee "+s.srv.Payee.Hex()+")")
		assert.Contains(t, s.ok("channels"), id)
	}
	assert.Contains(t, s.ok("find"), "known, open")
	assert.Contains(t, s.ok("find", "--again"), "known, open")

	s.srv.OnRequest(func(clienttest.Request) clienttest.Fault {
		return clienttest.Fault{Refuse: http.StatusServiceUnavailable}
	})
	before := s.srv.Chain.Balance(s.key.Address)
	assert.Equal(t, 2, strings.Count(s.ok("close", "--all", "--force"), "or tally keep"))
	assert.Regexp(t, `^2 left; look again in \d+s\n$`, s.ok("keep", "--once"))
	s.srv.Chain.Advance(15 * time.Minute)
	assert.Equal(t, 2, strings.Count(s.ok("keep"), " closed\n"))
	assert.Empty(t, s.ok("keep", "-v"))
	back := s.srv.Chain.Balance(s.key.Address).SubFloor(before)
	assert.True(t, voucher.Units(5000).Less(back), "both deposits, less four fees: %s", back)
	assert.NotContains(t, s.ok("channels"), "0x")
}

// TestKeepAndFindNeed a key, and a node.
func TestKeepAndFindNeed(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	url := s.env["TALLY_RPC_URL"]
	for _, command := range []string{"keep", "find"} {
		s.env["TALLY_RPC_URL"] = ""
		e := s.run(command)
		assert.Equal(t, exitUsage, e.code)
		assert.Contains(t, e.stderr, "--rpc-url")
		s.env["TALLY_RPC_URL"] = url
		key := s.env["TALLY_KEY_FILE"]
		s.env["TALLY_KEY_FILE"] = ""
		e = s.run(command)
		assert.Equal(t, exitKey, e.code)
		assert.Contains(t, e.stderr, "needs the key")
		s.env["TALLY_KEY_FILE"] = key
		assert.Equal(t, exitUsage, s.run(command, "more").code)
	}
}

// TestKeepIsInterrupted while it waits, and a record that cannot be read is said.
func TestKeepIsInterrupted(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.ok("close", "--force")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s.ctx = ctx
	assert.Equal(t, exitTimeout, s.run("keep").code)
	s.ctx = t.Context()
	damaged, err := filepath.Glob(filepath.Join(s.env["TALLY_STORE"], "channel=*"))
	require.NoError(t, err)
	require.NotEmpty(t, damaged)
	require.NoError(t, os.WriteFile(damaged[0], []byte("tide"), 0o600))
	e := s.run("find")
	assert.Equal(t, exitState, e.code, e.stderr)
	assert.Contains(t, e.stdout, "cannot be read")
}

// TestStoreFromABackup that no server and no settlement helps out says what to do.
func TestStoreFromABackup(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(s.env["TALLY_STORE"])))
	for range 3 {
		s.ok("/data")
	}
	s.env["TALLY_STORE"] = backup
	e := s.run("/data")
	assert.Equal(t, exitRejected, e.code)
	id := s.srv.Accounts()[0].ChannelID.Hex()[:10]
	assert.Contains(t, e.stderr, "tally close "+id+" --force, then tally keep")
	s.ok("close", id, "--force")
	s.srv.Chain.Advance(15 * time.Minute)
	assert.Contains(t, s.ok("keep"), id+" closed")
	s.ok("/data")
}

// TestWhatIsElsewhereIsSaid: channels of another key, and channels that the chain does not show, are counted, and
// the exit status is not 0.
func TestWhatIsElsewhereIsSaid(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.srv.Node.Fail(nodefaults.NoChannels)
	s.srv.Chain.Advance(time.Minute)
	e := s.run("keep", "--once")
	assert.NotZero(t, e.code)
	assert.Contains(t, e.stderr, "the chain does not show the channel")
	assert.Contains(t, s.ok("channels"), "not seen")
	e = s.run("find", "--again")
	assert.Equal(t, exitPart, e.code)
	assert.Contains(t, e.stdout, "not seen: it was opened with 0.01")
	s.srv.Node.Fail()
	assert.Empty(t, s.ok("keep", "--once"))
	assert.Contains(t, s.ok("channels"), "open")

	s.env["TALLY_KEY"] = "0x" + strings.Repeat("0", 63) + "7"
	delete(s.env, "TALLY_KEY_FILE")
	for _, command := range [][]string{{"keep"}, {"keep", "--once"}, {"find"}} {
		e := s.run(command...)
		assert.NotZero(t, e.code, command)
		assert.Contains(t, e.stderr, "1 that hold money are of", command)
	}
}

// TestSeveralNodes: --rpc-url names others that are asked when the first one fails, also in the environment.
func TestSeveralNodes(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	good, dead := s.env["TALLY_RPC_URL"], "http://127.0.0.1:1"
	delete(s.env, "TALLY_RPC_URL")
	s.ok("--rpc-url", dead, "--rpc-url", good, "/data")
	s.env["TALLY_RPC_URL"] = dead + " " + good
	assert.Empty(t, s.ok("keep", "--once"))
	assert.Equal(t, exitUsage, s.run("--rpc-url", good, "--rpc-url", "ftp://x", "/data").code)
}
