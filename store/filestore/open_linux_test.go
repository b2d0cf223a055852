package filestore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoFileIsReplacedWhileItIsOpen by the program that replaces it: Windows refuses that. A record is replaced when it
// grows, and when it moves.
func TestNoFileIsReplacedWhileItIsOpen(t *testing.T) {
	s := openAt(t, t.TempDir())
	renamed := 0
	s.rename = func(from, to string) error {
		renamed++
		open, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		for _, fd := range open {
			path, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())) // it may be closed by now
			assert.NotContains(t, []string{from, to}, path)
		}
		return os.Rename(from, to)
	}
	rev := mustPut(t, s, "k", "v", 0)
	rev = mustPut(t, s, "k", strings.Repeat("v", 2*block), rev)
	require.NoError(t, s.Move(t.Context(), "k", rev, "closed/k"))
	assert.GreaterOrEqual(t, renamed, 4)
}
