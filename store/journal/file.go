package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// DefaultSize is the default size, in bytes, at which the next file is begun.
const DefaultSize = 64 << 20

const ext = ".jsonl"

// File is a journal in a directory. Create one with [Open] and call Close at the end. It is safe
// for concurrent use. Several Files, in one process or many, may use the same directory of a local
// file system.
type File struct {
	dir  string
	size int64

	mu     sync.Mutex // guards the fields below; held during a write
	file   *os.File   // nil before the first line and after Close
	number int
	broken bool // the last write failed in the middle: begin the next entry on a new line
	closed bool
	buffer []byte // reused for each line

	// The steps that can fail. Tests replace them.
	write func(*os.File, []byte) (int, error)
	sync  func(*os.File) error
}

// Open opens the journal in dir. It creates dir and its parents if they do not exist, with mode
// 0700. size is the size, in bytes, at which the next file is begun; zero means [DefaultSize]. Open
// writes no file.
func Open(dir string, size int64) (*File, error) {
	if dir == "" {
		return nil, errors.New("journal: no directory given")
	}
	if size <= 0 {
		size = DefaultSize
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &File{dir: dir, size: size, write: (*os.File).Write, sync: (*os.File).Sync}, nil
}

// Append writes one line. It syncs a line about an on-chain transaction to disk. It ignores the context.
// The errors are those of the file system and [os.ErrClosed]. After an error it is unknown whether the
// line was written.
func (f *File) Append(_ context.Context, e Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = encode(append(f.buffer[:0], '\n'), e)
	if err := f.line(f.buffer, e.Kind.moves()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// line writes one line. text begins with an extra newline, for use after a fragment. The caller
// holds mu.
func (f *File) line(text []byte, durable bool) error {
	if f.closed {
		return os.ErrClosed
	}
	if err := f.turn(); err != nil {
		return err
	}
	if !f.broken {
		text = text[1:]
	}
	n, err := f.write(f.file, text)
	if f.broken = err != nil && (n > 0 || f.broken); err != nil {
		return err
	}
	if !durable {
		return nil
	}
	return f.sync(f.file)
}

// turn opens the file for the next line: the last one that exists, or the next number if that is
// full. The first process to need it creates it.
func (f *File) turn() error {
	if f.file == nil {
		numbers, err := segments(f.dir)
		if err != nil {
			return err
		}
		last := 1
		if len(numbers) > 0 {
			last = numbers[len(numbers)-1]
		}
		if err := f.begin(last); err != nil {
			return err
		}
	}
	for {
		info, err := f.file.Stat()
		if err != nil || info.Size() < f.size {
			return err
		}
		if err := f.begin(f.number + 1); err != nil {
			return err
		}
	}
}

// begin opens the file of a number for appending. It checks whether the file ends in a fragment.
func (f *File) begin(number int) error {
	file, _, err := safefile.OpenFile(name(f.dir, number), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var last [1]byte
	broken := false
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		_, err = file.ReadAt(last[:], info.Size()-1)
		broken = err == nil && last[0] != '\n'
	} else if err == nil {
		syncDir(f.dir) // it is new
	}
	if f.file != nil {
		err = errors.Join(f.sync(f.file), f.file.Close())
	}
	f.file, f.number, f.broken = file, number, broken
	return err
}

// Close syncs the written lines and closes the file. Later calls of Append fail.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := errors.Join(f.sync(f.file), f.file.Close())
	f.file = nil
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func name(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d%s", number, ext))
}

// segments returns the numbers of the files of a journal in order. It ignores other files.
func segments(dir string) ([]int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), ext)
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 &&
			name(dir, n) == filepath.Join(dir, f.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// syncDir syncs the entries of dir. It ignores errors, because the next sync of the file has the
// same effect on systems that cannot sync a directory.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

var _ io.Closer = (*File)(nil)
