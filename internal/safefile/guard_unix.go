//go:build unix

package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// nonblock makes opening a pipe return at once.
const nonblock = syscall.O_NONBLOCK

// othersWrite are the bits that let the group and everybody write. A group has other members, and an
// access list shows in its bits.
const othersWrite fs.FileMode = 0o022

// maxLinks is how many symbolic links are followed.
const maxLinks = 40

// Guarded returns an error that matches [ErrExposed] if others than the owner of the file, the user of
// this process and the system may change the file, or put another one in its place. info describes the
// file that was opened at path. On Windows, which keeps access lists in place of modes, it returns nil.
func Guarded(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&othersWrite != 0 {
		return exposed("it has mode %#o: run chmod go-w on it", mode)
	}
	root, err := os.Lstat("/")
	if err != nil {
		return err
	}
	// In a user namespace the system's files belong to another number, which the root directory shows.
	w := way{at: "/", system: []int{0, os.Geteuid(), owner(root)}, owner: owner(info)}
	if !filepath.IsAbs(path) {
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		path = dir + "/" + path // not cleaned: what .. means depends on the links before it
	}
	w.rest = strings.Split(path, "/")
	last := root
	for len(w.rest) > 0 {
		if last, err = w.step(last); err != nil {
			return err
		}
	}
	if !os.SameFile(last, info) {
		return exposed("another file is in its place now")
	}
	return nil
}

// way is the way from the root directory to a file.
type way struct {
	at     string   // a path without symbolic links
	rest   []string // the names that follow
	links  int
	system []int // users that may change everything anyway
	owner  int   // of the file
}

// step goes on by one name. It returns what is there, or last if nothing was to do.
func (w *way) step(last fs.FileInfo) (fs.FileInfo, error) {
	name := w.rest[0]
	w.rest = w.rest[1:]
	switch name {
	case "", ".":
		return last, nil
	case "..":
		w.at = filepath.Dir(w.at)
		return os.Lstat(w.at)
	}
	dir, err := os.Lstat(w.at)
	if err != nil {
		return nil, err
	}
	next := filepath.Join(w.at, name)
	info, err := os.Lstat(next)
	if err != nil {
		return nil, err
	}
	if err := w.safe(dir, info); err != nil {
		return nil, err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		w.at = next
		return info, nil
	}
	target, err := os.Readlink(next)
	if err != nil {
		return nil, err
	}
	if w.links++; w.links > maxLinks {
		return nil, &fs.PathError{Op: "open", Path: next, Err: errors.New("too many symbolic links")}
	}
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	w.rest = slices.Concat(strings.Split(target, "/"), w.rest)
	return last, nil
}

// safe returns an error if others may replace the entry of a directory. In a sticky directory, such as
// /tmp, only the owner of an entry may. There the owner of the file is not enough: whoever came first
// made it.
func (w *way) safe(dir, entry fs.FileInfo) error {
	if uid := owner(dir); uid != w.owner && !slices.Contains(w.system, uid) {
		return exposed("the directory %s belongs to user %d", w.at, uid)
	}
	mode := dir.Mode()
	switch {
	case mode.Perm()&othersWrite == 0:
		return nil
	case mode&fs.ModeSticky == 0:
		return exposed("the directory %s has mode %#o: run chmod go-w on it", w.at, mode.Perm())
	}
	if uid := owner(entry); !slices.Contains(w.system, uid) {
		return exposed("everybody may write to %s, and %s there belongs to user %d", w.at, entry.Name(), uid)
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}
