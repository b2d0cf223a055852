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

// TestLedgerPage: the page has the numbers of the journal, of the records and of the budgets, and no secret.
func TestLedgerPage(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.env["TALLY_PER_DAY"] = "250u"
	s.ok("/data")
	s.ok("/data")
	file := filepath.Join(t.TempDir(), "bill.html")
	assert.Empty(t, s.ok("ledger", "--html="+file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	page := string(text)
	for _, says := range []string{
		"<dt>Spent</dt><dd>0.0002 pathUSD</dd>", "<dt>Locked now</dt><dd>0.01 pathUSD</dd>", "3 lines of the journal", s.srv.Payee.Hex(), s.srv.URL,
		`24 hours, dollars <span class="soft">(80&nbsp;%, nearly used up)`, "open: accepted", `<td class="n">0.0002</td><td class="n">0.00005</td>`,
	} {
		assert.Contains(t, page, says)
	}
	assert.NotContains(t, page, "acceptedCumulative", "no receipt")
	assert.NotContains(t, page, s.key.Hex)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// A longer file is replaced as a whole. No key is needed.
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("x", 1<<20)), 0o600))
	delete(s.env, "TALLY_KEY_FILE")
	s.ok("ledger", "--html="+file)
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	assert.True(t, strings.HasSuffix(string(text), "</html>\n"))
	assert.NotContains(t, string(text), "xxx")
	assert.Contains(t, s.ok("ledger", "--html", "-"), "<dt>Spent</dt><dd>0.0002 pathUSD</dd>")
}

// TestLedgerPageFile: no record is overwritten, and a file that cannot be written is an error that leaves it alone.
func TestLedgerPageFile(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	before, err := os.ReadFile(s.lines())
	require.NoError(t, err)
	dir := t.TempDir()
	link, through, store := filepath.Join(dir, "link.html"), filepath.Join(dir, "through"), s.env["TALLY_STORE"]
	require.NoError(t, os.Symlink(s.lines(), link))
	require.NoError(t, os.Symlink(filepath.Dir(s.lines()), through))
	for _, path := range []string{
		s.lines(), link, filepath.Join(through, "000001.jsonl"), filepath.Join(store, "new.html"), through + "/../new.html",
	} {
		e := s.run("ledger", "--html="+path)
		assert.Equal(t, exitWrite, e.code, path)
		assert.Contains(t, e.stderr, "--html: the file would be among the records", path)
	}
	for _, path := range []string{dir, filepath.Join(dir, "nowhere", "bill.html"), "/dev/null", ""} {
		e := s.run("ledger", "--html="+path)
		assert.Equal(t, exitWrite, e.code, path)
		assert.Contains(t, e.stderr, "--html: ", path)
	}
	after, err := os.ReadFile(s.lines())
	require.NoError(t, err)
	assert.Equal(t, before, after)

	// What cannot be read as a whole is no bill, and the last one stays.
	file := filepath.Join(dir, "bill.html")
	require.NoError(t, os.WriteFile(file, []byte("the last one"), 0o600))
	require.NoError(t, os.WriteFile(s.lines(), append([]byte(`{"v":2}`+"\n"), before...), 0o600))
	assert.Equal(t, exitState, s.run("ledger", "--html="+file).code)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "the last one", string(text))
	assert.Equal(t, exitUsage, s.run("ledger", "--csv", "--html="+file).code)
}
