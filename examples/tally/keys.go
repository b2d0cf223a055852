package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
	"github.com/seed-5fe1f529/tallystick/voucher"
	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 64 << 10

// keySource is where the key comes from, if not from a file or the environment. The key itself is never on the command
// line, where other programs and the shell's history see it.
type keySource struct {
	fd      int // -1: not set
	command string
}

func (w *world) keyFlags(f *pflag.FlagSet) {
	f.IntVar(&w.keys.fd, "key-fd", -1, "read the key from the file descriptor `N`")
	f.StringVar(&w.keys.command, "key-command", "",
		"run `COMMAND` with the shell, and read the key from what it prints (default: TALLY_KEY_COMMAND)")
}

// key returns the key that signs, or nil where none is given: from the descriptor or the command of the flags, from the
// file at path, from TALLY_KEY_COMMAND, or from TALLY_KEY. It is a keystore of version 3 or hexadecimal digits.
func (w *world) key(ctx context.Context, path string) (*voucher.KeySigner, error) {
	name, read, err := w.keyReader(ctx, path)
	if err != nil || read == nil {
		return nil, err
	}
	text, err := await(ctx, read)
	var key *voucher.KeySigner
	if err == nil {
		key, err = w.decrypt(ctx, name, bytes.TrimSpace(text))
	}
	switch {
	case ctx.Err() != nil:
		return nil, stopped(ctx)
	case err != nil:
		return nil, fail(exitKey, fmt.Errorf("%s: %w", name, err))
	}
	return key, nil
}

// keyReader returns what the key is read from and how, or nil if there is none.
func (w *world) keyReader(ctx context.Context, path string) (name string, read func() ([]byte, error), err error) {
	flags := 0
	for _, set := range []bool{w.keys.fd >= 0, w.keys.command != "", path != "" && path != w.env("TALLY_KEY_FILE")} {
		if set {
			flags++
		}
	}
	command := w.keys.command
	switch {
	case keyLike.MatchString(path):
		return "", nil, fail(exitUsage, errKeyShown)
	case flags > 1:
		return "", nil, fail(exitUsage, errors.New("--key-file, --key-fd and --key-command are three places: give one"))
	case w.keys.fd >= 0:
		return fmt.Sprintf("--key-fd %d", w.keys.fd), func() ([]byte, error) { return readDescriptor(w.keys.fd) }, nil
	case path != "" && command == "":
		return "--key-file " + path, func() ([]byte, error) { return readPrivate(path) }, nil
	case command == "":
		command = w.env("TALLY_KEY_COMMAND")
	}
	if command != "" {
		return "--key-command", func() ([]byte, error) { return w.output(ctx, command) }, nil
	}
	if text := w.env("TALLY_KEY"); text != "" {
		return "TALLY_KEY", func() ([]byte, error) { return []byte(text), nil }, nil
	}
	return "", nil, nil
}

// decrypt reads the text of a key.
func (w *world) decrypt(ctx context.Context, name string, text []byte) (_ *voucher.KeySigner, err error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		return voucher.ParseKey(string(text))
	}
	password := w.env("TALLY_PASSWORD")
	if password == "" {
		if password, err = w.askPassword(ctx, strings.TrimPrefix(name, "--key-file ")); err != nil {
			return nil, err
		}
	}
	return keyfile.Decrypt(text, password)
}

// readDescriptor reads a key from a file descriptor that the program was started with.
func readDescriptor(fd int) ([]byte, error) {
	f := os.NewFile(uintptr(fd), "")
	if f == nil {
		return nil, errors.New("it is no file descriptor")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, errors.New("it cannot be read: start the program with it, for example 3<key.hex")
	case len(text) > maxKeyFile:
		return nil, errKeyLong
	}
	return text, nil
}

var errKeyLong = fmt.Errorf("it has more than %d KB, which no key has", maxKeyFile>>10)

// output runs a command of the shell and returns what it prints, which is in no error. Its own errors go to stderr.
func (w *world) output(ctx context.Context, command string) ([]byte, error) {
	shell, flag := "/bin/sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.CommandContext(ctx, shell, flag, command) //nolint:gosec // the user's own command
	cmd.WaitDelay = time.Second                           // what it started may hold its output open
	out := &limited{most: maxKeyFile}
	cmd.Stdout, cmd.Stderr = out, w.stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case out.over:
		return nil, errKeyLong
	case errors.As(err, &exit):
		return nil, fmt.Errorf("the command failed: %s", exit.ProcessState)
	case err != nil:
		return nil, fmt.Errorf("the command cannot be run: %w", err)
	}
	return out.text, nil
}

// limited keeps what is written to it, up to a bound.
type limited struct {
	text []byte
	most int
	over bool
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	if l.over = l.over || len(l.text)+len(b) > l.most; l.over {
		return 0, errKeyLong
	}
	l.text = append(l.text, b...)
	return len(b), nil
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
