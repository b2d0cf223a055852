//go:build !windows

package filestore

import (
	"errors"
	"os"
	"syscall"
)

// syncDir makes the names in dir durable. A few file systems cannot do that and say so with EINVAL;
// nothing better can be done there.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync() // F_FULLFSYNC on macOS, by package os
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

func rename(from, to string) error { return os.Rename(from, to) }

func open(path string) (*os.File, error) { return os.Open(path) }
