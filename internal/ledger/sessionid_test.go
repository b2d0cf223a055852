package ledger

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
	if machine() == "" {
		t.Skip("this system does not tell its machines apart: see TestMachines")
	}
	require.NotEqual(t, mine, dead)
	elsewhere := strings.Replace(dead, machine(), "another machine", 1)
	host, err := os.Hostname()
	require.NoError(t, err)
	boot, space, _ := strings.Cut(machine(), " ")
	require.NotEmpty(t, boot)
	// Two hosts with one name: the first process namespace has the same number on both.
	twin := fmt.Sprintf("%s %s%sABC", host, space, number(cmd.Process.Pid))
	other := strings.Replace(dead, boot, "00000000-0000-4000-8000-000000000000", 1)
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
		{"on a host of the same name, as older versions wrote it", rule.Writer{Name: twin, At: now}, false},
		{"on a kernel with the same namespace", rule.Writer{Name: other, At: now}, false},
		{"a name of another kind", rule.Writer{Name: "x", At: now}, false},
	} {
		assert.Equal(t, c.ended, ended(now)(c.w), c.name)
	}
}

// TestMachines: two machines are never taken for one. Where they cannot be told apart, no process is
// known to have ended.
func TestMachines(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need a privilege there")
	}
	system := func(boot, space string) string {
		proc := t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(proc, "sys/kernel/random"), 0o700))
		require.NoError(t, os.MkdirAll(filepath.Join(proc, "self/ns"), 0o700))
		if boot != "" {
			file := filepath.Join(proc, "sys/kernel/random/boot_id")
			require.NoError(t, os.WriteFile(file, []byte(boot+"\n"), 0o600))
		}
		if space != "" {
			require.NoError(t, os.Symlink(space, filepath.Join(proc, "self/ns/pid")))
		}
		return machineOf(proc)
	}
	const space = "pid:[4026531836]" // the first one of every Linux
	const boot1, boot2 = "6f2d1c1e-8d0c-4f39-9a37-0b6f3b1f9d11", "6f2d1c1e-8d0c-4f39-9a37-0b6f3b1f9d12"
	one := system(boot1, space)
	assert.NotEmpty(t, one)
	assert.Equal(t, one, system(boot1, space))
	assert.NotEqual(t, one, system(boot2, space))
	assert.NotEqual(t, one, system(boot1, "pid:[4026532000]"))
	for _, nothing := range []string{
		system("", space), system(boot1, ""), system("0", space), machineOf(t.TempDir()),
	} {
		assert.Empty(t, nothing)
	}
	free := 1 << 22 // above the largest process number
	assert.True(t, goneFrom(one, fmt.Sprintf("%s %d ABC", one, free)))
	assert.False(t, goneFrom(system(boot2, space), fmt.Sprintf("%s %d ABC", one, free)))
	assert.False(t, goneFrom("", fmt.Sprintf(" %d ABC", free)))
	name := nameOn("")
	assert.NotEqual(t, name, nameOn(""))
	assert.False(t, goneFrom("", name))
}
