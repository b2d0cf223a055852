package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	movedDir = "moved"
	movedExt = ".moved"
)

var _ store.Mover = (*Store)(nil)

// Move implements [store.Mover]. Further errors are those of Put.
//
// The file is first replaced by one with the same record that is valid under both names. Then a file
// in moved/ notes where the record goes, and it is renamed. The note counts when there is no file
// under the old name, so a crash leaves the record under one of the names.
func (s *Store) Move(ctx context.Context, key string, rev uint64, to string) error {
	if err := errors.Join(s.check(ctx, key, nil), store.Check(to, nil)); err != nil {
		return err
	}
	if key == to {
		return fmt.Errorf("filestore: %w: %s is there already", store.ErrConflict, key)
	}
	for _, k := range []string{min(key, to), max(key, to)} { // in order, so that two never wait for each other
		unlock, err := s.lock(ctx, k)
		if err != nil {
			return err
		}
		defer unlock()
	}
	have, err := s.readOnce(key, os.O_RDWR)
	if errors.Is(err, store.ErrNotFound) {
		return conflict(key, 0, rev)
	}
	if err != nil {
		return err
	}
	defer have.close()
	if have.mark.rev != rev {
		return conflict(key, have.mark.rev, rev)
	}
	if err := s.unused(to); err != nil {
		return err
	}
	if err := s.move(have, key, to); err != nil {
		return fmt.Errorf("filestore: move of %s to %s: %w", key, to, err)
	}
	return nil
}

// unused returns an error if there is or was a record under key. The caller holds its lock.
func (s *Store) unused(key string) error {
	there, err := s.readOnce(key, os.O_RDWR)
	if err == nil {
		there.close()
		return conflict(key, there.mark.rev, 0)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return s.inUse(key)
}

// inUse returns an error if the record of key, which has no file, moved to another key.
func (s *Store) inUse(key string) error {
	left, err := s.left(key)
	if err == nil && left.to != "" {
		err = fmt.Errorf("filestore: %w: %s moved to %s", store.ErrConflict, key, left.to)
	}
	return err
}

func (s *Store) move(have *found, key, to string) error {
	if err := s.upgrade(); err != nil {
		return err
	}
	if err := s.makeDirOf(to); err != nil {
		return err
	}
	r := have.record
	r.key, r.to = key, to
	if r.born == 0 {
		r.born = random()
	}
	next := r.image()
	size := max(have.size, next.size())
	have.shut()
	if err := s.replace(s.path(key), newFile(&next, size)); err != nil {
		return err
	}
	s.known.saw(key, next.mark, r.born, false)
	if err := s.leave(key, departure{r.rev, r.born, to}); err != nil {
		return err
	}
	if err := s.rename(s.path(key), s.path(to)); err != nil {
		return err
	}
	if err := s.syncDir(s.dirOf(to)); err != nil {
		return err
	}
	if from := s.dirOf(key); from != s.dirOf(to) {
		if err := s.syncDir(from); err != nil {
			return err
		}
	}
	if err := s.still(); err != nil {
		return err
	}
	if f, err := open(s.path(to), os.O_RDWR); err == nil {
		s.note(f, next.mark, 1, size)
		_ = f.Close()
	}
	s.known.moved(key, to)
	return nil
}

// departure is the note that a record moved, or is about to.
type departure struct {
	rev  uint64
	born uint32
	to   string
}

func (s *Store) movedPath(key string) string {
	return filepath.Join(s.dir, movedDir, fileName(key, movedExt))
}

// leave durably notes that the record of key moves. The caller holds its lock.
func (s *Store) leave(key string, d departure) error {
	dir := filepath.Join(s.dir, movedDir)
	if err := mkdir(dir); err != nil {
		return err
	}
	if err := makePrivate(dir, true); err != nil {
		return err
	}
	return s.replace(s.movedPath(key), d.note(key))
}

// left returns the note about key, or a zero one.
func (s *Store) left(key string) (departure, error) {
	path := s.movedPath(key)
	f, raw, err := openRecord(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return departure{}, nil
	}
	if err != nil {
		return departure{}, err
	}
	_ = f.Close()
	var d departure
	var from string
	_, err = fmt.Sscanf(string(raw), noteFormat, &from, &d.born, &d.rev, &d.to)
	if err != nil || from != key || store.Check(d.to, nil) != nil || !bytes.Equal(raw, d.note(key)) {
		return departure{}, &CorruptError{Path: path, Reason: "it does not say where the record moved to"}
	}
	return d, nil
}

const noteFormat = "tallystick moved 1 %s born=%08x rev=%d to %s\n"

func (d departure) note(key string) []byte {
	return fmt.Appendf(nil, noteFormat, key, d.born, d.rev, d.to)
}

// arrived reports whether a record is where d says that it moved to, or moved on from there at most
// hops times.
func (s *Store) arrived(d departure, hops int) bool {
	if d.to == "" || hops == 0 {
		return false
	}
	file, raw, err := openRecord(s.path(d.to), os.O_RDONLY)
	if err != nil {
		next, err := s.left(d.to)
		return err == nil && next.born == d.born && s.arrived(next, hops-1)
	}
	defer file.Close()
	v, err := decode(s.path(d.to), d.to, raw)
	return err == nil && v.born == d.born && v.mark.rev >= d.rev
}
