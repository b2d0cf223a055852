package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// marker is the name of the file that marks a directory as a store.
const marker = "tallystick.store"

const markerText = `
These files are records of payment channels that hold money. Do not edit or delete them.
An old copy is dangerous: it lacks the vouchers that were signed after it was made.
`

// prepare makes dir a store if it is not one, and returns its real path and format. It does not
// write to a store that is in order, so a store on a read-only file system can be opened.
func prepare(dir string) (string, uint32, error) {
	if dir == "" {
		return "", 0, errors.New("filestore: no directory given")
	}
	dir, err := filepath.Abs(dir) // the working directory may change later
	if err != nil {
		return "", 0, fmt.Errorf("filestore: %w", err)
	}
	if err := mkdir(dir); err != nil {
		return "", 0, fmt.Errorf("filestore: %w", err)
	}
	if dir, err = resolve(dir); err != nil {
		return "", 0, fmt.Errorf("filestore: %w", err)
	}
	version, err := claim(dir)
	if err != nil {
		return "", 0, err
	}
	locks := filepath.Join(dir, lockDir)
	if err := mkdir(locks); err != nil {
		return "", 0, fmt.Errorf("filestore: %w", err)
	}
	for _, sub := range []string{locks, filepath.Join(dir, movedDir), filepath.Join(dir, apartDir)} {
		if err := makePrivate(sub, true); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", 0, err
		}
	}
	if version != 0 {
		return dir, version, nil
	}
	return dir, format, writeMarker(dir)
}

// claim makes a directory private that is a store or can become one, and returns its format or 0.
func claim(dir string) (version uint32, err error) {
	if version, err = readMarker(dir); err != nil {
		return 0, err
	}
	if version != 0 {
		return version, makePrivate(dir, true)
	}
	if err := refuseForeign(dir); err != nil {
		return 0, err
	}
	if err := makePrivate(dir, false); err != nil {
		return 0, err
	}
	return 0, refuseForeign(dir) // others could write until it was made private
}

// resolve returns the real path of a directory. A symbolic link in its place must belong to the user
// or the system: who can change the link chooses the records.
func resolve(dir string) (string, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if uid, other := foreign(info); info.Mode()&fs.ModeSymlink != 0 && other && uid != 0 {
		return "", &fs.PathError{
			Op: "open", Path: dir, Err: fmt.Errorf("symbolic link of another user (%d)", uid),
		}
	}
	return filepath.EvalSymlinks(dir)
}

// mkdir creates a directory and its parents with mode 0700, and syncs the parent of each new one.
// It does not change an existing directory.
func mkdir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
		}
		return nil
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return &fs.PathError{Op: "mkdir", Path: dir, Err: fs.ErrNotExist}
	}
	if err := mkdir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// refuseForeign returns an error if a directory without a marker contains anything that a new store
// does not. It prevents `--store .` from making a home directory private.
func refuseForeign(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	for _, f := range files {
		if name := f.Name(); name != lockDir && name != marker && name != tmpPrefix+marker {
			if version, err := readMarker(dir); version != 0 || err != nil {
				return err // another process made it a store just now
			}
			return fmt.Errorf(
				"filestore: %s contains other files (%s) and no %s: choose another directory", dir,
				name, marker,
			)
		}
	}
	return nil
}

// makePrivate removes the access of other users to a directory. It refuses one that others may write
// if there is something in it that they may have written. Permissions do not bind root, so they are
// read and not tried. On Windows a new directory inherits its access rights from the user's profile.
func makePrivate(dir string, used bool) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("filestore: %s is not a directory", dir)
	}
	mode := info.Mode().Perm()
	uid, other := foreign(info)
	switch {
	case runtime.GOOS == "windows":
		return nil
	case other:
		return fmt.Errorf(
			"filestore: %s belongs to user %d, who can change the records: run as that user, or change the owner",
			dir, uid,
		)
	case used && mode&0o022 != 0:
		return fmt.Errorf(
			"filestore: other users may write to %s (mode %v): check its records, then run chmod 700 on it",
			dir, mode,
		)
	case mode&0o077 == 0:
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf(
			"filestore: other users can access %s (mode %v), and the mode cannot be changed: %w",
			dir, mode, err,
		)
	}
	return nil
}

// readMarker returns the format of the store in dir, or 0 if dir is no store. The error is
// ErrVersion if its format is newer.
func readMarker(dir string) (uint32, error) {
	path := filepath.Join(dir, marker)
	f, raw, err := openRecord(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_ = f.Close()
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	text, ok := strings.CutPrefix(string(line[:min(len(line), maxLine)]), "tallystick store ")
	v, err := strconv.ParseUint(text, 10, 32)
	switch {
	case !ok || err != nil || v == 0:
		return 0, &CorruptError{Path: path, Reason: "it does not contain the format of the store"}
	case v > format:
		return 0, fmt.Errorf("%w: %s has format %d", ErrVersion, dir, v)
	}
	return uint32(v), nil
}

// writeMarker makes dir a store of the newest format. Several processes may do so at once.
func writeMarker(dir string) error {
	s := newStore(dir)
	return s.upgrade()
}

// upgrade makes the directory one of the newest format before the first record of that format is
// written, so that older programs refuse the directory. They refuse each new record as well.
func (s *Store) upgrade() error {
	if s.format.Load() == format {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lock := newLock(filepath.Join(s.dir, lockDir, "open.lock"))
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		return fmt.Errorf("filestore: cannot lock %s: %w", s.dir, err)
	}
	defer lock.Close()
	have, err := readMarker(s.dir)
	if err != nil {
		return err
	}
	if have != format {
		text := fmt.Sprintf("tallystick store %d\n%s", format, markerText)
		if err := s.replace(filepath.Join(s.dir, marker), []byte(text)); err != nil {
			return fmt.Errorf("filestore: %w", err)
		}
	}
	s.format.Store(format)
	return nil
}

// present returns an error if the directory is no longer the store that was opened: it was removed,
// its volume was unmounted, or another directory is in its place. Only while it is present, a missing
// file means a missing record.
func (s *Store) present() error {
	info, err := os.Lstat(s.dir)
	if err == nil && !os.SameFile(info, s.info) {
		return &CorruptError{Path: s.dir, Reason: "another directory is in its place since it was opened"}
	}
	if err == nil {
		_, err = os.Lstat(filepath.Join(s.dir, marker))
	}
	if err != nil {
		return fmt.Errorf("filestore: the store directory is gone: %w", err)
	}
	return nil
}
