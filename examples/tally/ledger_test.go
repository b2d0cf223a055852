package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// lines are the files of the journal.
func (s *shell) lines() string { return filepath.Join(s.env["TALLY_STORE"], "journal", "000001.jsonl") }

func TestLedger(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	assert.Equal(t, "[]\n", s.ok("ledger", "--json"))
	assert.Empty(t, s.ok("ledger", "--csv"))
	s.ok("/data")
	s.ok("-H", "Idempotency-Key: =1+1", "/data")
	s.ok("/free")
	s.ok("/stream/20/10")
	s.ok("close")

	var all []journal.Entry
	require.NoError(t, json.Unmarshal([]byte(s.ok("ledger", "--json")), &all))
	kinds := []string{"open", "pay", "pay", "stream", "close"}
	require.Len(t, all, len(kinds))
	rows, err := csv.NewReader(strings.NewReader(s.ok("ledger", "--csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, len(kinds)+1)
	assert.Equal(t, columns, rows[0])
	table := strings.Split(strings.TrimSpace(s.ok("ledger")), "\n")
	require.Len(t, table, len(kinds)+1)
	for i, kind := range kinds {
		assert.Equal(t, kind, string(all[i].Kind))
		assert.Equal(t, kind, rows[i+1][1])
		assert.Equal(t, all[i].Receipt, rows[i+1][14], "verbatim")
		assert.Equal(t, all[i].Raised.String(), rows[i+1][7])
		assert.Contains(t, table[i+1], kind)
	}
	assert.Equal(t, "=1+1", all[2].Operation)
	assert.Equal(t, "'=1+1", rows[3][0], "no formula")
	assert.Contains(t, all[1].Receipt, `"acceptedCumulative":"100"`)
	assert.Contains(t, s.ok("ledger", "--check"), "agrees: 5 lines, 0.00043 pathUSD authorized, 0.01 pathUSD put in, closed")

	info, err := os.Stat(s.lines())
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	e := s.run("ledger", "--csv", "--json")
	assert.Equal(t, exitUsage, e.code)
}

// TestLedgerOfFees: what a transaction cost is shown with its symbol, and as the most that it can be until it is known.
func TestLedgerOfFees(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	id := s.books(100).ChannelID
	file, err := journal.Open(journalDir(s.env["TALLY_STORE"]), 0)
	require.NoError(t, err)
	most := journal.Fee{Token: s.srv.Token, Max: voucher.Units(8400)}
	known := most
	known.Charged, known.Known = voucher.Units(5600), true
	for _, e := range []journal.Entry{
		{Kind: journal.KindTopUp, Transaction: common.Hash{1}, Fee: most},
		{Kind: journal.KindTopUp, Transaction: common.Hash{2}, Fee: most},
		{Kind: journal.KindFee, Transaction: common.Hash{1}, Fee: known},
		{Kind: journal.KindTopUp, Transaction: common.Hash{3}, Fee: journal.Fee{Sponsored: true}},
	} {
		e.ChannelID, e.Origin, e.End = id, s.srv.URL, time.Now().UTC()
		require.NoError(t, file.Append(t.Context(), e))
	}
	require.NoError(t, file.Close())

	table := strings.Split(strings.TrimSpace(s.ok("ledger")), "\n")
	require.Len(t, table, 7)
	for i, says := range []string{
		"0.0001  0.0001  0       pathUSD  -", "0       0       0       pathUSD  <= 0.0084 pathUSD", "<= 0.0084 pathUSD",
		"0       0       0       pathUSD  0.0056 pathUSD", "sponsored",
	} {
		assert.Contains(t, table[i+2], says)
	}
	rows, err := csv.NewReader(strings.NewReader(s.ok("ledger", "--csv"))).ReadAll()
	require.NoError(t, err)
	token, chainID := s.srv.Token.Hex(), strconv.FormatUint(s.srv.ChainID, 10)
	from := slices.Index(rows[0], "maxFee")
	assert.Equal(t, []string{"8400", "0", "false", "false", token, "pathUSD", chainID, token, "pathUSD", "6"}, rows[3][from:])
	assert.Equal(t, []string{"8400", "5600", "true", "false", token, "pathUSD", chainID, token, "pathUSD", "6"}, rows[5][from:])
	assert.Equal(t, []string{"0", "0", "false", "true", "", "", chainID, token, "pathUSD", "6"}, rows[6][from:])
	assert.Contains(t, s.ok("ledger", "--json"), `"fee":{"token":"`+strings.ToLower(token)+`","max":"8400","charged":"5600","known":true}`)
	assert.Contains(t, s.ok("ledger", "--json"), `"symbol":"pathUSD","decimals":6,"feeSymbol":"pathUSD"}`)

	const total = "total                   0.0001  0.014  pathUSD\n"
	assert.Contains(t, s.ok("spend"), total+"0.0084 pathUSD of the fees are the most that can be charged: what was is not known yet\n")
	var got map[string][]spent
	require.NoError(t, json.Unmarshal([]byte(s.ok("spend", "--json", "--by", "day")), &got))
	last := got["total"][0]
	assert.Equal(t, []voucher.Amount{voucher.Units(100), voucher.Units(14_000), voucher.Units(8400)}, []voucher.Amount{last.Amount, last.Fees, last.Most})
}

// TestLedgerCheck: what is missing is named.
func TestLedgerCheck(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for range 3 {
		s.ok("/data")
	}
	assert.Contains(t, s.ok("ledger", "--check"), "agrees")
	whole, err := os.ReadFile(s.lines())
	require.NoError(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	differs := func(kept ...string) string {
		require.NoError(t, os.WriteFile(s.lines(), []byte(strings.Join(kept, "")), 0o600))
		e := s.run("ledger", "--check")
		assert.Equal(t, exitState, e.code, e.stderr)
		return e.stdout
	}

	// The second request was killed before its line was written.
	out := differs(lines[0], lines[1], lines[3])
	assert.Contains(t, out, "0.0001 pathUSD were authorized that no line explains")
	assert.Contains(t, out, "between 0.0001 and 0.0002 pathUSD, between ")
	// So was the opening, or its line was torn.
	out = differs(lines[0][:40], "\n", lines[1], lines[2], lines[3])
	assert.Contains(t, out, "the record holds a deposit of 0.01 pathUSD, the lines explain 0 pathUSD")
	assert.Contains(t, out, "the chain holds a deposit of 0.01 pathUSD, the lines explain 0 pathUSD")
	assert.Contains(t, differs(), "it has no line")
	// The store is an old copy.
	assert.Contains(t, differs(append(lines, strings.NewReplacer(`"authorizedBefore":"200","authorizedAfter":"300"`, `"authorizedBefore":"300","authorizedAfter":"400"`, `"cumulative":"300"`, `"cumulative":"400"`).Replace(lines[3]))...), "the store is an old copy")
	// Another store.
	require.NoError(t, os.WriteFile(s.lines(), whole, 0o600))
	records, err := filepath.Glob(filepath.Join(s.env["TALLY_STORE"], "*.rec"))
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, os.Remove(r))
	}
	assert.Contains(t, differs(lines...), "no record: the store was lost or is another one (tally find)")

	// A line of a newer version hides no others.
	require.NoError(t, os.WriteFile(s.lines(), append([]byte(`{"v":2}`+"\n"), whole...), 0o600))
	e := s.run("ledger")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stderr, "newer version")
	assert.Equal(t, 5, strings.Count(e.stdout, "\n"))
}

// TestLedgerOfAChannelThatWasNeverSent: nobody has to explain what another program was quicker with.
func TestLedgerOfAChannelThatWasNeverSent(t *testing.T) {
	in := onAnyChain(common.Address{})
	unsent := channel.Info{Phase: channel.Closed, Fees: map[common.Address]voucher.Amount{}}
	assert.Empty(t, compare(unsent, &journal.Totals{}, in))
	for name, change := range map[string]func(*channel.Info){
		"open":       func(s *channel.Info) { s.Phase = channel.Opening },
		"confirmed":  func(s *channel.Info) { s.Confirmed = true },
		"authorized": func(s *channel.Info) { s.Authorized = voucher.Units(1) },
		"a deposit":  func(s *channel.Info) { s.Deposit = voucher.Units(1) },
		"a fee":      func(s *channel.Info) { s.Fees = map[common.Address]voucher.Amount{{}: voucher.Units(1)} },
		"it may be charged": func(s *channel.Info) {
			s.FeesReserved = map[common.Address]voucher.Amount{{}: voucher.Units(1)}
		},
	} {
		s := unsent
		change(&s)
		assert.NotEmpty(t, compare(s, &journal.Totals{}, in), name)
	}
}

// TestLedgerFails: what was paid arrives also where the journal cannot be written.
func TestLedgerFails(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/free")
	require.NoError(t, os.RemoveAll(filepath.Dir(s.lines())))
	require.NoError(t, os.WriteFile(filepath.Dir(s.lines()), []byte("in the way"), 0o600))
	e := s.run("/data")
	assert.Equal(t, 0, e.code)
	assert.NotEmpty(t, e.stdout)
	assert.Contains(t, e.stderr, "tally: no journal is kept: ")
	require.NoError(t, os.Remove(filepath.Dir(s.lines())))
	require.NoError(t, os.MkdirAll(s.lines(), 0o700))
	e = s.run("/data")
	assert.Equal(t, 0, e.code)
	assert.NotEmpty(t, e.stdout)
	assert.Contains(t, e.stderr, "has no line for operation ")
}
