//go:build !windows

package filestore

import (
	"errors"
	"os"
	"syscall"
)

// syncDir syncs the entries of dir. It ignores EINVAL, which file systems return that do not
// support this.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync() // F_FULLFSYNC on macOS
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func rename(from, to string) error { return os.Rename(from, to) }

func open(path string) (*os.File, error) { return os.Open(path) }
