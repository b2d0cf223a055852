package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestRun: a free request, a request and a stream from one channel, a close, and mistakes.
func TestRun(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	dir := t.TempDir()
	file := filepath.Join(dir, "key.hex")
	require.NoError(t, os.WriteFile(file, []byte(srv.Payer().Hex+"\n"), 0o600))
	env := map[string]string{
		"TALLY_KEY_FILE": file, "TALLY_RPC_URL": srv.RPCURL, "TALLY_STORE": filepath.Join(dir, "store"),
	}
	call := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), args, func(name string) string { return env[name] }, &out, &out)
		return out.String(), err
	}

	_, err := call()
	require.ErrorContains(t, err, "usage")
	out, err := call(srv.URL + "/free")
	require.NoError(t, err)
	assert.Contains(t, out, "outcome   none\n")

	_, err = call(srv.URL + "/data")
	require.NoError(t, err)
	out, err = call(srv.URL + "/stream/5/10")
	require.NoError(t, err)
	assert.Contains(t, out, "outcome   accepted\ncost      0.00005 pathUSD\nspent     0.00015 pathUSD ")
	assert.Contains(t, out, "deposit 0.1 pathUSD\n")

	_, err = call(srv.URL + "/data?price=10001")
	require.ErrorContains(t, err, "Limits.Price")

	out, err = call("close")
	require.NoError(t, err)
	assert.Contains(t, out, " closed: paid 0.00015 pathUSD of 0.1 pathUSD\n")
	assert.Len(t, srv.Accounts(), 1)

	delete(env, "TALLY_STORE")
	_, err = call(srv.URL + "/data")
	require.ErrorContains(t, err, "set TALLY_STORE")
	require.NoError(t, os.WriteFile(file, []byte("none"), 0o600))
	_, err = call("close")
	require.ErrorContains(t, err, "TALLY_KEY_FILE: voucher: not a usable key")
	env["TALLY_PASSWORD"] = "pw"
	_, err = call("close")
	require.ErrorContains(t, err, "TALLY_KEY_FILE: keyfile: not a version 3 keystore file")
	delete(env, "TALLY_KEY_FILE")
	_, err = call("close")
	require.ErrorContains(t, err, "TALLY_KEY_FILE: ")
}
