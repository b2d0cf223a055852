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

// TestSetBack puts a copy of the directory back in place, as rsync --delete does.
func TestSetBack(t *testing.T) {
	storetest.SetBack(t, func(t testing.TB) storetest.Place {
		dir := filepath.Join(t.TempDir(), "wallet")
		openAt(t, dir)
		return storetest.Place{
			Open: func() store.Store { return openAt(t, dir) },
			Copy: func() func() {
				copied := content(t, dir)
				return func() { restore(t, dir, copied) }
			},
		}
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

// fileOf returns the content of a record file that was just created.
func fileOf(key string, rev uint64, data string) []byte {
	r := &record{key: key, born: 7, rev: rev, by: []written{{"0badcafe", rev}}, data: []byte(data)}
	m := r.image()
	return newFile(&m, m.size())
}

// unsynced is openAt without syncs, which take most of the time of a test on a busy disk.
func unsynced(t testing.TB, dir string) *Store {
	t.Helper()
	s := openAt(t, dir)
	s.sync, s.syncDir = func(*os.File) error { return nil }, func(string) error { return nil }
	return s
}

// oldStore returns a store of format 1, with records at revision 7.
func oldStore(t testing.TB, records map[string]string) *Store {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, marker), []byte("tallystick store 1\n"), 0o600))
	for key, data := range records {
		path := filepath.Join(dir, fileName(key, recordExt))
		require.NoError(t, os.WriteFile(path, encodeOld(key, 7, []byte(data)), 0o600))
	}
	return openAt(t, dir)
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
		t, `\ntallystick record 2 channel/0x01 born=[0-9a-f]{8} rev=2 len=20 `+
			`by=[0-9a-f]{8}@2 sha256=[0-9a-f]{64}\n`+
			`\{"authorized":"200"\}\n`,
		string(text),
	)
	assert.Len(t, text, 8192)

	mode(t, s.dir)
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
		if _, err := os.Stat(filepath.Join(s.dir, name)); err == nil {
			continue // the file system makes no difference between A and a
		}
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

// TestRecordsApart checks where the records of closed channels are, and that a listing of others does
// not read that directory.
func TestRecordsApart(t *testing.T) {
	s := openAt(t, t.TempDir())
	for _, key := range []string{"channel/b", "closed", "closed/", "closed/a/b", "closed/c", "closed0"} {
		mustPut(t, s, key, key, 0)
	}
	require.NoError(t, s.Move(t.Context(), "channel/b", 1, "closed/b"))
	assert.Equal(
		t, []string{"closed", "closed.rec", "closed0.rec", "lock", "moved", "tallystick.store"}, names(t, s),
	)
	inside, err := namesIn(filepath.Join(s.dir, "closed"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{".rec", "a=b.rec", "b.rec", "c.rec"}, inside)
	for prefix, want := range map[string][]string{
		"":          {"closed", "closed/", "closed/a/b", "closed/b", "closed/c", "closed0"},
		"clo":       {"closed", "closed/", "closed/a/b", "closed/b", "closed/c", "closed0"},
		"closed":    {"closed", "closed/", "closed/a/b", "closed/b", "closed/c", "closed0"},
		"closed/":   {"closed/", "closed/a/b", "closed/b", "closed/c"},
		"closed/a":  {"closed/a/b"},
		"closed/a/": {"closed/a/b"},
		"closed0":   {"closed0"},
		"channel/":  nil,
	} {
		var keys []string
		for e, err := range openAt(t, s.dir).List(t.Context(), prefix) {
			require.NoError(t, err)
			require.NotNil(t, e.Data)
			keys = append(keys, e.Key)
		}
		assert.Equal(t, want, keys, "%q", prefix)
	}

	// Nobody reads a record in the wrong place, and nobody takes it for missing.
	require.NoError(t, os.Rename(s.path("closed/c"), filepath.Join(s.dir, "closed=c.rec")))
	other := openAt(t, s.dir)
	_, _, err = other.Get(t.Context(), "closed/c")
	require.ErrorIs(t, err, store.ErrCorrupt)
	require.ErrorContains(t, err, "must be in the directory closed")
	require.ErrorIs(t, listedErrors(t, other)["closed/c"], store.ErrCorrupt)
	_, err = other.Put(t.Context(), "closed/c", nil, 0)
	require.ErrorIs(t, err, store.ErrCorrupt)
}
