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

// marker is the file that makes a directory a store.
const marker = "tallystick.store"

const markerText = `
These files are records of payment channels that hold money. Do not edit or delete them.
An old copy is dangerous: it does not know what was signed since it was made.
`

// prepare makes dir a store unless it is one, and returns its real path. A store that is in order is
// only read, so one on a read-only file system opens.
func prepare(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("filestore: no directory named")
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

// mkdir makes a directory and its parents for the user alone, and makes each new name durable in the
// directory above. One that exists is left as it is.
func mkdir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "open", Path: dir, Err: errors.New("it is not a directory")}
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

// refuseForeign returns an error when a directory without a marker holds anything that a beginning
// store would not. It keeps `--store .` from taking a home directory away from its other users.
func refuseForeign(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	for _, f := range files {
		if name := f.Name(); name != lockDir && name != marker && name != tmpPrefix+marker {
			return fmt.Errorf("filestore: %s holds other files (%s) and no %s; name a directory of its own", dir, name, marker)
		}
	}
	return nil
}

// makePrivate takes the directory away from everybody but its owner. Windows has other rights, which
// a new directory inherits from the user's profile.
func makePrivate(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("filestore: %w", err)
	}
	if runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("filestore: other users may enter %s (mode %v) and that cannot be changed: %w", dir, info.Mode().Perm(), err)
	}
	return nil
}

// readMarker says whether dir is a store. The error is ErrVersion for one of a newer format.
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
		return false, &CorruptError{Path: filepath.Join(dir, marker), Reason: "it does not name the format of the store"}
	case v > format:
		return false, fmt.Errorf("%w: %s has format %d", ErrVersion, dir, v)
	}
	return true, nil
}

// writeMarker makes dir a store. Several processes may come here at once.
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

// present returns an error when the directory is no store any more, because it was removed or its
// volume unmounted. A missing record means something only while it is.
func (s *Store) present() error {
	if _, err := os.Stat(filepath.Join(s.dir, marker)); err != nil {
		return fmt.Errorf("filestore: the store is gone: %w", err)
	}
	return nil
}
