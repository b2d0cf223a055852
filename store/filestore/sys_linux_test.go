package filestore

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestFilesWithoutStatx checks that both ways to look at a file tell the same.
func TestFilesWithoutStatx(t *testing.T) {
	s := openAt(t, t.TempDir())
	mustPut(t, s, "k", "v", 0)
	for _, path := range []string{s.path("k"), s.dir, filepath.Join(s.dir, lockDir)} {
		size, regular, id, err := statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
		require.NoError(t, err)
		size2, regular2, id2, err := fstatat(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW)
		require.NoError(t, err)
		assert.Equal(t, []any{size, regular, id}, []any{size2, regular2, id2}, path)
	}
	_, _, _, err := fstatat(unix.AT_FDCWD, s.path("none"), unix.AT_SYMLINK_NOFOLLOW)
	require.ErrorIs(t, err, unix.ENOENT)
}
