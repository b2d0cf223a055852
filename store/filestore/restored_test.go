package filestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// setBack checks that no call of s for key succeeds, whatever revision it names.
func setBack(t *testing.T, s *Store, key, reason string) {
	t.Helper()
	before := content(t, s.dir)
	var damaged *CorruptError
	_, _, err := s.Get(t.Context(), key)
	require.ErrorAs(t, err, &damaged)
	require.ErrorContains(t, err, reason)
	require.NotErrorIs(t, err, store.ErrNotFound)
	for rev := range uint64(12) {
		_, err := s.Put(t.Context(), key, []byte("over it"), rev)
		require.ErrorIs(t, err, store.ErrCorrupt, "Put of revision %d", rev)
		require.ErrorIs(t, s.Move(t.Context(), key, rev, "elsewhere"), store.ErrCorrupt)
	}
	require.Equal(t, before, content(t, s.dir))
}

// listedErrors returns the errors of a listing by key.
func listedErrors(t *testing.T, s *Store) map[string]error {
	t.Helper()
	got, last := map[string]error{}, ""
	for e, err := range s.List(t.Context(), "") {
		require.Greater(t, e.Key, last, "in order, and no error that ends it")
		got[e.Key], last = err, e.Key
	}
	return got
}

// TestRecordSetBackUnderARunningProgram puts old copies of a record back, and lets another program go
// on with them to every revision below, at and above the one that the first program holds.
func TestRecordSetBackUnderARunningProgram(t *testing.T) {
	for name, replace := range map[string]func(path string, raw []byte) error{
		"in place": func(path string, raw []byte) error { return os.WriteFile(path, raw, 0o600) },
		"renamed": func(path string, raw []byte) error {
			return errors.Join(os.WriteFile(path+"~", raw, 0o600), os.Rename(path+"~", path))
		},
	} {
		for _, first := range []string{"ours", "format 1", "another's"} {
			for further := range 8 {
				t.Run(fmt.Sprintf("%s, %s, %d writes", name, first, further), func(t *testing.T) {
					a := unsynced(t, t.TempDir())
					var rev uint64
					switch first {
					case "ours":
						rev = mustPut(t, a, "k", "signed 1", 0)
					case "format 1":
						a, rev = oldStore(t, map[string]string{"k": "signed 1"}), 7
					default:
						rev = mustPut(t, unsynced(t, a.dir), "k", "signed 1", 0)
					}
					mustPut(t, a, "other", "unharmed", 0)
					backup, err := os.ReadFile(a.path("k"))
					require.NoError(t, err)
					old := rev
					for i := range 3 {
						rev = mustPut(t, a, "k", fmt.Sprint("signed ", i+2), rev)
					}
					require.NoError(t, replace(a.path("k"), backup))
					b := unsynced(t, a.dir)
					for i := range further {
						old = mustPut(t, b, "k", fmt.Sprint("B signed ", i), old)
					}
					setBack(t, a, "k", "")
					errs := listedErrors(t, a)
					require.ErrorIs(t, errs["k"], store.ErrCorrupt)
					require.NoError(t, errs["other"])
					require.Len(t, errs, 2)
				})
			}
		}
	}
}

// TestReaderNoticesAnotherHistory lets a program that only reads see one record, and then another one
// with the same revision.
func TestReaderNoticesAnotherHistory(t *testing.T) {
	a := openAt(t, t.TempDir())
	rev := mustPut(t, a, "k", "1", 0)
	backup, err := os.ReadFile(a.path("k"))
	require.NoError(t, err)
	mustPut(t, a, "k", "same", rev)
	reader := openAt(t, a.dir)
	_, _, err = reader.Get(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(a.path("k"), backup, 0o600))
	mustPut(t, openAt(t, a.dir), "k", "same", rev)
	setBack(t, reader, "k", "revision 2 is not the one that was there")
}

// TestKnownRecordIsGone removes a record that this program knows.
func TestKnownRecordIsGone(t *testing.T) {
	s := openAt(t, t.TempDir())
	for _, key := range []string{"a", "b", "c", "d"} {
		mustPut(t, openAt(t, s.dir), key, key, 0)
	}
	_, _, err := s.Get(t.Context(), "b")
	require.NoError(t, err)
	require.NoError(t, os.Remove(s.path("b")))
	setBack(t, s, "b", "it had revision 1 and is gone")
	errs := listedErrors(t, s)
	assert.Len(t, errs, 4, "a listing says that it is gone")
	assert.ErrorIs(t, errs["b"], store.ErrCorrupt)
	for _, key := range []string{"a", "c", "d"} {
		require.NoError(t, errs[key])
		require.NoError(t, os.Remove(s.path(key))) // known by the listing
	}
	errs = listedErrors(t, s)
	assert.Len(t, errs, 4)
	for key, err := range errs {
		assert.ErrorIs(t, err, store.ErrCorrupt, key)
	}
	mustPut(t, openAt(t, s.dir), "b", "by a program that does not know it", 0)
	setBack(t, s, "b", "")
}

// TestDirectoryReplacedUnderTheStore restores a whole directory under a running program: records that
// it never read are refused as well.
func TestDirectoryReplacedUnderTheStore(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, dir, backup string) error{
		"by a copy": func(_ *testing.T, dir, backup string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.CopyFS(dir, os.DirFS(backup)), os.Chmod(dir, 0o700))
		},
		"by a link": func(_ *testing.T, dir, backup string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Symlink(backup, dir))
		},
		"by a link to itself": func(_ *testing.T, dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Symlink(dir+".old", dir))
		},
		"by a file": func(_ *testing.T, dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.WriteFile(dir, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			dir, backup := filepath.Join(base, "wallet"), filepath.Join(base, "backup")
			rev := mustPut(t, openAt(t, dir), "k", "1", 0)
			require.NoError(t, os.CopyFS(backup, os.DirFS(dir)))
			mustPut(t, openAt(t, dir), "k", "2", rev)
			s := openAt(t, dir) // has read nothing
			require.NoError(t, replace(t, dir, backup))
			_, _, err := s.Get(t.Context(), "k")
			require.ErrorIs(t, err, store.ErrCorrupt)
			for rev := range uint64(3) {
				_, err = s.Put(t.Context(), "k", nil, rev)
				require.ErrorIs(t, err, store.ErrCorrupt)
			}
			_, err = s.Put(t.Context(), "new", nil, 0)
			require.ErrorIs(t, err, store.ErrCorrupt)
			require.ErrorIs(t, s.Move(t.Context(), "k", 1, "to"), store.ErrCorrupt)
			for e, err := range s.List(t.Context(), "") {
				require.ErrorIs(t, err, store.ErrCorrupt)
				require.Empty(t, e)
			}
		})
	}
}

// TestRecordReplacedDuringPut replaces the file, or the directory, in the middle of a Put, whose bytes
// go to the file that is gone.
func TestRecordReplacedDuringPut(t *testing.T) {
	for name, replace := range map[string]func(s *Store) error{
		"file": func(s *Store) error {
			raw, err := os.ReadFile(s.path("k"))
			return errors.Join(err, os.WriteFile(s.path("k")+"~", raw, 0o600), os.Rename(s.path("k")+"~", s.path("k")))
		},
		"removed": func(s *Store) error { return os.Remove(s.path("k")) },
		"directory": func(s *Store) error {
			return errors.Join(os.Rename(s.dir, s.dir+".old"), os.CopyFS(s.dir, os.DirFS(s.dir+".old")))
		},
	} {
		for _, data := range []string{"2", large} {
			t.Run(fmt.Sprint(name, len(data)), func(t *testing.T) {
				s := openAt(t, filepath.Join(t.TempDir(), "wallet"))
				rev := mustPut(t, s, "k", "1", 0)
				s.sync = func(f *os.File) error { return errors.Join(syncFile(f), replace(s)) }
				_, err := s.Put(t.Context(), "k", []byte(data), rev)
				if data == large && name != "directory" {
					return // a new file takes the place of the one that was replaced
				}
				require.Error(t, err)
				for _, decided := range errNever {
					require.NotErrorIs(t, err, decided, "it may have been written")
				}
			})
		}
	}
}

// TestManyWritersAreNoOtherHistory checks that a program that did not write for long is not told that
// its record was replaced, and that one that reads beside writers is not either.
func TestManyWritersAreNoOtherHistory(t *testing.T) {
	a := openAt(t, t.TempDir())
	rev := mustPut(t, a, "k", "a", 0)
	for i := range 2*maxWriters + 1 {
		rev = mustPut(t, openAt(t, a.dir), "k", fmt.Sprint(i), rev)
		data, have, err := a.Get(t.Context(), "k")
		require.NoError(t, err, "%d others wrote", i+1)
		assert.Equal(t, rev, have)
		assert.Equal(t, fmt.Sprint(i), string(data))
	}
	rev = mustPut(t, a, "k", large, rev)
	mustPut(t, openAt(t, a.dir), "k", "small again", rev)
	_, _, err := a.Get(t.Context(), "k")
	require.NoError(t, err)
}

// TestUnknownOutcomeIsNoOtherHistory lets a Put fail after its record became visible, by a kill or an
// error, and goes on.
func TestUnknownOutcomeIsNoOtherHistory(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "k", "1", 0)
	s.syncDir = func(string) error { return errors.New("unknown") }
	_, err := s.Put(t.Context(), "k", []byte(large), rev)
	require.ErrorContains(t, err, "unknown")
	repair(s)
	data, have, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	assert.Equal(t, large, string(data))
	assert.Equal(t, rev+1, have)
	rev = mustPut(t, s, "k", "3", have)
	mustPut(t, openAt(t, s.dir), "k", "4", rev)
	_, _, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
}

// TestMovedRecordComesBack puts an old copy of a record back that moved to another key: it would be
// there twice.
func TestMovedRecordComesBack(t *testing.T) {
	s := openAt(t, t.TempDir())
	rev := mustPut(t, s, "k", "1", 0)
	backup, err := os.ReadFile(s.path("k"))
	require.NoError(t, err)
	reader := openAt(t, s.dir)
	_, _, err = reader.Get(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, s.Move(t.Context(), "k", rev, "closed/k"))
	require.NoError(t, s.Move(t.Context(), "closed/k", rev, "further"))
	_, _, err = reader.Get(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.NotErrorIs(t, err, store.ErrCorrupt)
	require.NoError(t, os.WriteFile(s.path("k"), backup, 0o600))
	for _, each := range []*Store{s, reader, openAt(t, s.dir)} {
		setBack(t, each, "k", "the record moved to")
		assert.ErrorIs(t, listedErrors(t, each)["k"], store.ErrCorrupt)
	}

	// A record that another one took the place of.
	require.NoError(t, os.Remove(s.path("further")))
	stranger := openAt(t, t.TempDir())
	for i := range 9 {
		mustPut(t, stranger, "further", "x", uint64(i))
	}
	raw, err := os.ReadFile(stranger.path("further"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.path("further"), raw, 0o600))
	setBack(t, s, "further", "another record is in its place")

	// Where a record moved to, it is known as well.
	require.NoError(t, os.Remove(s.path("k")))
	require.NoError(t, os.Remove(s.path("further")))
	setBack(t, s, "further", "is gone")

	// A note that cannot be read does not free the key.
	require.NoError(t, os.WriteFile(s.movedPath("k"), []byte("tide"), 0o600))
	_, err = openAt(t, s.dir).Put(t.Context(), "k", nil, 0)
	require.ErrorIs(t, err, store.ErrCorrupt)
}
