package filestore

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t testing.TB) store.Store { return openAt(t, t.TempDir()) })
	storetest.Durable(t, func(t testing.TB) func() store.Store {
		dir := filepath.Join(t.TempDir(), "made", "on", "demand")
		return func() store.Store { return openAt(t, dir) }
	})
}

func openAt(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func mustPut(t testing.TB, s *Store, key, data string, rev uint64) uint64 {
	t.Helper()
	next, err := s.Put(t.Context(), key, []byte(data), rev)
	require.NoError(t, err)
	return next
}

// names returns the files of a store except those in lock/.
func names(t testing.TB, s *Store) (all []string) {
	t.Helper()
	files, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	for _, f := range files {
		all = append(all, f.Name())
	}
	return all
}

func TestFilesArePrivateAndReadable(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "wallet"))
	rev := mustPut(t, s, "channel/0x01", `{"authorized":"100"}`, 0)
	mustPut(t, s, "channel/0x01", `{"authorized":"200"}`, rev)

	assert.Equal(t, []string{"channel=0x01.rec", "lock", "tallystick.store"}, names(t, s))
	text, err := os.ReadFile(filepath.Join(s.dir, "channel=0x01.rec"))
	require.NoError(t, err)
	assert.Regexp(
		t, `^tallystick record 1 channel/0x01 rev=2 sha256=[0-9a-f]{64}\n\{"authorized":"200"\}\n$`,
		string(text),
	)

	require.NoError(t, filepath.WalkDir(s.dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		assert.Zero(t, info.Mode().Perm()&0o077, "%s has mode %v", path, info.Mode())
		return nil
	}))
}

func TestListSkipsOtherFiles(t *testing.T) {
	s := openAt(t, t.TempDir())
	mustPut(t, s, "a", "1", 0)
	for _, name := range []string{".tmp+a.rec", "a.rec~", "a.rec.bak", "A.rec", "README", "a+b.rec", ".rec"} {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte("x"), 0o600))
	}
	var keys []string
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, e.Key)
	}
	assert.Equal(t, []string{"a"}, keys)
}

func TestClose(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "a", "1", 0)
	require.NoError(t, s.Close())
	_, _, err := s.Get(t.Context(), "a")
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.Put(t.Context(), "a", nil, rev)
	require.ErrorIs(t, err, os.ErrClosed)
	for _, err := range s.List(t.Context(), "") {
		require.ErrorIs(t, err, os.ErrClosed)
	}
}
