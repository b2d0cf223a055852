// Package safefile opens files that decide what is paid, such as policies and keys.
//
// Whoever can write to a directory can put another file in the place of one that is in it, whatever the
// mode of that file is. So [Guarded] looks at every directory on the way to the file, and at every
// symbolic link. Permissions do not bind root, so it reads them and does not try them.
package safefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

var (
	// ErrNotRegular means that a path names a directory, a pipe, a socket or a device.
	ErrNotRegular = errors.New("it is not a regular file")
	// ErrTooLong means that a file is longer than what may be read of it.
	ErrTooLong = errors.New("it is too long")
	// ErrExposed means that others may change the file, or put another one in its place.
	ErrExposed = errors.New("others may change it")
)

// Open opens a regular file for reading. It never waits: a pipe without a writer is [ErrNotRegular] like
// everything else that is no regular file. All errors are of type [*fs.PathError].
func Open(path string) (*os.File, fs.FileInfo, error) {
	return OpenFile(path, os.O_RDONLY, 0)
}

// OpenFile is like [Open] with the flags and the mode of [os.OpenFile].
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, flag|nonblock, mode)
	if err != nil {
		if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
		}
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// Read returns the content of a regular file of at most limit bytes, and what the file system says about
// it. A longer file is [ErrTooLong], beside its first limit+1 bytes.
func Read(path string, limit int64) ([]byte, fs.FileInfo, error) {
	f, info, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, nil, err
	case int64(len(text)) > limit:
		return text, info, &fs.PathError{
			Op: "read", Path: path, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit),
		}
	}
	return text, info, nil
}

// exposed returns an error that matches ErrExposed.
func exposed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrExposed, fmt.Sprintf(format, args...))
}
