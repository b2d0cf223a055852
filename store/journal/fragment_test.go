package journal

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFragments cuts the last line at every byte. Lines before it and after it must be readable,
// for a writer that opens the file later and for one that had it open.
func TestFragments(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 0)
	require.NoError(t, f.Append(t.Context(), numbered("a")))
	first, err := os.ReadFile(name(dir, 1))
	require.NoError(t, err)
	require.NoError(t, f.Append(t.Context(), numbered("b")))
	both, err := os.ReadFile(name(dir, 1))
	require.NoError(t, err)
	for cut := len(first) + 1; cut < len(both); cut += max(1, min(7, len(both)-1-cut)) {
		whole := cut == len(both)-1 // only the newline is missing
		for _, late := range []bool{false, true} {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(name(dir, 1), first, 0o600))
			g := open(t, dir, 0)
			if late {
				require.NoError(t, g.Append(t.Context(), numbered("opened before")))
			}
			file, err := os.OpenFile(name(dir, 1), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = file.Write(both[len(first):cut])
			require.NoError(t, errors.Join(err, file.Close()))
			require.NoError(t, g.Append(t.Context(), numbered("c")))

			operations, bad := read(t, dir)
			want := []string{"a"}
			if late {
				want = append(want, "opened before")
			}
			if whole && !late {
				want = append(want, "b")
			}
			assert.Equal(t, append(want, "c"), operations, "cut at %d", cut)
			if whole && !late {
				assert.Empty(t, bad)
				continue
			}
			require.Len(t, bad, 1, "cut at %d", cut)
			require.ErrorIs(t, bad[0], ErrFragment)
		}
	}
}

// TestFullDisk checks that a partial write is reported and does not damage the next line.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 0)
	full := errors.New("no space left")
	f.write = func(file *os.File, b []byte) (int, error) {
		n, _ := file.Write(b[:len(b)/2])
		return n, full
	}
	require.ErrorIs(t, f.Append(t.Context(), numbered("a")), full)
	require.ErrorIs(t, f.Append(t.Context(), numbered("b")), full)
	f.write = func(*os.File, []byte) (int, error) { return 0, full }
	require.ErrorIs(t, f.Append(t.Context(), numbered("c")), full)
	f.write = (*os.File).Write
	require.NoError(t, f.Append(t.Context(), numbered("d")))
	require.NoError(t, f.Append(t.Context(), numbered("e")))
	text, err := os.ReadFile(name(dir, 1))
	require.NoError(t, err)
	assert.Equal(t, 4, strings.Count(string(text), "\n"))
	operations, bad := read(t, dir)
	assert.Equal(t, []string{"d", "e"}, operations)
	assert.Len(t, bad, 2)
}
