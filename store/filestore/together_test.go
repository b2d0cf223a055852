package filestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unnoted returns a Store that knows nothing of its records, of which nobody noted that they are durable,
// as after a power failure, and what it syncs.
func unnoted(t *testing.T, keys ...string) (*Store, *syncsOf) {
	t.Helper()
	s := unsynced(t, t.TempDir())
	for _, key := range keys {
		mustPut(t, s, key, key, 0)
		f, err := os.OpenFile(s.path(key), os.O_RDWR, 0)
		require.NoError(t, err)
		s.note(f, mark{}, 1, block)
		require.NoError(t, f.Close())
	}
	return counted(openAt(t, s.dir))
}

// counted counts what a Store syncs, and syncs nothing.
func counted(s *Store) (*Store, *syncsOf) {
	n := &syncsOf{}
	s.sync = func(*os.File) error { return n.add(&n.files) }
	s.syncDir = func(string) error { return n.add(&n.dirs) }
	s.writeBack = func(*os.File) error { return n.add(&n.written) }
	s.syncWhole = func(*os.File) error { return n.add(&n.whole) }
	return s, n
}

type syncsOf struct {
	mu                          sync.Mutex
	files, dirs, written, whole int
}

func (n *syncsOf) add(to *int) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	*to++
	return nil
}

// made returns how many files, directories and file systems were synced since the last call, and how
// many files were written back.
func (n *syncsOf) made() [4]int {
	defer func() { n.files, n.dirs, n.whole, n.written = 0, 0, 0, 0 }()
	return [4]int{n.files, n.dirs, n.whole, n.written}
}

func listAll(t *testing.T, s *Store) (keys []string, err error) {
	t.Helper()
	for e, err := range s.List(t.Context(), "") {
		if err != nil {
			return keys, err
		}
		assert.Equal(t, e.Key, string(e.Data))
		keys = append(keys, e.Key)
	}
	return keys, nil
}

func manyKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("k%03d", i))
	}
	return keys
}

// TestListOfManySyncsOnce checks that a listing of many records that may not be durable makes a bounded
// number of syncs, whatever their number.
func TestListOfManySyncsOnce(t *testing.T) {
	keys := manyKeys(130) // of two batches
	s, n := unnoted(t, append([]string{apart + "a", apart + "b"}, keys...)...)
	s.alone = 64
	for round, want := range [][4]int{{64, 0, 2, 132}, {}} {
		got, err := listAll(t, s)
		require.NoError(t, err)
		assert.Len(t, got, 132)
		assert.Equal(t, want, n.made(), round)
	}

	s, n = counted(openAt(t, s.dir))
	s.alone = -1
	got, err := listAll(t, s)
	require.NoError(t, err)
	assert.Len(t, got, 132)
	assert.Equal(t, [4]int{132, 3, 0, 0}, n.made(), "where the file system cannot be synced")

	s, n = counted(openAt(t, s.dir))
	s.alone = 132
	_, err = listAll(t, s)
	require.NoError(t, err)
	assert.Equal(t, [4]int{132, 3, 0, 0}, n.made(), "few records are synced by themselves")
}

// TestListWithoutSyncOfAll checks that a listing syncs each record if the file system cannot be synced or
// its sync fails, and fails if the write of a record failed.
func TestListWithoutSyncOfAll(t *testing.T) {
	broken := errors.New("the disk failed")
	for name, c := range map[string]struct {
		written, whole error
		fails          string
	}{
		"sync of all fails":          {whole: broken},
		"sync of all is unsupported": {whole: errors.ErrUnsupported},
		"no such call":               {written: os.NewSyscallError("sync_file_range", syscall.ENOSYS)},
		"call is not allowed":        {written: os.NewSyscallError("sync_file_range", syscall.EPERM)},
		"write failed":               {written: broken, fails: "k001 is durable: the disk failed"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := manyKeys(3)
			s, n := unnoted(t, keys...)
			s.alone = 1
			s.syncWhole = func(*os.File) error { return c.whole }
			s.writeBack = func(f *os.File) error {
				if f.Name() == s.path("k001") {
					return c.written
				}
				return nil
			}
			got, err := listAll(t, s)
			if c.fails != "" {
				require.ErrorContains(t, err, c.fails)
				require.ErrorIs(t, err, broken)
				assert.Empty(t, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, keys, got)
			want := len(keys)
			if c.whole == nil {
				want = 1 // the others were synced together
			}
			assert.Equal(t, 1+want, n.made()[0], "one before, and each that was not synced together")
		})
	}
}

// TestMovedRecordIsNoted checks that nobody has to sync a record that moved, for example to the archive.
func TestMovedRecordIsNoted(t *testing.T) {
	for _, to := range []string{"to", apart + "to"} {
		s := unsynced(t, t.TempDir())
		rev := mustPut(t, s, "k", to, 0)
		require.NoError(t, s.Move(t.Context(), "k", rev, to))
		reader := openAt(t, s.dir)
		reader.sync = func(*os.File) error { return errors.New("it was synced") }
		reader.syncDir = func(string) error { return errors.New("it was synced") }
		got, err := listAll(t, reader)
		require.NoError(t, err)
		assert.Equal(t, []string{to}, got)
	}
}

// TestSyncOfAll makes the real calls where they are used, and checks that they are refused elsewhere.
func TestSyncOfAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	if canSyncWhole(path) {
		require.NoError(t, writeBack(f))
		require.NoError(t, syncWhole(f))
	} else {
		require.ErrorIs(t, syncWhole(f), errors.ErrUnsupported)
	}
	assert.False(t, canSyncWhole("/proc/self"))
	if proc, err := os.Open("/proc/self/stat"); err == nil {
		defer proc.Close()
		require.ErrorIs(t, syncWhole(proc), errors.ErrUnsupported)
	}
}
