//go:build unix

package main

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestFilesThatOthersMayChange: a policy or a key that others may change, also by exchanging it, is refused.
// Permissions do not bind root, and still it is refused there.
func TestFilesThatOthersMayChange(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	policy := s.policy(enough)
	for name, c := range map[string]struct {
		path string
		code int
	}{
		"policy": {policy, exitUsage},
		"key":    {s.env["TALLY_KEY_FILE"], exitKey},
	} {
		for _, mode := range []struct{ dir, file fs.FileMode }{{0o777, 0o600}, {0o770, 0o600}, {0o700, 0o622}} {
			require.NoError(t, os.Chmod(filepath.Dir(c.path), mode.dir))
			require.NoError(t, os.Chmod(c.path, mode.file))
			e := s.process(nil, nil, s.srv.URL+"/data")
			assert.Equal(t, c.code, e.code, "%s %v: %s", name, mode, e.stderr)
			assert.Contains(t, e.stderr, "others may ", "%s %v", name, mode)
			assert.Contains(t, e.stderr, ": run chmod ", "%s %v", name, mode)
		}
		require.NoError(t, os.Chmod(filepath.Dir(c.path), 0o700))
		require.NoError(t, os.Chmod(c.path, 0o600))
	}
	shared := filepath.Join(filepath.Dir(policy), "shared")
	require.NoError(t, os.Mkdir(shared, 0o700))
	link := filepath.Join(shared, "policy.toml")
	require.NoError(t, os.Symlink(policy, link))
	require.NoError(t, os.Chmod(shared, 0o777))
	e := s.process(nil, nil, "--policy", link, s.srv.URL+"/data")
	assert.Equal(t, exitUsage, e.code, e.stderr)
	assert.Contains(t, e.stderr, "the directory "+shared+" has mode 0777")
	e = s.process(nil, nil, "policy", "check", link)
	assert.Equal(t, exitUsage, e.code, e.stderr)
	assert.Empty(t, s.srv.Requests(), "nothing was sent")

	e = s.process(nil, nil, s.srv.URL+"/data")
	assert.Equal(t, 0, e.code, e.stderr)
}

// TestPipesAreNotWaitedFor: nobody writes to a pipe, and the program ends all the same. What is to be sent, and
// where the body goes, may be pipes, and are waited for within --max-time.
func TestPipesAreNotWaitedFor(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy(enough)
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"--policy", pipe}, exitRead},
		{[]string{"--policy", "/dev/zero"}, exitRead},
		{[]string{"--key-file", pipe}, exitKey},
		{[]string{"--key-file", "/dev/zero"}, exitKey},
		{[]string{"-m", "0.3", "-d", "@" + pipe}, exitTimeout},
		{[]string{"-m", "0.3", "-o", pipe}, exitTimeout},
	} {
		e := s.process(nil, nil, append(c.args, s.srv.URL+"/data")...)
		assert.Equal(t, c.code, e.code, "%v: %s", c.args, e.stderr)
	}
	e := s.process(nil, nil, "-d", "@/dev/zero", s.srv.URL+"/data")
	assert.Equal(t, exitRead, e.code, e.stderr)
	assert.Contains(t, e.stderr, "more than 256 MB")
	e = s.process(nil, nil, "policy", "check", pipe)
	assert.Equal(t, exitRead, e.code, e.stderr)
	e = s.process(nil, nil, "import", "--database", pipe)
	assert.NotZero(t, e.code, e.stderr)
	require.NoError(t, os.MkdirAll(filepath.Join(s.env["TALLY_STORE"], "journal"), 0o700))
	require.NoError(t, syscall.Mkfifo(filepath.Join(s.env["TALLY_STORE"], "journal", "000001.jsonl"), 0o600))
	e = s.process(nil, nil, "ledger")
	assert.Equal(t, exitState, e.code, e.stderr)
	assert.Empty(t, s.srv.Requests(), "nothing was sent")
	e = s.process(nil, nil, s.srv.URL+"/data")
	assert.Equal(t, 0, e.code, "paid and delivered, without a journal: %s", e.stderr)
}

// TestKeyFromAPipe: a key may come from a command, tally --key-file <(pass show key) or … | tally --key-file
// /dev/stdin. A policy may not, because it is read again.
func TestKeyFromAPipe(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy(enough)
	hex, err := os.ReadFile(s.env["TALLY_KEY_FILE"])
	require.NoError(t, err)
	key, err := crypto.HexToECDSA(strings.TrimPrefix(strings.TrimSpace(string(hex)), "0x"))
	require.NoError(t, err)
	stored, err := keystore.EncryptKey(
		&keystore.Key{Address: crypto.PubkeyToAddress(key.PublicKey), PrivateKey: key}, "pw", 2, 1)
	require.NoError(t, err)
	s.env["TALLY_PASSWORD"] = "pw"
	piped := func(text []byte, args ...string) ended {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		_, err = w.Write(text)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return s.process(r, nil, append(args, s.srv.URL+"/data")...)
	}
	for _, text := range [][]byte{hex, stored} {
		e := piped(text, "--key-file", "/dev/stdin")
		assert.Equal(t, 0, e.code, e.stderr)
	}
	delete(s.env, "TALLY_KEY_FILE")
	e := piped(hex, "--key-fd", "0")
	assert.Equal(t, 0, e.code, e.stderr)
	e = piped(hex, "--key-fd", "63")
	assert.Equal(t, exitKey, e.code, e.stderr)
	assert.Contains(t, e.stderr, "--key-fd 63: it cannot be read")
	e = piped([]byte("nonsense"), "--key-file", "/dev/fd/0")
	assert.Equal(t, exitKey, e.code, e.stderr)
	assert.NotContains(t, e.stderr, "nonsense")
	e = piped([]byte(enough), "--policy", "/dev/stdin")
	assert.Equal(t, exitRead, e.code, e.stderr)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	e = s.process(r, nil, "--key-file", "/dev/stdin", "-m", "0.3", s.srv.URL+"/data")
	assert.Equal(t, exitTimeout, e.code, "nobody writes: %s", e.stderr)
}

// TestKeystoreDemands: a keystore file that demands a gigabyte is refused before it gets that.
func TestKeystoreDemands(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	file := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":3,"id":"00000000-0000-4000-8000-000000000000",`+
		`"crypto":{"cipher":"aes-128-ctr","ciphertext":"`+strings.Repeat("00", 32)+`",`+
		`"cipherparams":{"iv":"`+strings.Repeat("00", 16)+`"},"mac":"`+strings.Repeat("00", 32)+`",`+
		`"kdf":"scrypt","kdfparams":{"n":1048576,"r":8,"p":1,"dklen":32,"salt":"00"}}}`), 0o600))
	s.env["TALLY_KEY_FILE"], s.env["TALLY_PASSWORD"] = file, "correct horse"
	e := s.process(nil, nil, s.srv.URL+"/data")
	assert.Equal(t, exitKey, e.code, e.stderr)
	assert.Contains(t, e.stderr, "demand more than 256 MB")
}

// TestOutputThroughALink: the body goes to where a symbolic link leads. If there is none, what was made for it
// is removed and the link stays.
func TestOutputThroughALink(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.Handle("/missing", http.NotFoundHandler())
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "below"), 0o700))
	link := filepath.Join(dir, "link")
	for _, target := range []string{
		"below/file", filepath.Join(dir, "below", "file"), "second",
	} {
		file := filepath.Join(dir, "below", "file")
		_ = os.Remove(link)
		require.NoError(t, os.Symlink(target, link))
		if target == "second" {
			require.NoError(t, os.Symlink("below", filepath.Join(dir, "directory")))
			require.NoError(t, os.Symlink("directory/../below/file", filepath.Join(dir, "second")))
		}
		for range 2 { // the file is there the second time
			e := s.process(nil, nil, "-o", link, "-f", s.srv.URL+"/missing")
			assert.Equal(t, exitHTTP, e.code, e.stderr)
			kept, err := os.Readlink(link)
			require.NoError(t, err, "the link was removed")
			assert.Equal(t, target, kept)
			if _, err := os.Lstat(file); err == nil {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, "before", string(text))
			}
			require.NoError(t, os.WriteFile(file, []byte("before"), 0o600))
		}
		require.NoError(t, os.Remove(file))
		e := s.process(nil, nil, "-o", link, s.srv.URL+"/data")
		assert.Equal(t, 0, e.code, e.stderr)
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Contains(t, string(text), `"ok":true`)
		require.NoError(t, os.Remove(file))
	}
	round := filepath.Join(dir, "round")
	require.NoError(t, os.Symlink("round", round))
	e := s.process(nil, nil, "-o", round, s.srv.URL+"/data")
	assert.Equal(t, exitWrite, e.code, e.stderr)
	e = s.process(nil, nil, "-o", "/dev/stdout", s.srv.URL+"/data") // links to what has no path
	assert.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stdout, `"ok":true`)
}

// TestLinked: a symbolic link is followed as the system follows it, also where .. comes after another link.
func TestLinked(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "far", "in"), 0o700))
	require.NoError(t, os.Symlink(filepath.Join("far", "in"), filepath.Join(dir, "through")))
	require.NoError(t, os.Symlink("through/../there", filepath.Join(dir, "link")))
	require.NoError(t, os.Symlink("there", filepath.Join(dir, "far", "link")))
	for _, path := range []string{filepath.Join(dir, "link"), dir + "/through/../link"} {
		to, err := linked(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, []byte("x"), 0o600))
		assert.NoError(t, os.Remove(filepath.Join(dir, "far", "there")), to)
	}
}
