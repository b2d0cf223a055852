package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
	"github.com/seed-5fe1f529/tallystick/voucher"
	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 64 << 10

// key returns the key that signs, or nil where none is given: from the file at path, which is a keystore of
// version 3 or hexadecimal digits, or else from TALLY_KEY.
func (w *world) key(ctx context.Context, path string) (*voucher.KeySigner, error) {
	if path == "" {
		text := w.env("TALLY_KEY")
		if text == "" {
			return nil, nil
		}
		key, err := voucher.ParseKey(strings.TrimSpace(text))
		if err != nil {
			return nil, fail(exitKey, fmt.Errorf("TALLY_KEY: %w", err))
		}
		return key, nil
	}
	key, err := w.keyFrom(ctx, path)
	if ctx.Err() != nil {
		return nil, stopped(ctx)
	}
	if err != nil {
		return nil, fail(exitKey, fmt.Errorf("--key-file %s: %w", path, err))
	}
	return key, nil
}

func (w *world) keyFrom(ctx context.Context, path string) (*voucher.KeySigner, error) {
	text, err := await(ctx, func() ([]byte, error) { return readPrivate(path) })
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte("{")) {
		return voucher.ParseKey(string(text))
	}
	password := w.env("TALLY_PASSWORD")
	if password == "" {
		if password, err = w.askPassword(ctx, path); err != nil {
			return nil, err
		}
	}
	return keyfile.Decrypt(text, password)
}

// readPrivate reads a file that nobody but its owner may read or replace, or a pipe that the shell made.
func readPrivate(path string) ([]byte, error) {
	text, info, err := safefile.Read(path, maxKeyFile)
	piped := errors.Is(err, safefile.ErrNotRegular)
	if piped {
		text, err = safefile.ReadPipe(path, maxKeyFile)
	}
	var file *fs.PathError
	switch {
	case errors.As(err, &file):
		return nil, file.Err // the caller names the path
	case err != nil:
		return nil, err
	case piped:
		return bytes.TrimSpace(text), nil
	}
	// Windows keeps access lists, which these bits do not show.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("others may read it (mode %#o): run chmod 600 on it", mode)
	}
	return bytes.TrimSpace(text), safefile.Guarded(path, info)
}

// askPassword asks at the terminal, if there is one. Ctrl-C ends the asking and gives the terminal back as it
// was.
func (w *world) askPassword(ctx context.Context, path string) (string, error) {
	c, err := w.terminal()
	if err != nil {
		return "", fmt.Errorf("a password is needed, and %w: set TALLY_PASSWORD", err)
	}
	defer c.close()
	f := c.in
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", err
	}
	if err := discardInput(f); err != nil {
		return "", err
	}
	fmt.Fprintf(c.out, "Password for %s: ", path)
	defer fmt.Fprintln(c.out)
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
	if ctx.Err() != nil {
		_ = term.Restore(int(f.Fd()), before)
	}
	return string(text), err
}
