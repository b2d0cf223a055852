//go:build !linux

package filestore

import (
	"errors"
	"os"
)

// syncFile makes the content of a file durable. On macOS this is F_FULLFSYNC.
func syncFile(f *os.File) error { return f.Sync() }

// canSyncWhole reports whether the file system of path can be synced as a whole.
func canSyncWhole(string) bool { return false }

func syncWhole(*os.File) error { return errors.ErrUnsupported }

func writeBack(*os.File) error { return errors.ErrUnsupported }

// identity is what a file remains the same by.
type identity struct{ info os.FileInfo }

func (i identity) same(j identity) bool { return os.SameFile(i.info, j.info) }

// statFile returns the size and identity of an open file.
func statFile(f *os.File) (size int64, regular bool, id identity, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, false, identity{}, err
	}
	return info.Size(), info.Mode().IsRegular(), identity{info}, nil
}

// statPath returns the identity of the file at path.
func statPath(path string) (identity, error) {
	info, err := os.Lstat(path)
	return identity{info}, err
}
