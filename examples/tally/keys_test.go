package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

func TestKeys(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	hexFile := s.env["TALLY_KEY_FILE"]
	secret, err := crypto.HexToECDSA(s.key.Hex[2:])
	require.NoError(t, err)
	encrypted := filepath.Join(t.TempDir(), "key.json")
	cheapKeys(t)
	require.NoError(t, saveKey(encrypted, secret, "correct horse"))
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.WriteFile(open, []byte(s.key.Hex), 0o600))
	require.NoError(t, os.Chmod(open, 0o644))
	junk := filepath.Join(t.TempDir(), "junk")
	require.NoError(t, os.WriteFile(junk, []byte("tide and time"), 0o600))

	for _, one := range []struct {
		name string
		file string
		env  map[string]string
		says string // empty: it pays
	}{
		{"hex file", hexFile, nil, ""},
		{"environment", "", map[string]string{"TALLY_KEY": s.key.Hex}, ""},
		{"keystore", encrypted, map[string]string{"TALLY_PASSWORD": "correct horse"}, ""},
		{"keystore, wrong password", encrypted, map[string]string{"TALLY_PASSWORD": "wrong horse"}, "wrong or missing password"},
		{"keystore, nobody to ask", encrypted, nil, "set TALLY_PASSWORD"},
		{"file before environment", junk, map[string]string{"TALLY_KEY": s.key.Hex}, "not a usable key"},
		{"others can read it", open, nil, "run chmod 600"},
		{"missing", filepath.Join(t.TempDir(), "none"), nil, "no such file"},
		{"bad environment", "", map[string]string{"TALLY_KEY": "tide and time"}, "TALLY_KEY: "},
	} {
		t.Run(one.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && one.file == open {
				return // its files have no such bits
			}
			s.t = t
			s.env["TALLY_KEY_FILE"], s.env["TALLY_KEY"], s.env["TALLY_PASSWORD"] = one.file, one.env["TALLY_KEY"], one.env["TALLY_PASSWORD"]
			before := len(s.srv.Requests())
			e := s.run("/data")
			if one.says == "" {
				assert.Equal(t, 0, e.code, e.stderr)
				return
			}
			assert.Equal(t, exitKey, e.code)
			assert.Contains(t, e.stderr, one.says)
			assert.Len(t, s.srv.Requests(), before, "nothing was sent")
			for _, word := range []string{"tide", "horse", s.key.Hex[2:]} {
				assert.NotContains(t, strings.ToLower(e.stderr), word)
			}
		})
	}
	s.t = t
	s.books(300)
}

// TestKeyFromACommand: what a command prints is the key, in no error and on no terminal. A file on the command line is
// the key in spite of a command in the environment, which does not run.
func TestKeyFromACommand(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are of a Unix shell")
	}
	s := newShell(t, clienttest.Config{})
	file := s.env["TALLY_KEY_FILE"]
	cat := "cat '" + file + "'"
	ran := filepath.Join(t.TempDir(), "ran")
	for _, one := range []struct {
		name string
		env  string
		args []string
		code int
		says string
	}{
		{"command", "", []string{"--key-command", "echo asked >&2; " + cat}, 0, "asked"},
		{"environment", cat, nil, 0, ""},
		{"fails", "", []string{"--key-command", "echo tide; exit 3"}, exitKey, "--key-command: the command failed: exit status 3"},
		{"prints no key", "", []string{"--key-command", "echo tide"}, exitKey, "not a usable key"},
		{"prints too much", "", []string{"--key-command", "yes tide"}, exitKey, "which no key has"},
		{"two places", "", []string{"--key-command", "true", "--key-file", file}, exitUsage, "give one"},
		{"file before the environment", "touch " + ran, []string{"--key-file", file}, 0, ""},
		{"budget needs none", "touch " + ran, []string{"budget"}, 0, ""},
		{"too late", "", []string{"-m", "0.05", "--key-command", "exec sleep 9"}, exitTimeout, ""},
	} {
		t.Run(one.name, func(t *testing.T) {
			s.t = t
			delete(s.env, "TALLY_KEY_FILE")
			s.env["TALLY_KEY_COMMAND"] = one.env
			args := one.args
			if one.name != "budget needs none" {
				args = append(args, "/data")
			}
			e := s.run(args...)
			assert.Equal(t, one.code, e.code, e.stderr)
			assert.Contains(t, e.stderr, one.says)
			assert.NotContains(t, e.stderr, "tide")
			assert.NotContains(t, e.stderr, s.key.Hex[2:])
			assert.NoFileExists(t, ran)
		})
	}
	s.t = t
	s.books(300)
}
