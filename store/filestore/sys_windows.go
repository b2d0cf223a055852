package filestore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// syncDir does nothing, because Windows cannot flush a directory. NTFS writes a new name to its
// journal, which reaches the disk later, so a power failure may take back the creation of a record.
func syncDir(string) error { return nil }

// rename replaces to. It tries again while a reader has the old file open, which prevents the
// rename on Windows.
func rename(from, to string) error {
	return again(func() error { return os.Rename(from, to) })
}

// open opens a record or its lock. It tries again while a writer renames. The error matches
// fs.ErrInvalid if it is a symbolic link.
func open(path string, flag int) (f *os.File, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	err = again(func() error { f, err = os.OpenFile(path, flag, 0o600); return err })
	return f, err
}

// noFollow makes opening a symbolic link an error elsewhere.
const noFollow = 0

// syncable is how a file has to be opened to be synced.
const syncable = os.O_RDWR

// foreign reports whether a file belongs to another user. Windows has no such number: a new
// directory inherits its access rights from the user's profile.
func foreign(fs.FileInfo) (uid int, other bool) { return 0, false }

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
