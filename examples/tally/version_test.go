package main

import (
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
)

// TestStoreOfVersion1: a directory that the first program of version 1 left behind is read as it is, and not written.
func TestStoreOfVersion1(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	require.NoError(t, os.CopyFS(s.env["TALLY_STORE"], os.DirFS("../../store/filestore/testdata/version1")))
	before := s.onDisk()
	var phases []string
	for _, line := range strings.Split(strings.TrimSpace(s.ok("channels", "--all")), "\n")[1:] {
		phases = append(phases, strings.Join(strings.Fields(line)[1:], " "))
	}
	const origin = "http://127.0.0.1:33719"
	assert.Equal(t, []string{
		"open " + origin + " 0.01 0.0004 0.0003 0.0004 0 pathUSD -",
		"close requested " + origin + " 0.01 0.0001 0.0001 0.0001 0 pathUSD -",
		"closed " + origin + " 0.01 0.0001 0.0001 0.0001 0 pathUSD -",
	}, phases)
	assert.Equal(t, before, s.onDisk())
}

// TestWhereStateIs: in the directory that XDG says, or where it was before if there is a store.
func TestWhereStateIs(t *testing.T) {
	home, state := t.TempDir(), t.TempDir()
	env := map[string]string{"HOME": home, "XDG_STATE_HOME": state}
	where := func() string {
		dir, err := stateDir(func(name string) string { return env[name] })
		require.NoError(t, err)
		return dir
	}
	open := func(dir string) {
		files, err := filestore.Open(dir)
		require.NoError(t, err)
		require.NoError(t, files.Close())
	}
	assert.Equal(t, filepath.Join(state, "tally"), where())
	old := filepath.Join(home, ".tallystick")
	require.NoError(t, os.Mkdir(old, 0o700))
	assert.Equal(t, filepath.Join(state, "tally"), where(), "there is no store in it")
	open(old)
	assert.Equal(t, old, where())
	open(filepath.Join(state, "tally"))
	assert.Equal(t, filepath.Join(state, "tally"), where())
	if runtime.GOOS == "linux" {
		delete(env, "XDG_STATE_HOME")
		assert.Equal(t, old, where())
		open(filepath.Join(home, ".local", "state", "tally"))
		assert.Equal(t, filepath.Join(home, ".local", "state", "tally"), where())
	}
}

// onDisk is every record of the store, byte for byte.
func (s *shell) onDisk() map[string]string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.env["TALLY_STORE"], "*"))
	require.NoError(s.t, err)
	out := map[string]string{}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil {
			out[filepath.Base(f)] = string(text)
		}
	}
	require.Greater(s.t, len(out), 2)
	return out
}

// rewrite changes the records under a prefix as a newer program would, and returns how many there were.
func (s *shell) rewrite(prefix, old, new string) (changed int) {
	s.t.Helper()
	files, err := filestore.Open(s.env["TALLY_STORE"])
	require.NoError(s.t, err)
	for e, err := range files.List(s.t.Context(), prefix) {
		require.NoError(s.t, err)
		if text := strings.Replace(string(e.Data), old, new, 1); text != string(e.Data) {
			_, err := files.Put(s.t.Context(), e.Key, []byte(text), e.Rev)
			require.NoError(s.t, err)
			changed++
		}
	}
	return changed
}

// TestRecordOfVersion2: a record of a newer program is refused, named, and left as it is; nothing is opened in its place.
// The other channel goes on: what the first one used of the budgets is counted in records of their own.
func TestRecordOfVersion2(t *testing.T) {
	for _, prefix := range []string{"channel/", "scope/"} {
		t.Run(prefix, func(t *testing.T) {
			s := newShell(t, clienttest.Config{})
			s.ok("/data")
			s.ok("/v1/data")
			escrow := strings.ToLower(s.srv.Escrow(2).Hex())
			require.Equal(t, 2, s.rewrite(prefix, `{"version":1`, `{"version":2`), "both rails")
			require.Equal(t, 1, s.rewrite(prefix+rail(s, prefix, escrow), `{"version":2`, `{"version":1`), "the v1 channel stays")
			before, money := s.onDisk(), s.srv.Chain.Balance(s.key.Address)

			e := s.run("/data")
			assert.NotZero(t, e.code)
			assert.Contains(t, e.stderr, "use the program that wrote it")
			e = s.run("channels")
			if prefix == "channel/" {
				assert.Equal(t, exitState, e.code)
				assert.Contains(t, e.stderr, "version 2, this program reads version 1")
			}
			assert.Contains(t, e.stdout, "open")
			assert.Equal(t, before, s.onDisk(), "nothing was written")
			assert.Equal(t, money, s.srv.Chain.Balance(s.key.Address), "nothing was opened in its place")
			s.ok("/v1/data")
			assert.Len(t, s.srv.Accounts(), 2)
			require.Equal(t, 1, s.rewrite(prefix, `{"version":2`, `{"version":1`))
			s.ok("/data")
			for _, account := range s.srv.Accounts() {
				assert.Equal(t, "200", account.Spent.String(), "both went on where they were")
			}
		})
	}
}

// rail is the rest of the key of the v1 record under a prefix.
func rail(s *shell, prefix, v2Escrow string) string {
	files, err := filestore.Open(s.env["TALLY_STORE"])
	require.NoError(s.t, err)
	for e, err := range files.List(s.t.Context(), prefix) {
		require.NoError(s.t, err)
		if !strings.Contains(string(e.Data), v2Escrow) {
			return strings.TrimPrefix(e.Key, prefix)
		}
	}
	s.t.Fatal("there is no v1 record")
	return ""
}

// TestStoreOfVersion3: a directory of a newer format is refused, and not touched.
func TestStoreOfVersion3(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.ok("/data")
	marker := filepath.Join(s.env["TALLY_STORE"], "tallystick.store")
	require.NoError(t, os.WriteFile(marker, []byte("tallystick store 3\n"), 0o600))
	before := s.onDisk()
	e := s.run("-X", http.MethodGet, "/data")
	assert.Equal(t, exitState, e.code)
	assert.Contains(t, e.stderr, "written by a newer version of tallystick")
	assert.Equal(t, before, s.onDisk())
}
