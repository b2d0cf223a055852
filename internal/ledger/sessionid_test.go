package ledger

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestEndedSessions: a session counts until its process is known to have ended, or for ten minutes
// after it last wrote.
func TestEndedSessions(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$")
	require.NoError(t, cmd.Run())
	mine := sessionID()
	number := func(pid int) string { return fmt.Sprint(" ", pid, " ") }
	dead := strings.Replace(mine, number(os.Getpid()), number(cmd.Process.Pid), 1)
	require.NotEqual(t, mine, sessionID())
	require.NotEqual(t, mine, dead)
	elsewhere := strings.Replace(dead, machine(), "another machine", 1)
	const now = 10_000
	for _, c := range []struct {
		name  string
		w     rule.Writer
		ended bool
	}{
		{"it lives", rule.Writer{Name: mine, At: now}, false},
		{"it was quiet for ten minutes", rule.Writer{Name: mine, At: now - lapse}, false},
		{"and longer", rule.Writer{Name: mine, At: now - lapse - 1}, true},
		{"its clock is ahead by a minute", rule.Writer{Name: mine, At: now + 60}, false},
		{"its clock is another day's", rule.Writer{Name: mine, At: now + 86_400}, true},
		{"its process has ended", rule.Writer{Name: dead, At: now}, true},
		{"it ran on another machine", rule.Writer{Name: elsewhere, At: now}, false},
		{"a name of another kind", rule.Writer{Name: "x", At: now}, false},
	} {
		assert.Equal(t, c.ended, ended(now)(c.w), c.name)
	}
}
