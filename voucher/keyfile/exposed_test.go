//go:build unix

package keyfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// TestFileThatOthersMayChange is refused: they would choose the key that pays.
func TestFileThatOthersMayChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key.json")
	require.NoError(t, os.WriteFile(path, good(t), 0o600))
	for _, c := range []struct {
		dir, file os.FileMode
		ok        bool
	}{
		{0o700, 0o600, true}, {0o755, 0o644, true}, {0o755, 0o660, false}, {0o777, 0o600, false},
	} {
		require.NoError(t, os.Chmod(dir, c.dir))
		require.NoError(t, os.Chmod(path, c.file))
		_, err := Load(path, "pw")
		if c.ok {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, safefile.ErrExposed)
	}
}

// TestPipeIsNotRead: loading a key does not wait for the other end of a pipe.
func TestPipeIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := Load(path, "pw")
	require.ErrorIs(t, err, safefile.ErrNotRegular)
}
