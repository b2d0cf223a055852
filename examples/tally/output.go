package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// output is where the body goes. Its errors are write errors.
type output struct {
	w      io.Writer
	file   *os.File
	made   bool // the file was not there before
	used   bool
	screen bool // it is a terminal, and nothing binary goes there
	rest   []byte
}

// create finds out that the output can be written, before anything is paid. What a file holds is kept until
// there is an answer. A pipe is waited for as long as the context allows.
func (f *fetch) create(ctx context.Context) (*output, error) {
	name := f.bodyFile()
	if name == "" && f.remoteName {
		return nil, fail(exitWrite, errors.New("--remote-name: the URL ends without a name: set --output"))
	}
	f.known.file = name
	if name == "" || name == "-" {
		return &output{w: f.world.body, screen: name == "" && screenOf(f.world) != screen{}}, nil
	}
	return openFor(ctx, "--output", name)
}

// bodyFile is the name of the file for the body, empty for stdout.
func (f *fetch) bodyFile() string {
	if f.output == "" && f.remoteName {
		return remoteName(f.asked)
	}
	return f.output
}

// sameFile reports whether two names are of one file, which need not be there. An empty one is of none.
func sameFile(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if one, err := os.Stat(a); err == nil {
		two, err := os.Stat(b)
		return err == nil && one.Mode().IsRegular() && os.SameFile(one, two)
	}
	one, err := place(a)
	two, err2 := place(b)
	return err == nil && err2 == nil && one == two
}

// place is where a file is, or would be made, without symbolic links.
func place(path string) (string, error) {
	path, err := linked(path)
	if err != nil {
		return "", err
	}
	dir, err := parent(path)
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// openFor opens the file of a flag.
func openFor(ctx context.Context, flag, name string) (*output, error) {
	o, err := await(ctx, func() (*output, error) { return openOutput(name) })
	if err != nil && ctx.Err() != nil {
		return nil, stopped(ctx)
	}
	if err != nil {
		return nil, fail(exitWrite, fmt.Errorf("%s: %w", flag, err))
	}
	return o, nil
}

// remoteName is the last part of the path of a URL. It is a name in this directory.
func remoteName(rawurl string) string {
	u, err := target(rawurl)
	if err != nil {
		return ""
	}
	name := u.EscapedPath()
	name = name[strings.LastIndexByte(name, '/')+1:]
	if name == "." || name == ".." || strings.ContainsAny(name, `\:`) {
		return ""
	}
	return name
}

// heads is where the headers go, with --dump-header, or nil.
func (f *fetch) heads(ctx context.Context, body *output) (*output, error) {
	switch f.dump {
	case "":
		return nil, nil
	case "-":
		return &output{w: f.world.body}, nil
	case f.output:
		return body, nil
	}
	return openFor(ctx, "--dump-header", f.dump)
}

// openOutput opens a file, or makes one. Where a symbolic link leads to a file that is not there, that file
// is made, and it is the one to remove.
func openOutput(path string) (*output, error) {
	_, err := os.Stat(path)
	made := errors.Is(err, fs.ErrNotExist)
	var file *os.File
	if made {
		if path, err = linked(path); err != nil {
			return nil, err
		}
		file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) { // another program made it just now
			made = false
		}
	}
	if !made {
		file, err = os.OpenFile(path, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	return &output{w: file, file: file, made: made}, nil
}

// linked returns where the symbolic links at path lead to. Nothing has to be there.
func linked(path string) (string, error) {
	for range 40 {
		target, err := os.Readlink(path)
		if err != nil {
			return path, nil // no link
		}
		if filepath.IsAbs(target) {
			path = target
			continue
		}
		dir, err := parent(path)
		if err != nil {
			return "", err
		}
		path = dir + string(filepath.Separator) + target
	}
	return "", &fs.PathError{Op: "open", Path: path, Err: errors.New("too many symbolic links")}
}

// parent returns the directory of a path, without symbolic links. The path is not cleaned first: what .. means depends
// on the links before it.
func parent(path string) (string, error) {
	dir, _ := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	return filepath.EvalSymlinks(dir)
}

// begin empties a file that was there before.
func (o *output) begin() error {
	o.used = true
	if o.file == nil {
		return nil
	}
	if info, err := o.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil // a device
	}
	if err := o.file.Truncate(0); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	if o.screen && !o.readable(b) {
		return 0, errBinary
	}
	n, err := o.w.Write(b)
	if err != nil {
		return n, fail(exitWrite, fmt.Errorf("the output cannot be written: %w", err))
	}
	return n, nil
}

// errBinary means that a body is binary and would go to a terminal.
var errBinary = errors.New("the body is binary")

// readable reports whether what comes next is text: UTF-8 without a zero byte. As with curl, escape sequences in it
// reach the terminal.
func (o *output) readable(b []byte) bool {
	text := slices.Concat(o.rest, b)
	whole := len(text) - partial(text)
	o.rest = text[whole:]
	return utf8.Valid(text[:whole]) && bytes.IndexByte(text, 0) < 0
}

func (o *output) close() error {
	if o == nil || o.file == nil {
		return nil
	}
	if o.made && !o.used {
		o.remove()
	}
	if err := o.file.Close(); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// remove removes the empty file that was made, unless something else is in its place.
func (o *output) remove() {
	mine, err := o.file.Stat()
	if err != nil || mine.Size() > 0 {
		return
	}
	if there, err := os.Lstat(o.file.Name()); err == nil && os.SameFile(mine, there) {
		_ = os.Remove(o.file.Name())
	}
}

// secret are the headers whose values prove what was paid, or show a voucher.
var secret = []string{"Payment-Receipt", "Payment-Session-Snapshot"}

// writeHeader writes the status line and the headers as they came, but for the values of secret ones and
// what would steer a terminal.
func writeHeader(to io.Writer, resp *http.Response) error {
	w := &visible{w: to}
	if _, err := fmt.Fprintf(w, "%s %s\r\n", resp.Proto, resp.Status); err != nil {
		return err
	}
	h := resp.Header.Clone()
	for _, name := range secret {
		if h.Get(name) != "" {
			h.Set(name, "(not shown)")
		}
	}
	if err := h.Write(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\r\n")
	return err
}
