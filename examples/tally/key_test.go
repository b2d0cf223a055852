package main

import (
	"crypto/ecdsa"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

const (
	aKey     = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80" // public, of protocol tests
	aAddress = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)

// cheapKeys makes keys be encrypted with next to no work, which is right for tests only.
func cheapKeys(t *testing.T) {
	real := saveKey
	assert.Equal(t, reflect.ValueOf(keyfile.Save).Pointer(), reflect.ValueOf(saveKey).Pointer())
	saveKey = func(path string, key *ecdsa.PrivateKey, password string) error {
		text, err := keystore.EncryptKey(&keystore.Key{
			Address: crypto.PubkeyToAddress(key.PublicKey), PrivateKey: key,
		}, password, 2, 1)
		require.NoError(t, err)
		return os.WriteFile(path, text, 0o600)
	}
	t.Cleanup(func() { saveKey = real })
}

// newUser is a user with a private directory, at no terminal.
func newUser(t *testing.T) (s *shell, dir string) {
	dir = t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	return &shell{t: t, ctx: t.Context(), env: map[string]string{}}, dir
}

// TestKeyNew makes a key that is encrypted, for its owner only, and is used by its file and password.
func TestKeyNew(t *testing.T) {
	cheapKeys(t)
	s, dir := newUser(t)
	file := filepath.Join(dir, "it's a key.json")
	e := s.run("key", "new", file)
	assert.Equal(t, exitKey, e.code)
	assert.Contains(t, e.stderr, "set TALLY_PASSWORD, or give --unencrypted")
	assert.NoFileExists(t, file)

	s.env["TALLY_PASSWORD"] = "correct horse"
	e = s.run("key", "new", file)
	require.Equal(t, 0, e.code, e.stderr)
	address := strings.TrimSpace(e.stdout)
	assert.Regexp(t, `^0x[0-9a-fA-F]{40}$`, address)
	assert.Contains(t, e.stderr, "to use it: "+assignment("TALLY_KEY_FILE", file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	signer, err := keyfile.Decrypt(text, "correct horse")
	require.NoError(t, err)
	assert.Equal(t, address, signer.Address().Hex())
	assert.NotContains(t, e.stdout+e.stderr, "horse")

	s.env["TALLY_KEY_FILE"] = file
	assert.Equal(t, address+"\n", s.ok("key", "address"))
	s.env["TALLY_PASSWORD"] = "wrong horse"
	e = s.run("key", "address")
	assert.Equal(t, exitKey, e.code)
	assert.Empty(t, e.stdout)

	for range 2 {
		e = s.run("key", "new", "--unencrypted", file)
		assert.Equal(t, exitUsage, e.code)
		assert.Contains(t, e.stderr, "a key file is not overwritten")
	}
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, text, after)

	plain := filepath.Join(dir, "plain")
	a, b := s.process(nil, nil, "key", "new", "--unencrypted", plain), s.ok("key", "address", "--key-file", plain)
	assert.Equal(t, a.stdout, b, a.stderr)
	info, err := os.Stat(plain)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.Equal(t, fs.FileMode(0o600), info.Mode())
	}
}

// TestKeyImport takes a key from stdin or a file, as hex digits or as a keystore, and never from the command line.
func TestKeyImport(t *testing.T) {
	cheapKeys(t)
	s, dir := newUser(t)
	s.env["TALLY_PASSWORD"] = "correct horse"
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("hex"), []byte(strings.TrimPrefix(aKey, "0x")+"\n"), 0o600))
	require.NoError(t, os.WriteFile(at("open"), []byte(aKey), 0o600))
	require.NoError(t, os.Chmod(at("open"), 0o644))
	s.in = aKey + "\n"
	for _, one := range []struct {
		from []string
		to   string
		code int
		says string
	}{
		{nil, "one", 0, ""},
		{[]string{"--from", "-"}, "two", 0, ""},
		{[]string{"--from", at("hex")}, "three", 0, ""},
		{[]string{"--from", at("one")}, "four", 0, ""},
		{[]string{"--from", at("none")}, "no", exitKey, "no such file"},
		{[]string{"--from-fd", "987"}, "no", exitKey, "--from-fd 987: it cannot be read"},
		{[]string{"--from-fd", "3", "--from", at("hex")}, "no", exitUsage, "give one"},
		{nil, "one", exitUsage, "not overwritten"},
		{[]string{"--from", aKey}, "no", exitUsage, "move the money to another key"},
	} {
		e := s.run(append(append([]string{"key", "import"}, one.from...), at(one.to))...)
		assert.Equal(t, one.code, e.code, "%v: %s", one.from, e.stderr)
		assert.Contains(t, e.stderr, one.says)
		assert.NotContains(t, e.stdout+e.stderr, aKey[2:])
		if one.code == 0 {
			assert.Equal(t, aAddress+"\n", e.stdout)
			text, err := os.ReadFile(at(one.to))
			require.NoError(t, err)
			_, err = keyfile.Decrypt(text, "correct horse")
			assert.NoError(t, err)
		}
	}
	for _, args := range [][]string{
		{"key", "import", aKey},
		{"key", "address", "--key-file", aKey},
		{"balance", aKey[2:]},
		{"--key-file", aKey, "http://127.0.0.1:1/"},
	} {
		s.env["TALLY_RPC_URL"] = "http://127.0.0.1:1"
		e := s.run(args...)
		assert.Equal(t, exitUsage, e.code, args[0])
		assert.NotContains(t, e.stderr, aKey[2:], "the message does not repeat it")
	}
	if runtime.GOOS != "windows" {
		e := s.run("key", "import", "--from", at("open"), at("no"))
		assert.Equal(t, exitKey, e.code)
		assert.Contains(t, e.stderr, "run chmod 600")
		sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", `exec "$0" key import --unencrypted --from-fd 3 "$1" 3<"$2"`,
			os.Args[0], at("five"), at("hex"))
		sh.Env = append(os.Environ(), asTally+"=1")
		out, err := sh.Output()
		require.NoError(t, err)
		assert.Equal(t, aAddress+"\n", string(out))
	}
	for _, bad := range []string{"tide and time", strings.Repeat("7", maxKeyFile+1), "", "0x00", `{"version":3}`} {
		s.in = bad
		e := s.run("key", "import", at("no"))
		assert.Equal(t, exitKey, e.code, e.stderr)
		assert.NotContains(t, e.stderr, "tide")
	}
	assert.NoFileExists(t, at("no"))
	s.env["TALLY_PASSWORD"] = "wrong horse"
	e := s.run("key", "import", "--from", at("one"), at("no"))
	assert.Equal(t, exitKey, e.code)
	assert.NoFileExists(t, at("no"))
}

// TestKeyShowAsks at the terminal: without one, and with a yes on stdin, nothing is shown.
func TestKeyShowAsks(t *testing.T) {
	s, dir := newUser(t)
	file := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(file, []byte(aKey+"\n"), 0o600))
	s.env["TALLY_KEY_FILE"], s.in = file, "y\n"
	e := s.run("key", "show")
	assert.Equal(t, exitApproval, e.code)
	assert.Empty(t, e.stdout)
	assert.NotContains(t, e.stderr, aKey[2:])
	e = s.process(nil, nil, "key", "show")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Empty(t, e.stdout)
	delete(s.env, "TALLY_KEY_FILE")
	s.env["TALLY_KEY"] = aKey
	assert.Equal(t, exitUsage, s.run("key", "show").code)
	assert.Equal(t, aAddress+"\n", s.ok("key", "address"))
	delete(s.env, "TALLY_KEY")
	assert.Equal(t, exitKey, s.run("key", "address").code)
}
