package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestChannelIsFoundAndAdopted: a store is lost, the channel is found on chain, and paid from again where it was.
func TestChannelIsFoundAndAdopted(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/hinted")
	s.ok("/hinted")
	id := s.books(200).ChannelID
	at := s.srv.URL + "/hinted"
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "empty")
	s.ok("find")
	assert.Contains(t, s.ok("channels", "show", id.Hex()[:6]), "none: it was found on chain (tally channels adopt)")
	e := s.run("channels", "adopt", id.Hex())
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "give the URL that it is paid at")
	e = s.process(nil, nil, "channels", "adopt", id.Hex(), at)
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Equal(t, short(id)+" is paid from at "+s.srv.URL+": 0.01 pathUSD deposited, 0.0002 pathUSD signed as far as is proved\n",
		e.stdout)
	s.ok("/hinted")
	s.books(300)

	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(s.env["TALLY_STORE"])))
	require.NoError(t, os.Chmod(backup, 0o700))
	s.ok("/hinted")
	s.env["TALLY_STORE"] = backup
	assert.Contains(t, s.ok("channels", "adopt", id.Hex()[:10]), "0.0004 pathUSD signed as far as is proved")
	s.ok("/hinted")
	s.books(500)
	e = s.run("channels", "adopt", id.Hex(), "https://other.invalid/")
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "leave the URL out")
	s.srv.OnRequest(func(clienttest.Request) clienttest.Fault { return clienttest.Fault{Refuse: 500} })
	e = s.run("channels", "adopt", id.Hex())
	assert.Equal(t, exitPart, e.code)
	assert.Contains(t, e.stdout, "0.0005 pathUSD signed as far as is proved")
}

// TestAdoptTakesNoPlace: where another channel is paid from, none is adopted.
func TestAdoptTakesNoPlace(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	lost := s.srv.Accounts()[0].ChannelID
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "empty")
	s.ok("/data")
	used := s.srv.Accounts()[1].ChannelID
	s.ok("find")
	e := s.run("channels", "adopt", lost.Hex(), s.srv.URL+"/data")
	assert.Equal(t, exitRefused, e.code)
	assert.Contains(t, e.stderr, short(used)+" is used there; close that first")
	assert.Contains(t, s.ok("channels", "show", lost.Hex()), "tally channels adopt")
}

// TestChannelsShowSyncArchive: what is on record, what the chain has, and what is closed.
func TestChannelsShowSyncArchive(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	id := s.books(100).ChannelID
	_, err := s.srv.Settle(id)
	require.NoError(t, err)
	s.env["TALLY_KEY_FILE"] = "/nowhere" // no key is needed
	text := s.ok("channels", "show", id.Hex()[:8])
	for _, line := range []string{
		"channel " + id.Hex(), "phase open", "origin " + s.srv.URL, "payer " + s.key.Address.Hex(),
		"payee " + s.srv.Payee.Hex(), "deposit 0.01 pathUSD", "signed 0.0001 pathUSD", "free 0.0099 pathUSD", "settled 0 pathUSD, as the chain says",
	} {
		assert.Contains(t, cells(text), strings.Fields(line))
	}
	assert.NotContains(t, text, "close asked")
	assert.Contains(t, s.ok("channels", "show", "--json", "0x"), `"channelId": "`+id.Hex()+`"`)
	synced := short(id) + " open: 0.01 pathUSD deposited, 0.0001 pathUSD settled\n"
	assert.Equal(t, synced, s.process(nil, nil, "channels", "sync", short(id)).stdout)
	assert.Equal(t, synced, s.ok("channels", "sync", "--all"))
	assert.Contains(t, cells(s.ok("channels", "show", short(id))), strings.Fields("settled 0.0001 pathUSD, as the chain says"))
	for _, one := range []struct{ args, says string }{
		{"sync", "give an ID or --all"},
		{"sync --all " + short(id), "give an ID or --all"},
		{"sync 0xffffff", "no channel begins with"},
		{"show 0xffffff", "no channel begins with"},
		{"shwo " + short(id), "did you mean tally channels show?"},
		{"sync --rpc-url http://192.0.2.1 --all", "--insecure-rpc"},
	} {
		e := s.run(append([]string{"channels"}, strings.Fields(one.args)...)...)
		assert.Equal(t, exitUsage, e.code, one.args)
		assert.Contains(t, e.stderr, one.says)
	}

	assert.NotContains(t, s.ok("channels", "archive"), short(id))
	s.env["TALLY_KEY_FILE"], s.env["TALLY_KEY"] = "", s.key.Hex
	s.ok("/data")
	s.ok("close")
	assert.Contains(t, s.ok("channels", "archive"), short(id)+"  closed")
	assert.Contains(t, s.ok("channels", "archive", "--json"), id.Hex())
	assert.NotContains(t, s.ok("channels"), "0x")
	assert.Contains(t, s.ok("channels", "show", short(id)), "closed")
	assert.Equal(t, exitUsage, s.run("channels", "adopt", short(id)).code)
}
