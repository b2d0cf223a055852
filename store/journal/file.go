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
)

// DefaultSize is how large a file grows before the next one is begun, in bytes.
const DefaultSize = 64 << 20

const ext = ".jsonl"

// File is a journal in a directory. Make one with [Open] and end it with Close. It is safe for concurrent use, and so are
// several, in one process or many, on the same directory of a local file system.
type File struct {
	dir  string
	size int64

	mu     sync.Mutex // guards what follows; held over one write
	file   *os.File   // nil until the first line, and after Close
	number int
	broken bool // a write failed half way: the next line begins on a line of its own
	closed bool
	buffer []byte // for a line

	// The steps that can fail on a real disk. Tests make them fail.
	write func(*os.File, []byte) (int, error)
	sync  func(*os.File) error
}

// Open opens the journal in dir. A directory that does not exist is made, with its parents, for the user alone. size is
// how large a file may grow, in bytes; zero means [DefaultSize]. Nothing is written before the first line.
func Open(dir string, size int64) (*File, error) {
	if dir == "" {
		return nil, errors.New("journal: no directory named")
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

// Append writes one line. What moves money on chain is on the disk when it returns. The errors are those of the file
// system, and [os.ErrClosed]; it is unknown then whether the line was written.
func (f *File) Append(_ context.Context, e Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buffer = encode(append(f.buffer[:0], '\n'), e)
	if err := f.line(f.buffer, e.Kind.moves()); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// line writes one line, which has a newline before it too. The caller holds mu.
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

// turn sees to it that the file of the next line is open: the last one there is, or one more where that is full. Whoever
// comes first makes it, and the others find it.
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

// begin goes on with the file of a number. What it holds is looked at once: it may end in a fragment.
func (f *File) begin(number int) error {
	file, err := os.OpenFile(name(f.dir, number), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var last [1]byte
	broken := false
	if info, err := file.Stat(); err == nil && info.Size() > 0 {
		_, err = file.ReadAt(last[:], info.Size()-1)
		broken = err == nil && last[0] != '\n'
	} else if err == nil {
		syncDir(f.dir) // the name is new
	}
	if f.file != nil {
		err = errors.Join(f.sync(f.file), f.file.Close())
	}
	f.file, f.number, f.broken = file, number, broken
	return err
}

// Close syncs what was written and ends the use of this File.
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

// segments are the numbers of the files of a journal, in order. Other files are passed over.
func segments(dir string) ([]int, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), ext)
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 && name(dir, n) == filepath.Join(dir, f.Name()) {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// syncDir makes a new name durable where the system can. Where it cannot, the next sync of the file does.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

var _ io.Closer = (*File)(nil)
