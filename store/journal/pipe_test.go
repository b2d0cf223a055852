//go:build unix

package journal

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// TestPipeInPlaceOfAFile: neither reading nor writing waits for the other end of it.
func TestPipeInPlaceOfAFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, "000001.jsonl"), 0o600))
	var err error
	for _, err = range Read(t.Context(), dir) {
	}
	require.ErrorIs(t, err, safefile.ErrNotRegular)
	f, err := Open(dir, 0)
	require.NoError(t, err)
	require.ErrorIs(t, f.Append(t.Context(), numbered("1")), safefile.ErrNotRegular)
	require.NoError(t, f.Close())
}
