//go:build unix

package safefile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// home is a directory that nobody else may write to.
func home(t *testing.T) string {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700)) //nolint:gosec // it is a directory
	return dir
}

func write(t *testing.T, path string, mode fs.FileMode) string {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o600))
	require.NoError(t, os.Chmod(path, mode))
	return path
}

// guarded opens a file and asks who may change it.
func guarded(t *testing.T, path string) error {
	text, info, err := safefile.Read(path, 10)
	require.NoError(t, err)
	require.Equal(t, "text", string(text))
	return safefile.Guarded(path, info)
}

func TestGuardedReadsModes(t *testing.T) {
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o644: true, 0o444: true, 0o620: false, 0o664: false, 0o602: false, 0o666: false,
	} {
		err := guarded(t, write(t, filepath.Join(home(t), "file"), mode))
		if ok {
			assert.NoError(t, err, "%#o", mode)
		} else {
			assert.ErrorIs(t, err, safefile.ErrExposed, "%#o", mode)
		}
	}
	for mode, ok := range map[fs.FileMode]bool{
		0o700: true, 0o755: true, 0o500: true, 0o770: false, 0o775: false, 0o777: false,
		0o777 | fs.ModeSticky: true, 0o707: false,
	} {
		for _, below := range []string{"file", "a/file", "a/b/file"} {
			dir := filepath.Join(home(t), "dir")
			path := write(t, filepath.Join(dir, below), 0o600)
			require.NoError(t, os.Chmod(dir, mode))
			err := guarded(t, path)
			if ok {
				assert.NoError(t, err, "%v", mode)
				continue
			}
			assert.ErrorIs(t, err, safefile.ErrExposed, "%v", mode)
			assert.ErrorContains(t, err, "/dir has mode")
		}
	}
}

// TestGuardedFollowsLinks: a link counts as what it is, and as what it leads to.
func TestGuardedFollowsLinks(t *testing.T) {
	dir := home(t)
	open := filepath.Join(dir, "open")
	good := write(t, filepath.Join(dir, "good", "file"), 0o600)
	bad := write(t, filepath.Join(open, "file"), 0o600)
	require.NoError(t, os.Symlink(good, filepath.Join(open, "link")))
	require.NoError(t, os.Symlink("../open/file", filepath.Join(dir, "good", "to-bad")))
	require.NoError(t, os.Symlink("good", filepath.Join(dir, "to-good")))
	require.NoError(t, os.Symlink("good/../to-good", filepath.Join(dir, "and-again")))
	require.NoError(t, os.Symlink("open/file/../..", filepath.Join(dir, "nowhere")))
	require.NoError(t, os.Chmod(open, 0o777))
	for path, ok := range map[string]bool{
		good: true, bad: false, open + "/link": false, dir + "/good/to-bad": false,
		dir + "/to-good/file": true, dir + "/and-again/file": true,
		dir + "/to-good/../to-good/file": true, dir + "//good/./file": true,
		open + "/../good/file": true, // the directory above is ours, whatever is in this one
	} {
		err := guarded(t, path)
		if ok {
			assert.NoError(t, err, path)
		} else {
			assert.ErrorIs(t, err, safefile.ErrExposed, path)
		}
	}
	t.Chdir(filepath.Join(dir, "good"))
	assert.NoError(t, guarded(t, "file"))
	assert.NoError(t, guarded(t, "../to-good/file"))
	assert.ErrorIs(t, guarded(t, "../open/file"), safefile.ErrExposed)
}

// TestGuardedKnowsTheFile: a file that was exchanged after it was opened is noticed.
func TestGuardedKnowsTheFile(t *testing.T) {
	path := write(t, filepath.Join(home(t), "file"), 0o600)
	_, info, err := safefile.Read(path, 10)
	require.NoError(t, err)
	require.NoError(t, os.Rename(write(t, path+"2", 0o600), path))
	require.ErrorIs(t, safefile.Guarded(path, info), safefile.ErrExposed)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, safefile.Guarded(path, info), fs.ErrNotExist)
}

// TestGuardedKnowsUsers: the owner of the file may have the directory, and nobody else.
func TestGuardedKnowsUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	for name, c := range map[string]struct {
		file, dir int
		mode      fs.FileMode
		ok        bool
	}{
		"a policy of its owner":             {1234, 1234, 0o755, true},
		"the system's directory":            {1234, 0, 0o755, true},
		"another user's directory":          {1234, 1235, 0o755, false},
		"our file, another's directory":     {0, 1234, 0o755, false},
		"a shared directory, ours":          {0, 0, 0o777 | fs.ModeSticky, true},
		"a shared directory, somebody made": {1234, 0, 0o777 | fs.ModeSticky, false},
	} {
		dir := filepath.Join(home(t), "dir")
		path := write(t, filepath.Join(dir, "file"), 0o600)
		require.NoError(t, os.Chown(path, c.file, 0))
		require.NoError(t, os.Chown(dir, c.dir, 0))
		require.NoError(t, os.Chmod(dir, c.mode))
		err := guarded(t, path)
		if c.ok {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, safefile.ErrExposed, name)
		}
	}
}

// TestReadNeverWaits and never reads without end.
func TestReadNeverWaits(t *testing.T) {
	dir := home(t)
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.Symlink(pipe, filepath.Join(dir, "link")))
	for _, path := range []string{pipe, dir + "/link", dir, "/dev/zero", "/dev/null"} {
		_, _, err := safefile.Read(path, 10)
		require.ErrorIs(t, err, safefile.ErrNotRegular, path)
		var file *fs.PathError
		require.ErrorAs(t, err, &file)
		_, _, err = safefile.OpenFile(path, os.O_WRONLY, 0)
		require.ErrorIs(t, err, safefile.ErrNotRegular, path)
	}
	_, _, err := safefile.Read(dir+"/none", 10)
	require.ErrorIs(t, err, fs.ErrNotExist)
	path := write(t, filepath.Join(dir, "file"), 0o600)
	for limit := range int64(6) {
		text, _, err := safefile.Read(path, limit)
		if limit < 4 {
			require.ErrorIs(t, err, safefile.ErrTooLong, strconv.FormatInt(limit, 10))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "text", string(text))
	}
}
