package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/seed-5fe1f529/tallystick/store"
)

const (
	recordExt = ".rec"
	tmpPrefix = ".tmp+" // no key has a "+", so no record has this name
	lockDir   = "lock"

	// format is the version of the record files and of the directory.
	format = 1
	// maxLine bounds the first line of a record file.
	maxLine = 512
)

// ErrVersion means that a newer version of this package wrote the directory or a record. Nothing
// was changed. Use that version.
var ErrVersion = errors.New("filestore: written by a newer version of tallystick, use that version")

// CorruptError means that a file is not a readable record. The file was not changed. It matches
// [store.ErrCorrupt] with [errors.Is].
type CorruptError struct {
	Path   string // of the file
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

// encode returns the content of a record file. The checksum is the SHA-256 of the preceding bytes
// of the line and the data.
func encode(key string, rev uint64, data []byte) []byte {
	b := make([]byte, 0, maxLine+len(data))
	b = fmt.Appendf(b, "tallystick record %d %s rev=%d sha256=", format, key, rev)
	h := sha256.New()
	h.Write(b)
	h.Write(data)
	b = hex.AppendEncode(b, h.Sum(nil))
	b = append(b, '\n')
	b = append(b, data...)
	return append(b, '\n')
}

// decode reads the content of the record file of key. A record has exactly one encoding, so the
// content is valid if encoding the result gives the same bytes.
func decode(path, key string, raw []byte) (data []byte, rev uint64, err error) {
	bad := func(reason string) ([]byte, uint64, error) {
		return nil, 0, &CorruptError{Path: path, Reason: reason}
	}
	line, body, ok := bytes.Cut(raw, []byte("\n"))
	if !ok {
		return bad("it is truncated")
	}
	words := strings.Fields(string(line[:min(len(line), maxLine)]))
	if len(words) < 3 || words[0] != "tallystick" || words[1] != "record" {
		return bad("it does not begin like a record")
	}
	if v, err := strconv.ParseUint(words[2], 10, 32); err == nil && v > format {
		return nil, 0, fmt.Errorf("%w: %s has format %d", ErrVersion, path, v)
	}
	if len(words) != 6 {
		return bad("its first line is incomplete")
	}
	if words[3] != key {
		return bad("it is the record of another key")
	}
	rev, err = strconv.ParseUint(strings.TrimPrefix(words[4], "rev="), 10, 64)
	data, whole := bytes.CutSuffix(body, []byte("\n"))
	if err != nil || rev == 0 || !whole || len(data) > store.MaxRecord ||
		!bytes.Equal(raw, encode(key, rev, data)) {
		return bad("its content does not match its checksum")
	}
	return data, rev, nil
}

// readFile returns the content of a record file.
func readFile(path string) ([]byte, error) {
	if info, err := os.Lstat(path); err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, &CorruptError{Path: path, Reason: "it is not a regular file"}
	}
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxLine+store.MaxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("filestore: %w", err)
	}
	return raw, nil
}

// fileName returns the name of a file of key. Keys are lower case, so the names are distinct on a
// case-insensitive file system too.
func fileName(key, ext string) string { return strings.ReplaceAll(key, "/", "=") + ext }

// keyOf is the inverse of fileName for records. ok is false for other files.
func keyOf(name string) (key string, ok bool) {
	key, ok = strings.CutSuffix(name, recordExt)
	key = strings.ReplaceAll(key, "=", "/")
	return key, ok && store.Check(key, nil) == nil
}

func (s *Store) path(key string) string { return filepath.Join(s.dir, fileName(key, recordExt)) }
