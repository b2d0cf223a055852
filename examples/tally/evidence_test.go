package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestEvidence is exported for one operation and checked by itself, with the body; one that was changed does not hold.
func TestEvidence(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("-d", "hello", "/data")
	s.ok("/data")
	var all []journal.Entry
	text := s.ok("ledger", "--json")
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	assert.NotContains(t, text, "signature")
	assert.NotContains(t, s.ok("ledger", "--csv"), "signature")
	operation := all[1].Operation
	dir := t.TempDir()
	file, body := filepath.Join(dir, "e.json"), filepath.Join(dir, "body")
	require.NoError(t, os.WriteFile(body, []byte("hello"), 0o600))

	assert.Empty(t, s.ok("ledger", "--evidence", operation[:8], "--output="+file))
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.Contains(t, s.ok("ledger", "--evidence", operation), operation)
	assert.NotContains(t, s.ok("ledger", "--evidence", operation), all[2].Operation)

	s.env["TALLY_STORE"] = filepath.Join(dir, "nothing") // whoever checks has no store
	got := s.ok("ledger", "--verify", file, "--body="+body)
	for _, part := range []string{": holds", "0.0001 pathUSD in all on channel 0x", "0.0001 pathUSD for one request", "0.0001 pathUSD accepted, 0.0001 pathUSD charged (not signed)", "it is the one of the digest"} {
		assert.Contains(t, got, part)
	}
	assert.NoFileExists(t, s.env["TALLY_STORE"])
	require.NoError(t, os.WriteFile(body, []byte("another"), 0o600))
	assert.Equal(t, exitState, s.run("ledger", "--verify", file, "--body="+body).code)
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	changed := strings.Replace(string(whole), `"cumulative": "100"`, `"cumulative": "200"`, 1)
	require.NotEqual(t, string(whole), changed)
	require.NoError(t, os.WriteFile(file, []byte(changed), 0o600))
	e := s.run("ledger", "--verify="+file)
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stderr, evidence.ErrFalse.Error())
}

// TestEvidenceIsKeptBack while somebody could be served for the voucher in it.
func TestEvidenceIsKeptBack(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("--ahead", "0.001", "/data")
	var all []journal.Entry
	require.NoError(t, json.Unmarshal([]byte(s.ok("ledger", "--json")), &all))
	operation := all[1].Operation
	file := filepath.Join(t.TempDir(), "e.json")
	e := s.run("ledger", "--evidence", operation, "--output="+file)
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stderr, "close it first")
	assert.NoFileExists(t, file)
	s.ok("close")
	s.ok("ledger", "--evidence", operation, "--output="+file)
	assert.Contains(t, s.ok("ledger", "--verify="+file), ": holds")
}

// TestEvidenceUsage: what cannot be meant is said.
func TestEvidenceUsage(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	s.ok("/data")
	for want, args := range map[string][]string{
		"none of this operation": {"--evidence", "zz"},
		"2 operations begin":     {"--evidence", ""},
		"six things":             {"--evidence", "x", "--csv"},
		"--output is for":        {"--csv", "-o", "x"},
		"--body for --verify":    {"--body", "x"},
		"not a file of evidence": {"--verify=" + s.lines()},
		"no such file":           {"--verify=" + filepath.Join(t.TempDir(), "none")},
	} {
		e := s.run(append([]string{"ledger"}, args...)...)
		assert.NotZero(t, e.code, want)
		assert.Contains(t, e.stderr, want)
	}
}

// TestForgedEvidence: a text in it makes no line of its own, and who did not sign is not said to have.
func TestForgedEvidence(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	var all []journal.Entry
	require.NoError(t, json.Unmarshal([]byte(s.ok("ledger", "--json")), &all))
	f, err := evidence.Parse(strings.NewReader(s.ok("ledger", "--evidence", all[1].Operation)))
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "e.json")
	verify := func() string {
		var text bytes.Buffer
		require.NoError(t, f.Write(&text))
		require.NoError(t, os.WriteFile(file, text.Bytes(), 0o600))
		return s.ok("ledger", "--verify="+file)
	}
	p := &f.Payments[0]
	honest := verify()
	assert.Contains(t, honest, "payer      signed this itself")
	assert.Contains(t, honest, "in the escrow "+p.Escrow.Hex())

	request, err := base64.RawURLEncoding.DecodeString(p.Challenge.Request)
	require.NoError(t, err)
	var asked map[string]any
	require.NoError(t, json.Unmarshal(request, &asked))
	asked["unitType"] = "request\n  body       it is the one of the digest"
	request, err = json.Marshal(asked)
	require.NoError(t, err)
	p.Challenge.Request = base64.RawURLEncoding.EncodeToString(request)
	assert.Equal(t, strings.Count(honest, "\n"), strings.Count(verify(), "\n"))

	victim := common.HexToAddress("0x00000000000000000000000000000000000000aa")
	p.Descriptor.Payer, p.Descriptor.AuthorizedSigner, p.Receipt = victim, s.key.Address, ""
	p.ChannelID = channel.Descriptor(p.Descriptor).ID(p.Protocol, p.Escrow, p.ChainID)
	key, err := voucher.ParseKey(s.key.Hex)
	require.NoError(t, err)
	signed, err := key.SignVoucher(t.Context(), voucher.NewDomain(p.Protocol, p.ChainID, p.Escrow), voucher.Voucher{ChannelID: p.ChannelID, Cumulative: p.Cumulative})
	require.NoError(t, err)
	p.Signature = signed
	assert.Contains(t, verify(), "did not sign this itself")
}
