//go:build unix

package safefile

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
)

// descriptor matches the names of open files of this process.
var descriptor = regexp.MustCompile(`^(/dev/stdin|(/dev/fd|/proc/self/fd)/[0-9]+)$`)

// ReadPipe returns what is written to a pipe that this process was started with, and that path names by
// its descriptor, as shells do for <(…): /dev/fd/63 or /dev/stdin. It waits for the end of that. A pipe has
// no name that leads to another one tomorrow, so nobody can replace it, but it can be read only once. It
// must belong to the user of this process, and nobody else may write to it or read from it.
//
// The errors are those of [Read], and [ErrExposed]. Whatever is no such pipe is [ErrNotRegular].
func ReadPipe(path string, limit int64) ([]byte, error) {
	none := &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	if !descriptor.MatchString(path) {
		return nil, none
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeNamedPipe == 0:
		return nil, none
	case owner(info) != os.Geteuid():
		return nil, exposed("the pipe belongs to user %d", owner(info))
	case info.Mode().Perm()&0o077 != 0:
		return nil, exposed("the pipe has mode %#o", info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = &fs.PathError{
			Op: "read", Path: path, Err: fmt.Errorf("%w: more than %d bytes", ErrTooLong, limit),
		}
	}
	return text, err
}
