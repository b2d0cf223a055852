package channelsdb

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// database creates a channels.db with the schema of mppx 0.11.0 and leaves it open, so that its
// rows are in the write-ahead log.
func database(t *testing.T) (path string, exec func(statement string, args ...any)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "channels.db")
	db, err := sql.Open("sqlite3", "file:"+path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	schema, err := os.ReadFile("testdata/schema.sql")
	require.NoError(t, err)
	exec = func(statement string, args ...any) {
		t.Helper()
		_, err := db.Exec(statement, args...)
		require.NoError(t, err)
	}
	exec(string(schema))
	return path, exec
}

var (
	hash    = "0x" + strings.Repeat("ab", 32)
	address = "0x" + strings.Repeat("cd", 20)
)

const insert = `INSERT INTO channels (channel_id, version, scope_key, origin, request_url, chain_id, escrow_contract, token, payee, payer,
	authorized_signer, salt, session_protocol, descriptor_json, deposit, cumulative_amount, challenge_echo, created_at, last_used_at)
	VALUES (?, ?, ?, 'https://api.example.com', 'https://api.example.com/data', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', 1, ?)`

// values returns a valid v2 row.
func values() []any {
	return []any{
		hash, 2, nil, 4217, address, address, address, address, address, hash, "v2",
		fmt.Sprintf(
			`{"payer":%q,"payee":%q,"operator":%q,"token":%q,"salt":%q,"authorizedSigner":%q,"expiringNonceHash":%q}`,
			address, address, address, address, hash, address, hash,
		),
		"10000", "700", 5,
	}
}

func all(t *testing.T, path string) (rows []Channel, bad []*RowError) {
	t.Helper()
	for c, err := range Read(t.Context(), path) {
		var one *RowError
		if errors.As(err, &one) {
			bad = append(bad, one)
			continue
		}
		require.NoError(t, err)
		rows = append(rows, c)
	}
	return rows, bad
}

// seen is the state of a directory.
func seen(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	out := map[string]string{}
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		out[f.Name()] = fmt.Sprint(info.Size(), info.ModTime(), info.Mode(), string(text))
	}
	return out
}

// TestRead reads rows in the write-ahead log, of an open and a closed database. The directory must
// not change.
func TestRead(t *testing.T) {
	path, exec := database(t)
	exec(insert, values()...)
	require.FileExists(t, path+"-wal")
	before := seen(t, filepath.Dir(path))
	rows, bad := all(t, path)
	assert.Empty(t, bad)
	a, h := common.HexToAddress(address), common.HexToHash(hash)
	assert.Equal(t, []Channel{{
		ID: h, Protocol: voucher.V2, ChainID: 4217, Escrow: a, Payer: a, Payee: a, Operator: a,
		Token: a, AuthorizedSigner: a, Salt: h, ExpiringNonceHash: h,
		Origin: "https://api.example.com", URL: "https://api.example.com/data",
		Deposit: voucher.Units(10_000), Cumulative: voucher.Units(700), State: "active",
	}}, rows)
	assert.Equal(t, before, seen(t, filepath.Dir(path)))

	alone := filepath.Join(t.TempDir(), "channels.db")
	exec("PRAGMA wal_checkpoint(TRUNCATE)")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(alone, text, 0o400))
	before = seen(t, filepath.Dir(alone))
	rows, _ = all(t, alone)
	assert.Len(t, rows, 1)
	assert.Equal(t, before, seen(t, filepath.Dir(alone)), "no -wal and no -shm beside it")
}

// TestMadeBySQLite reads a file made by the sqlite3 command, with a v1 row of the wallet.
func TestMadeBySQLite(t *testing.T) {
	rows, bad := all(t, "testdata/channels.db")
	assert.Empty(t, bad)
	require.Len(t, rows, 2)
	assert.Equal(
		t, []voucher.Protocol{voucher.V2, voucher.V1},
		[]voucher.Protocol{rows[0].Protocol, rows[1].Protocol},
	)
	assert.Equal(t, "closing", rows[1].State)
	files, err := filepath.Glob("testdata/channels.db*")
	require.NoError(t, err)
	assert.Len(t, files, 1)
}

// TestBadRows checks that malformed rows are reported and do not hide others.
func TestBadRows(t *testing.T) {
	path, exec := database(t)
	exec(insert, values()...)
	good := values()[11].(string)
	for n, one := range []struct {
		column int
		value  any
		says   string
	}{
		{1, 3, "version 3 is newer than 2"},
		{1, "two", "invalid version:"},
		{3, -1, "invalid chain_id:"},
		{4, "0x12", "invalid escrow_contract:"},
		{7, strings.Repeat("cd", 20), "invalid payer:"},
		{9, "", "invalid salt:"},
		{10, "v3", "session_protocol"},
		{11, nil, "invalid descriptor_json:"},
		{11, "{", "invalid descriptor_json:"},
		{11, strings.Replace(good, `"payee":"0xcd`, `"payee":"0xce`, 1), "differs from the columns"},
		{11, strings.Replace(good, `"operator":"0x`, `"operator":"`, 1), "invalid operator:"},
		{12, "-1", "invalid deposit:"},
		{12, 1.5, "invalid deposit:"},
		{13, "79228162514264337593543950336", "exceeds the maximum of the protocol"},
		{13, strings.Repeat("9", 80), "invalid cumulative_amount:"},
		{13, []byte{0xff, 0}, "invalid cumulative_amount:"},
	} {
		v := values()
		v[0], v[len(v)-1] = fmt.Sprintf("0x%064x", n), 10-n
		v[one.column] = one.value
		exec(insert, v...)
		rows, bad := all(t, path)
		assert.Len(t, rows, 1)
		if assert.Len(t, bad, n+1) {
			assert.ErrorContains(t, bad[n], one.says)
			assert.Less(t, len(bad[n].Error()), 300)
		}
	}
	v := values()
	v[0], v[len(v)-1] = "no id", 100
	exec(insert, v...)
	_, bad := all(t, path)
	assert.ErrorContains(t, bad[0], "invalid channel_id:")
}

func TestNotADatabase(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, path := range []string{dir, write("text", "tide"), write("empty", ""), write("half", "SQLite format 3\x00tide")} {
		for _, err := range Read(t.Context(), path) {
			require.ErrorIs(t, err, ErrNotADatabase, path)
		}
	}
	for _, err := range Read(t.Context(), filepath.Join(dir, "none")) {
		require.ErrorIs(t, err, os.ErrNotExist)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "tallystick-import-*"))
	require.NoError(t, err)
	assert.Empty(t, left, "copies are removed")
}
