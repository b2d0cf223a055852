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

// TestRun: the address, two requests and a stream from one channel, a close, and mistakes.
func TestRun(t *testing.T) {
	srv := clienttest.New(t, clienttest.Config{})
	payer, dir := srv.Payer(), t.TempDir()
	file := filepath.Join(dir, "key.hex")
	require.NoError(t, os.WriteFile(file, []byte(payer.Hex+"\n"), 0o600))
	env := map[string]string{
		"TALLY_KEY_FILE": file, "TALLY_RPC_URL": srv.RPCURL, "TALLY_STORE": filepath.Join(dir, "store"),
	}
	call := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), args, func(name string) string { return env[name] }, &out, &out)
		return out.String(), err
	}

	out, err := call()
	require.NoError(t, err)
	assert.Equal(t, "payer "+payer.Address.Hex()+" holds 100 of token "+srv.Token.Hex()+" on chain 42431\n", out)

	out, err = call(srv.URL + "/free")
	require.NoError(t, err)
	assert.Contains(t, out, "outcome   none\ncost      0\n")

	_, err = call(srv.URL + "/data")
	require.NoError(t, err)
	out, err = call(srv.URL + "/stream/5/10")
	require.NoError(t, err)
	assert.Contains(t, out, "outcome   accepted\ncost      0.00005\nspent     0.00015 ")
	assert.Contains(t, out, "deposit 0.1\n")

	_, err = call(srv.URL + "/data?price=10001")
	require.ErrorContains(t, err, "Limits.Price")

	out, err = call("close")
	require.NoError(t, err)
	assert.Contains(t, out, " closed: paid 0.00015 of 0.1\n")
	assert.Len(t, srv.Accounts(), 1)

	delete(env, "TALLY_STORE")
	_, err = call(srv.URL + "/data")
	require.ErrorContains(t, err, "set TALLY_STORE")
	require.NoError(t, os.WriteFile(file, []byte("none"), 0o600))
	_, err = call()
	require.ErrorContains(t, err, "TALLY_KEY_FILE: voucher: not a usable key")
	env["TALLY_PASSWORD"] = "pw"
	_, err = call()
	require.ErrorContains(t, err, "TALLY_KEY_FILE: keyfile: not a version 3 keystore file")
	delete(env, "TALLY_KEY_FILE")
	_, err = call()
	require.ErrorContains(t, err, "TALLY_KEY_FILE: ")
}
