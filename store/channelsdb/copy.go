package channelsdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

const (
	// maxSize bounds each copied file, in bytes.
	maxSize = 256 << 20
	// tries is the number of attempts to copy a database that is being written.
	tries = 5
)

// companions are the suffixes of the files of a database: itself, the write-ahead log, and the
// journal of an interrupted transaction.
var companions = []string{"", "-wal", "-journal"}

// copyAll copies a database with its companions. It starts over if one of them changed meanwhile,
// because they belong together.
func copyAll(ctx context.Context, from, to string) error {
	for range tries {
		before, err := states(from)
		if err != nil {
			return err
		}
		for _, suffix := range companions {
			if err := os.Remove(to + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("channelsdb: %w", err)
			}
			if err := copyFile(from+suffix, to+suffix); err != nil &&
				(suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
				return err
			}
		}
		after, err := states(from)
		if err != nil {
			return err
		}
		if before == after {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("channelsdb: %w", context.Cause(ctx))
		}
	}
	return fmt.Errorf(
		"channelsdb: %s changed during every attempt to copy it: end the programs that use it",
		from,
	)
}

// state identifies the version of a file.
type state struct {
	size int64
	at   time.Time
}

func states(path string) (all [3]state, err error) {
	for i, suffix := range companions {
		info, err := os.Stat(path + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist) && suffix != "":
			continue
		case err != nil:
			return all, fmt.Errorf("channelsdb: %w", err)
		case !info.Mode().IsRegular():
			return all, fmt.Errorf("%w: %s is not a regular file", ErrNotADatabase, path+suffix)
		case info.Size() > maxSize:
			return all, fmt.Errorf(
				"%w: %s is larger than %d MiB", ErrNotADatabase, path+suffix, maxSize>>20,
			)
		}
		all[i] = state{info.Size(), info.ModTime()}
	}
	return all, nil
}

func copyFile(from, to string) error {
	in, _, err := safefile.Open(from) // it was regular, and may be a pipe by now
	if err != nil {
		return fmt.Errorf("channelsdb: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("channelsdb: %w", err)
	}
	_, err = io.Copy(out, io.LimitReader(in, maxSize+1))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("channelsdb: %w", err)
	}
	return nil
}
