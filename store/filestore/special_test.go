//go:build unix

package filestore

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
)

// specials are what may be in the place of a file and must not be waited for or followed.
var specials = map[string]func(t *testing.T, path string) error{
	"fifo": func(_ *testing.T, path string) error { return syscall.Mkfifo(path, 0o600) },
	"device": func(_ *testing.T, path string) error { // /dev/null
		return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|3)
	},
	"socket": func(_ *testing.T, path string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) },
	"link": func(t *testing.T, path string) error {
		target := filepath.Join(t.TempDir(), "target")
		return os.Symlink(target, path)
	},
	"link to a record": func(t *testing.T, path string) error {
		target := filepath.Join(t.TempDir(), "target")
		if err := os.WriteFile(target, fileOf("k", 1, "elsewhere"), 0o600); err != nil {
			return err
		}
		return os.Symlink(target, path)
	},
	"directory": func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) },
}

// within fails if f does not return soon. Ten seconds are the time that a writer waits for others.
func within(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
}

func TestSpecialFilesAreRefused(t *testing.T) {
	for name, make := range specials {
		t.Run("record is a "+name, func(t *testing.T) {
			s := unsynced(t, t.TempDir())
			if err := make(t, s.path("k")); err != nil {
				t.Skip(err)
			}
			within(t, func() {
				_, _, err := s.Get(t.Context(), "k")
				assert.ErrorIs(t, err, store.ErrCorrupt)
				assert.ErrorContains(t, err, "not a regular file")
				for rev := range uint64(2) {
					_, err = s.Put(t.Context(), "k", nil, rev)
					assert.ErrorIs(t, err, store.ErrCorrupt)
					assert.ErrorIs(t, s.Move(t.Context(), "k", rev, "to"), store.ErrCorrupt)
				}
				mustPut(t, s, "other", "x", 0)
				assert.ErrorIs(t, s.Move(t.Context(), "other", 1, "k"), store.ErrCorrupt)
				assert.ErrorIs(t, listedErrors(t, s)["k"], store.ErrCorrupt)
			})
		})
		t.Run("lock is a "+name, func(t *testing.T) {
			s := unsynced(t, t.TempDir())
			if err := make(t, s.lockPath("k")); err != nil {
				t.Skip(err)
			}
			within(t, func() {
				_, err := s.Put(t.Context(), "k", nil, 0)
				if name == "link to a record" {
					assert.Error(t, err)
					return
				}
				assert.ErrorContains(t, err, "cannot lock k")
			})
		})
		t.Run("marker is a "+name, func(t *testing.T) {
			dir := t.TempDir()
			if err := make(t, filepath.Join(dir, marker)); err != nil {
				t.Skip(err)
			}
			within(t, func() {
				_, err := Open(dir)
				assert.ErrorIs(t, err, store.ErrCorrupt)
			})
		})
		t.Run("note of a move is a "+name, func(t *testing.T) {
			s := unsynced(t, t.TempDir())
			require.NoError(t, os.Mkdir(filepath.Join(s.dir, movedDir), 0o700))
			if err := make(t, s.movedPath("k")); err != nil {
				t.Skip(err)
			}
			within(t, func() {
				_, err := s.Put(t.Context(), "k", nil, 0)
				assert.ErrorIs(t, err, store.ErrCorrupt)
			})
		})
		if name == "directory" {
			continue
		}
		for _, sub := range []string{"", lockDir, movedDir, apartDir} {
			t.Run("directory "+sub+" is a "+name, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "wallet")
				if sub != "" {
					openAt(t, dir)
					require.NoError(t, os.RemoveAll(filepath.Join(dir, sub)))
				}
				if err := make(t, filepath.Join(dir, sub)); err != nil {
					t.Skip(err)
				}
				within(t, func() {
					_, err := Open(dir)
					assert.Error(t, err)
				})
			})
		}
	}
}
