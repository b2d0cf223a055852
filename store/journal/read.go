package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// maxLine bounds one line, in bytes. A receipt has at most 64 KiB, or six times as much if every
// character is escaped.
const maxLine = 1 << 20

// LineError means that a line cannot be read. It wraps [ErrFragment] or [ErrVersion].
type LineError struct {
	Path string // of the file
	Line int    // the first line is 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *LineError) Unwrap() error { return e.Err }

// Read returns the entries of the journal in dir in the order in which they were written. It yields
// a [*LineError] for each line that cannot be read, and continues. Any other error ends the
// sequence. It never waits for a writer. A directory that does not exist has no entries.
func Read(ctx context.Context, dir string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		numbers, err := segments(dir)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				yield(Entry{}, fmt.Errorf("journal: %w", err))
			}
			return
		}
		for _, n := range numbers {
			if !readFile(ctx, name(dir, n), yield) {
				return
			}
		}
	}
}

// readFile yields the entries of one file. It returns false to end the iteration.
func readFile(ctx context.Context, path string, yield func(Entry, error) bool) bool {
	file, _, err := safefile.Open(path)
	if err != nil {
		yield(Entry{}, fmt.Errorf("journal: %w", err))
		return false
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 64<<10)
	for n := 1; ; n++ {
		text, err := readLine(r)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				return true
			}
			yield(Entry{}, fmt.Errorf("journal: %s: %w", path, err))
			return false
		}
		if len(text) == 0 {
			continue
		}
		e, behind, err := decode(text)
		if behind && !yield(Entry{}, &LineError{path, n, ErrFragment}) {
			return false
		}
		if err != nil {
			err = &LineError{path, n, err}
		}
		if !yield(e, err) {
			return false
		}
	}
}

// readLine reads one line without its newline. The last line may lack one. The error is io.EOF if
// there is no line. A line that is too long is truncated, so that it is not a valid entry.
func readLine(r *bufio.Reader) (text []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(text) <= maxLine {
			text = append(text, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(text) > 0:
			return text, nil
		case err != nil:
			return nil, err
		default:
			return text[:max(0, min(len(text), maxLine)-1)], nil
		}
	}
}
