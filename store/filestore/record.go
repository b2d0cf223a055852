package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	recordExt = ".rec"
	tmpPrefix = ".tmp+" // no key has a "+", so no record has this name
	lockDir   = "lock"

	// format is the version of the record files and of the directory. Format 1 is read, and
	// replaced by the first write.
	format = 2
	// maxLine bounds the first line of a record file of format 1.
	maxLine = 512
)

// ErrVersion means that a newer version of this package wrote the directory or a record. Nothing
// was changed. Use that version.
var ErrVersion = errors.New("filestore: written by a newer version of tallystick, use that version")

// CorruptError means that a file is not a readable record, or is not the one that was there before.
// The file was not changed. It matches [store.ErrCorrupt] with [errors.Is].
type CorruptError struct {
	Path   string // of the file or directory
	Reason string // for people
}

// Error names the file, the reason and what to do.
func (e *CorruptError) Error() string {
	return fmt.Sprintf(
		"filestore: damaged record %s: %s; restore the newest copy of that file", e.Path, e.Reason,
	)
}

// Unwrap returns [store.ErrCorrupt].
func (e *CorruptError) Unwrap() error { return store.ErrCorrupt }

// decode reads the content of the record file of key, in any format.
func decode(path, key string, raw []byte) (view, error) {
	var v view
	reason := ""
	if bytes.HasPrefix(raw, []byte("tallystick record 1 ")) {
		v, reason = lookOld(key, raw)
	} else {
		v, reason = look(key, raw)
	}
	if reason == "" {
		return v, nil
	}
	line, _, _ := bytes.Cut(raw[:min(len(raw), maxLine)], []byte("\n"))
	if text, ok := bytes.CutPrefix(line, []byte("tallystick record ")); ok {
		digits, _, _ := bytes.Cut(text, []byte(" "))
		if n, err := strconv.ParseUint(string(digits), 10, 32); err == nil && n > format {
			return view{}, fmt.Errorf("%w: %s has format %d", ErrVersion, path, n)
		}
	}
	return view{}, &CorruptError{Path: path, Reason: reason}
}

// encodeOld returns the content of a record file of format 1. The checksum is the SHA-256 of the
// preceding bytes of the line and the data.
func encodeOld(key string, rev uint64, data []byte) []byte {
	b := make([]byte, 0, maxLine+len(data))
	b = fmt.Appendf(b, "tallystick record 1 %s rev=%d sha256=", key, rev)
	h := sha256.New()
	h.Write(b)
	h.Write(data)
	b = hex.AppendEncode(b, h.Sum(nil))
	b = append(b, '\n')
	b = append(b, data...)
	return append(b, '\n')
}

// lookOld reads the content of a record file of format 1. A record has exactly one encoding, so the
// content is valid if encoding the result gives the same bytes.
func lookOld(key string, raw []byte) (v view, reason string) {
	line, body, ok := bytes.Cut(raw, []byte("\n"))
	words := strings.Fields(string(line[:min(len(line), maxLine)]))
	if !ok || len(words) != 6 {
		return view{}, "its first line is incomplete"
	}
	if words[3] != key {
		return view{}, "it is the record of another key"
	}
	rev, err := strconv.ParseUint(strings.TrimPrefix(words[4], "rev="), 10, 64)
	data, complete := bytes.CutSuffix(body, []byte("\n"))
	if err != nil || rev == 0 || !complete || len(data) > store.MaxRecord ||
		!bytes.Equal(raw, encodeOld(key, rev, data)) {
		return view{}, "its content does not match its checksum"
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(words[5], "sha256=")[:16])
	if err != nil {
		return view{}, "its content does not match its checksum"
	}
	v.record = record{key: key, rev: rev, data: slices.Clone(data)}
	v.mark, v.old = mark{rev, binary.BigEndian.Uint64(sum)}, true
	return v, ""
}

// found is a record file that is open.
type found struct {
	view
	file *os.File
	raw  []byte // its content
}

// shut closes the file, and keeps what was read. Windows does not replace a file that is open, not even
// for the program that has it open.
func (f *found) shut() {
	if f.file != nil {
		_ = f.file.Close()
		f.file = nil
	}
}

func (f *found) close() {
	f.shut()
	reuse(f.raw)
	f.raw = nil
}

// Buffers for the content of files of up to two blocks, and of larger ones.
var (
	small = sync.Pool{New: func() any { return new([2 * block]byte) }}
	big   = sync.Pool{New: func() any { return new([2 * maxSlot]byte) }}
)

func buffer(n int64) []byte {
	if n > 2*block {
		return big.Get().(*[2 * maxSlot]byte)[:n]
	}
	return small.Get().(*[2 * block]byte)[:n]
}

// reuse takes back a buffer, to which nobody refers any more.
func reuse(raw []byte) {
	switch cap(raw) {
	case 2 * block:
		small.Put((*[2 * block]byte)(raw[:2*block]))
	case 2 * maxSlot:
		big.Put((*[2 * maxSlot]byte)(raw[:2*maxSlot]))
	}
}

// openRecord opens a record file and reads it. The error matches fs.ErrNotExist if there is none.
func openRecord(path string, flag int) (*os.File, []byte, error) {
	refused := &CorruptError{Path: path, Reason: "it is not a regular file"}
	f, err := open(path, flag)
	if errors.Is(err, fs.ErrInvalid) {
		return nil, nil, refused
	}
	if err != nil {
		return nil, nil, fmt.Errorf("filestore: %w", err)
	}
	size, regular, _, err := statFile(f)
	switch {
	case err != nil:
	case !regular:
		err = refused
	case size > 2*maxSlot:
		err = &CorruptError{Path: path, Reason: "it is larger than any record"}
	default:
		raw := buffer(size)
		n, err := f.ReadAt(raw, 0)
		if err == nil || errors.Is(err, io.EOF) {
			return f, raw[:n], nil
		}
		reuse(raw)
		_ = f.Close()
		return nil, nil, fmt.Errorf("filestore: %w", err)
	}
	_ = f.Close()
	return nil, nil, fmt.Errorf("filestore: %w", err)
}

// apart is the prefix of keys that have a directory of their own, so that many of them do not slow down
// listings of the others. Records of closed channels move there.
const (
	apart    = "closed/"
	apartDir = "closed"
)

// fileName returns the name of a file of key. Keys are lower case, so the names are distinct on a
// case-insensitive file system too.
func fileName(key, ext string) string { return strings.ReplaceAll(key, "/", "=") + ext }

// keyOf is the inverse of fileName for records in the directory of keys that begin with prefix. ok is
// false for other files.
func keyOf(prefix, name string) (key string, ok bool) {
	key, ok = strings.CutSuffix(name, recordExt)
	key = prefix + strings.ReplaceAll(key, "=", "/")
	return key, ok && store.Check(key, nil) == nil
}

// dirOf returns the directory of the record of key.
func (s *Store) dirOf(key string) string {
	if strings.HasPrefix(key, apart) {
		return filepath.Join(s.dir, apartDir)
	}
	return s.dir
}

func (s *Store) path(key string) string {
	return filepath.Join(s.dirOf(key), fileName(strings.TrimPrefix(key, apart), recordExt))
}

// makeDirOf makes the directory of the record of key if it does not exist.
func (s *Store) makeDirOf(key string) error {
	dir := s.dirOf(key)
	if dir == s.dir {
		return nil
	}
	return errors.Join(mkdir(dir), makePrivate(dir, true))
}
