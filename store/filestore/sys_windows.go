package filestore

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// syncDir does nothing, because Windows cannot flush a directory. NTFS writes the rename to its
// journal, which reaches the disk later, so a power failure may restore the old record.
func syncDir(string) error { return nil }

// rename replaces to. It tries again while a reader has the old file open, which prevents the
// rename on Windows.
func rename(from, to string) error {
	return again(func() error { return os.Rename(from, to) })
}

// open opens a file. It tries again while a writer renames.
func open(path string) (f *os.File, err error) {
	err = again(func() error { f, err = os.Open(path); return err })
	return f, err
}

func again(try func() error) error {
	const sharingViolation = syscall.Errno(32)
	end := time.Now().Add(2 * time.Second)
	for {
		err := try()
		busy := errors.Is(err, syscall.ERROR_ACCESS_DENIED) || errors.Is(err, sharingViolation)
		if !busy || time.Now().After(end) {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}
