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

	"github.com/gofrs/flock"
)

// marker is the name of the file that marks a directory as a store.
const marker = "tallystick.store"

const markerText = `
These files are records of payment channels that hold money. Do not edit or delete them.
An old copy is dangerous: it lacks the vouchers that were signed after it was made.
`

// prepare makes dir a store if it is not one, and returns its real path. It does not write to a
// store that is in order, so a store on a read-only file system can be opened.
func prepare(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("filestore: no directory given")
	}
	dir, err := filepath.Abs(dir) // the working directory may change later
	if err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	if err := mkdir(dir); err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	marked, err := readMarker(dir)
	if err != nil {
		return "", err
	}
	if !marked {
		if err := refuseForeign(dir); err != nil {
			return "", err
		}
	}
	if err := makePrivate(dir); err != nil {
		return "", err
	}
	if err := mkdir(filepath.Join(dir, lockDir)); err != nil {
		return "", fmt.Errorf("filestore: %w", err)
	}
	if marked {
		return dir, nil
	}
	return dir, writeMarker(dir)
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
			return fmt.Errorf(
				"filestore: %s contains other files (%s) and no %s: choose another directory", dir,
				name, marker,
			)
		}
	}
	return nil
}

// makePrivate removes the access of other users to the directory. On Windows a new directory
// inherits its access rights from the user's profile.
func makePrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf(
			"filestore: other users can access %s (mode %v), and the mode cannot be changed: %w",
			dir, info.Mode().Perm(), err,
		)
	}
	return nil
}

// readMarker reports whether dir is a store. The error is ErrVersion if its format is newer.
func readMarker(dir string) (bool, error) {
	raw, err := os.ReadFile(filepath.Join(dir, marker))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("filestore: %w", err)
	}
	line, _, _ := bytes.Cut(raw, []byte("\n"))
	text, ok := strings.CutPrefix(string(line[:min(len(line), maxLine)]), "tallystick store ")
	v, err := strconv.ParseUint(text, 10, 32)
	switch {
	case !ok || err != nil || v == 0:
		return false, &CorruptError{
			Path:   filepath.Join(dir, marker),
			Reason: "it does not contain the format of the store",
		}
	case v > format:
		return false, fmt.Errorf("%w: %s has format %d", ErrVersion, dir, v)
	}
	return true, nil
}

// writeMarker makes dir a store. Several processes may do so at once.
func writeMarker(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lock := flock.New(filepath.Join(dir, lockDir, "open.lock"))
	if _, err := lock.TryLockContext(ctx, poll); err != nil {
		return fmt.Errorf("filestore: cannot lock %s: %w", dir, err)
	}
	defer lock.Close()
	if marked, err := readMarker(dir); marked || err != nil {
		return err
	}
	s := &Store{sync: (*os.File).Sync, rename: rename, syncDir: syncDir}
	text := fmt.Sprintf("tallystick store %d\n%s", format, markerText)
	if err := s.replace(filepath.Join(dir, marker), []byte(text)); err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	return nil
}

// present returns an error if the directory is no longer a store, because it was removed or its
// volume was unmounted. Only while it is present, a missing file means a missing record.
func (s *Store) present() error {
	if _, err := os.Stat(filepath.Join(s.dir, marker)); err != nil {
		return fmt.Errorf("filestore: the store directory is gone: %w", err)
	}
	return nil
}
