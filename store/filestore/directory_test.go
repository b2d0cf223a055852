package filestore

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// mode returns the permissions of a file. Windows has none: it keeps access lists.
func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows keeps access lists, which are not read")
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	return info.Mode().Perm()
}

func TestOpenMakesItsDirectories(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	mustPut(t, openAt(t, dir), "k", "v", 0)
	assert.Equal(t, os.FileMode(0o700), mode(t, filepath.Join(base, "a")))
	assert.Equal(t, os.FileMode(0o700), mode(t, dir))
}

func TestOpenTakesTheDirectoryAwayFromOthers(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	s := openAt(t, dir) // empty, so it may become a store
	assert.Equal(t, os.FileMode(0o700), mode(t, dir))
	mustPut(t, s, "k", "v", 0)

	require.NoError(t, os.Chmod(dir, 0o755))
	data, _, err := openAt(t, dir).Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "v", string(data))
	assert.Equal(t, os.FileMode(0o700), mode(t, dir))
}

// TestStoreThatOthersMayWrite checks that a store is refused if others could have changed it, also if
// this is run by root, whom permissions do not bind.
func TestStoreThatOthersMayWrite(t *testing.T) {
	mode(t, t.TempDir())
	for _, perm := range []os.FileMode{0o770, 0o707, 0o722, 0o777} {
		for _, sub := range []string{"", lockDir, movedDir, apartDir} {
			s := openAt(t, t.TempDir())
			require.NoError(t, s.Move(t.Context(), "k", mustPut(t, s, "k", "v", 0), "closed/k"))
			at := filepath.Join(s.dir, sub)
			require.NoError(t, os.Chmod(at, perm))
			_, err := Open(s.dir)
			require.ErrorContains(t, err, "other users may write to "+at)
			require.ErrorContains(t, err, "chmod 700")
			assert.Equal(t, perm, mode(t, at), "nothing is changed")
			require.NoError(t, os.Chmod(at, 0o700))
			openAt(t, s.dir)
		}
	}
}

// TestStoreOfAnotherUser needs root, who alone can make one.
func TestStoreOfAnotherUser(t *testing.T) {
	s := openAt(t, t.TempDir())
	mustPut(t, s, "k", "v", 0)
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(s.dir, link))
	if err := os.Lchown(link, 54321, -1); err != nil {
		t.Skip("only root can give files away")
	}
	_, err := Open(link)
	require.ErrorContains(t, err, "symbolic link of another user (54321)")
	require.NoError(t, os.Chown(s.dir, 54321, -1))
	_, err = Open(s.dir)
	require.ErrorContains(t, err, "belongs to user 54321")
}

func TestOpenLeavesForeignDirectoriesAlone(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o644))
	_, err := Open(dir)
	require.ErrorContains(t, err, "letter.txt")
	require.ErrorContains(t, err, "choose another directory")
	assert.Equal(t, os.FileMode(0o755), mode(t, dir))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1)

	_, err = Open(filepath.Join(dir, "letter.txt"))
	require.ErrorContains(t, err, "not a directory")
	_, err = Open(filepath.Join(dir, "letter.txt", "below"))
	require.ErrorContains(t, err, "not a directory")
	_, err = Open("")
	require.ErrorContains(t, err, "no directory given")
}

func TestOpenRefusesOtherFormats(t *testing.T) {
	for text, want := range map[string]error{
		"tallystick store 3\nand more": ErrVersion,
		"tallystick store 0\n":         store.ErrCorrupt,
		"something else\n":             store.ErrCorrupt,
		"":                             store.ErrCorrupt,
	} {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, marker), []byte(text), 0o600))
		_, err := Open(dir)
		require.ErrorIs(t, err, want, "%q", text)
		assert.Equal(t, os.FileMode(0o755), mode(t, dir), "nothing is changed")
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		assert.Len(t, files, 1)
	}
}

// TestOpenFollowsALinkOnce changes the link of an open store, which must stay with its records.
func TestOpenFollowsALinkOnce(t *testing.T) {
	base := t.TempDir()
	link, first, second := filepath.Join(
		base, "link",
	), filepath.Join(
		base, "first",
	), filepath.Join(
		base, "second",
	)
	require.NoError(t, os.Mkdir(first, 0o755))
	require.NoError(t, os.Symlink(first, link))
	s := openAt(t, link)
	assert.Equal(t, os.FileMode(0o700), mode(t, first))
	rev := mustPut(t, s, "k", "one", 0)

	openAt(t, second)
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Symlink(second, link))
	mustPut(t, s, "k", "two", rev)
	data, _, err := openAt(t, first).Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, "two", string(data))

	require.NoError(t, os.Symlink(filepath.Join(base, "nowhere"), filepath.Join(base, "dangling")))
	_, err = Open(filepath.Join(base, "dangling"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLinkedRecordRefused(t *testing.T) {
	s := openAt(t, t.TempDir())
	elsewhere := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(elsewhere, fileOf("k", 1, ""), 0o600))
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(s.dir, "k.rec")))
	_, _, err := s.Get(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrCorrupt)
	_, err = s.Put(t.Context(), "k", nil, 1)
	require.ErrorIs(t, err, store.ErrCorrupt)
}

// TestMissingStoreIsNotEmpty checks that the directory of an unmounted volume, which is empty, does
// not look like a wallet without channels.
func TestMissingStoreIsNotEmpty(t *testing.T) {
	for name, vanish := range map[string]func(dir string) error{
		"removed": os.RemoveAll,
		"emptied": func(dir string) error {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			return os.Mkdir(dir, 0o700)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, filepath.Join(t.TempDir(), "wallet"))
			mustPut(t, s, "k", "v", 0)
			require.NoError(t, vanish(s.dir))
			_, _, err := s.Get(t.Context(), "k")
			require.Error(t, err)
			require.NotErrorIs(t, err, store.ErrNotFound)
			_, err = s.Put(t.Context(), "k", nil, 0)
			require.Error(t, err)
			ends := 0
			for e, err := range s.List(t.Context(), "") {
				require.Error(t, err)
				require.Empty(t, e)
				ends++
			}
			assert.Equal(t, 1, ends)
		})
	}
}

func TestConcurrentOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "wallet")
	var done sync.WaitGroup
	for range 16 {
		done.Go(func() {
			_, err := Open(dir)
			assert.NoError(t, err)
		})
	}
	done.Wait()
	assert.Equal(t, []string{"lock", "tallystick.store"}, names(t, openAt(t, dir)))
}
