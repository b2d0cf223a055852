package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

// TestKeyAtTheTerminal: the private key is shown after a yes only, and a new password is asked for twice.
func TestKeyAtTheTerminal(t *testing.T) {
	cheapKeys(t)
	s, dir := newUser(t)
	file := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(file, []byte(aKey+"\n"), 0o600))
	s.env["TALLY_KEY_FILE"] = file
	s.answers("n\n")
	e := s.run("key", "show")
	assert.Equal(t, exitApproval, e.code)
	assert.Empty(t, e.stdout)
	s.answers("y\n")
	assert.Equal(t, aKey+"\n", s.ok("key", "show"))

	for _, one := range []struct {
		first, second string
		code          int
	}{{"tide", "tide", 0}, {"tide", "time", exitKey}, {"", "", exitKey}} {
		to := filepath.Join(dir, "new"+one.first+one.second)
		keyboard := s.answers("")
		answers := []string{one.first, one.second}
		s.asked = func() {
			_, _ = io.WriteString(keyboard, answers[0]+"\n")
			answers = answers[1:]
		}
		e := s.run("key", "new", to)
		assert.Equal(t, one.code, e.code, e.stderr)
		assert.Empty(t, answers, "asked twice")
		assert.NotContains(t, e.stdout+e.stderr, "tide\n")
		if one.code != 0 {
			assert.NoFileExists(t, to)
			continue
		}
		text, err := os.ReadFile(to)
		require.NoError(t, err)
		_, err = keyfile.Decrypt(text, "tide")
		assert.NoError(t, err)
	}
}
