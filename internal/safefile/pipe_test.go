//go:build unix

package safefile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReadPipe reads a pipe of this process, and nothing else that is no file.
func TestReadPipe(t *testing.T) {
	name := func(f *os.File) string { return fmt.Sprintf("/dev/fd/%d", f.Fd()) }
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	_, err = w.WriteString("text")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, _, err = Read(name(r), 9)
	require.ErrorIs(t, err, ErrNotRegular, "what is read again is no pipe")
	text, err := ReadPipe(name(r), 9)
	require.NoError(t, err)
	assert.Equal(t, "text", string(text))

	long, w, err := os.Pipe()
	require.NoError(t, err)
	defer long.Close()
	defer w.Close()
	_, err = w.WriteString("text")
	require.NoError(t, err)
	_, err = ReadPipe(name(long), 3)
	require.ErrorIs(t, err, ErrTooLong)

	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	require.NoError(t, os.Chmod(fifo, 0o620))
	shared, err := os.OpenFile(fifo, os.O_RDWR, 0)
	require.NoError(t, err)
	defer shared.Close()
	_, err = ReadPipe(name(shared), 9)
	require.ErrorIs(t, err, ErrExposed, "others may write to it")

	open, err := os.Open(dir)
	require.NoError(t, err)
	defer open.Close()
	for _, path := range []string{fifo, name(open), "/dev/null", "/dev/fd/../fd/0", "/dev/fd/", ""} {
		_, err = ReadPipe(path, 9)
		require.ErrorIs(t, err, ErrNotRegular, path)
	}
}
