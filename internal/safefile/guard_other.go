//go:build !unix

package safefile

import "io/fs"

const nonblock = 0

// Guarded returns nil: this system keeps access lists, which modes do not show.
func Guarded(string, fs.FileInfo) error { return nil }

// ReadPipe returns [ErrNotRegular]: this system has no names for descriptors.
func ReadPipe(path string, _ int64) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
}
