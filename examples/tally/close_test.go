package main

import (
	"encoding/json"
	"net/http"
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

func TestChannels(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	assert.Equal(t, "[]\n", s.ok("channels", "--json"))
	s.ok("/data")
	s.ok("/v1/data")
	lines := strings.Split(strings.TrimSpace(s.ok("channels")), "\n")
	require.Len(t, lines, 3)
	assert.Equal(t, []string{"CHANNEL", "PHASE", "ORIGIN", "DEPOSIT", "USED", "SPENT", "SIGNED", "SETTLED"}, strings.Fields(lines[0]))
	for _, line := range lines[1:] {
		assert.Equal(t, []string{"open", s.srv.URL, "0.01", "0.0001", "0.0001", "0.0001", "0"}, strings.Fields(line)[1:])
	}
	var rows []map[string]any
	require.NoError(t, json.Unmarshal([]byte(s.ok("channels", "--json")), &rows))
	require.Len(t, rows, 2)
	for _, account := range s.srv.Accounts() {
		row := rows[0]
		if row["channelId"] != account.ChannelID.Hex() {
			row = rows[1]
		}
		assert.Equal(t, account.ChannelID.Hex(), row["channelId"])
		assert.Equal(t, account.Protocol.String(), row["protocol"])
		assert.Equal(t, "10000", row["deposit"])
		assert.Equal(t, "100", row["spent"])
	}

	// A damaged record does not hide the others.
	damaged, err := filepath.Glob(filepath.Join(s.env["TALLY_STORE"], "channel="+rows[0]["channelId"].(string)+".*"))
	require.NoError(t, err)
	require.Len(t, damaged, 1)
	require.NoError(t, os.WriteFile(damaged[0], []byte("tide"), 0o600))
	e := s.run("channels")
	assert.Equal(t, exitRead, e.code)
	assert.Contains(t, e.stdout, rows[1]["channelId"].(string)[:10])
	assert.NotContains(t, e.stdout, rows[0]["channelId"].(string)[:10])
	assert.Contains(t, e.stderr, rows[0]["channelId"].(string))
}

func TestCloseChooses(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.ok("/v1/data")
	for _, one := range []struct {
		args []string
		says string
	}{
		{nil, "2 channels fit"},
		{[]string{"0x"}, "2 channels fit"},
		{[]string{"0x12ab", "--all"}, "not both"},
		{[]string{"nothing"}, "no channel that holds money begins with"},
		{[]string{"--force", "--withdraw", "--all"}, "two steps"},
		{[]string{"a", "b"}, "--help"},
	} {
		e := s.run(append([]string{"close"}, one.args...)...)
		assert.Equal(t, exitUsage, e.code)
		assert.Contains(t, e.stderr, one.says)
	}
	key := s.env["TALLY_KEY_FILE"]
	delete(s.env, "TALLY_KEY_FILE")
	e := s.run("close", "--all")
	assert.Equal(t, exitUsage, e.code)
	assert.Contains(t, e.stderr, "set --key-file")
	s.env["TALLY_KEY_FILE"] = key
	assert.Equal(t, 2, strings.Count(s.ok("close", "--all"), "closed: 0.0001 paid, 0.0099 back"))
	assert.Empty(t, s.ok("close", "--all"))
	for _, account := range s.srv.Accounts() {
		assert.True(t, account.Finalized)
	}
}

// TestCloseWithoutThePayee gets the money back from a payee that does not answer.
func TestCloseWithoutThePayee(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	id := s.srv.Accounts()[0].ChannelID
	s.srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		return clienttest.Fault{Refuse: http.StatusServiceUnavailable}
	})
	e := s.run("close")
	assert.Equal(t, exitPayment, e.code, e.stderr)
	assert.Contains(t, s.ok("channels"), "open")

	assert.Contains(t, s.ok("close", "--force"), "close requested: run tally close "+id.Hex()[:10]+" --withdraw after ")
	assert.Contains(t, s.ok("channels"), "close requested")
	e = s.run("close", "--withdraw")
	assert.Equal(t, exitPayment, e.code, "too early")
	before := s.srv.Chain.Balance(s.key.Address)
	s.srv.Chain.Advance(15 * time.Minute)
	assert.Contains(t, s.ok("close", "--withdraw", "-v"), "closed: what the payee did not take of 0.01 is back")
	assert.False(t, s.srv.Chain.Channel(id).Exists)
	back := s.srv.Chain.Balance(s.key.Address).SubFloor(before)
	assert.False(t, back.Less(voucher.Units(5000)), "the deposit less a fee: %s", back)
}
