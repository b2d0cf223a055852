package main

import (
	"encoding/json"
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

// TestSpend adds up what was authorized, and is what the records say.
func TestSpend(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	assert.Equal(t, [][]string{{"ORIGIN", "SPENT", "FEES", "TOKEN"}}, cells(s.ok("spend")))
	s.ok("/data")
	s.ok("/data")
	origin := s.srv.URL
	today := time.Now().Local().Format(time.DateOnly)
	for _, one := range []struct{ by, name string }{{"origin", origin}, {"payee", s.srv.Payee.Hex()}} {
		assert.Equal(t, [][]string{
			{strings.ToUpper(one.by), "SPENT", "FEES", "TOKEN"}, {one.name, "0.0002", "0", "pathUSD"}, {"total", "0.0002", "0", "pathUSD"},
		}, cells(s.process(nil, nil, "spend", "--by", one.by).stdout))
	}
	days := cells(s.ok("spend", "--by", "day"))
	require.GreaterOrEqual(t, len(days), 3) // four if it is midnight
	assert.Equal(t, []string{"total", "0.0002", "0", "pathUSD"}, days[len(days)-1])
	assert.LessOrEqual(t, today, days[len(days)-2][0])
	assert.Len(t, cells(s.ok("spend", "--since", "2")), 3)
	assert.Len(t, cells(s.ok("spend", "--since", "2100-01-01")), 1)

	var got map[string][]spent
	require.NoError(t, json.Unmarshal([]byte(s.ok("spend", "--json")), &got))
	want := spent{Name: origin, Amount: voucher.Units(200), ChainID: s.srv.ChainID, Token: s.srv.Token, Symbol: "pathUSD", Digits: 6}
	assert.Equal(t, []spent{want}, got["origin"])
	for _, bad := range []string{"--by week", "--since yesterday", "--since 3x", "--since -1", "--since 2026-13-01"} {
		e := s.run(append([]string{"spend"}, strings.Fields(bad)...)...)
		assert.Equal(t, exitUsage, e.code, bad)
	}

	from := journalDir(s.env["TALLY_STORE"])
	s.env["TALLY_STORE"] = filepath.Join(t.TempDir(), "other")
	s.ok("channels") // makes a store without these channels
	require.NoError(t, os.CopyFS(journalDir(s.env["TALLY_STORE"]), os.DirFS(from)))
	assert.Contains(t, s.ok("spend"), "200u   0u    ? (no record of the channel)")
}
