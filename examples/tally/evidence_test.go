package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/journal"
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
	for _, part := range []string{": holds", "0.0001 in all on channel 0x", "0.0001 for one request", "0.0001 accepted, 0.0001 charged (not signed)", "it is the one of the digest"} {
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
