package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
)

// A source is something to send, or a part of it. It is read anew for each sending: the request is sent again after a
// 402. It is not held in memory, unless it was on the command line.
type source struct {
	// open returns the bytes from the first on.
	open func() (io.ReadCloser, error)
	size int64 // -1: not known
}

// literal is a source that is in memory.
func literal(s string) source {
	return source{func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }, int64(len(s))}
}

// file is a regular file, which is opened for each sending. What is no regular file is kept in a temporary one, and so is
// what says that it is empty: the files of /proc are regular, have no size, and are not empty.
func (r *request) file(ctx context.Context, name string, stdin io.Reader) (source, error) {
	if name == "-" {
		return r.input(ctx, stdin)
	}
	info, err := os.Stat(name)
	if err != nil {
		return source{}, err
	}
	if info.IsDir() {
		return source{}, fmt.Errorf("%s is a directory", name)
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		f, err := await(ctx, func() (*os.File, error) { return os.Open(name) })
		if err != nil {
			return source{}, err
		}
		defer f.Close()
		return r.keep(ctx, f)
	}
	return source{func() (io.ReadCloser, error) { return os.Open(name) }, info.Size()}, nil
}

// input is stdin. It is read once, and may be named more than once.
func (r *request) input(ctx context.Context, stdin io.Reader) (p source, err error) {
	if r.piped == nil {
		if p, err = r.keep(ctx, stdin); err == nil {
			r.piped = &p
		}
		return p, err
	}
	return *r.piped, nil
}

// maxKept bounds what is kept of a pipe or a device, in bytes: it may have no end.
const maxKept = 256 << 20

// keep copies what can be read only once to a temporary file.
func (r *request) keep(ctx context.Context, from io.Reader) (source, error) {
	to, err := r.temporary()
	if err != nil {
		return source{}, err
	}
	n, err := await(ctx, func() (int64, error) { return io.Copy(to, io.LimitReader(from, maxKept+1)) })
	if err != nil {
		return source{}, err
	}
	if n > maxKept {
		return source{}, fmt.Errorf("more than %d MB come from what is no regular file: save them to one, "+
			"or send stdin as it comes with -T -", maxKept>>20)
	}
	return source{func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(to, 0, n)), nil }, n}, nil
}

// temporary makes a file that nobody else reads, and that is gone when the program ends.
func (r *request) temporary() (*os.File, error) {
	f, err := os.CreateTemp("", "tally-")
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) != nil { // Windows keeps a file that is open
		r.remove = append(r.remove, f.Name())
	}
	r.opened = append(r.opened, f)
	return f, nil
}

// end closes and removes the temporary files.
func (r *request) end() {
	for _, f := range r.opened {
		_ = f.Close()
	}
	for _, name := range r.remove {
		_ = os.Remove(name)
	}
	r.opened, r.remove = nil, nil
}

// join is one source after the other.
func join(all []source) source {
	if len(all) == 1 {
		return all[0]
	}
	size := int64(0)
	for _, p := range all {
		size += p.size
	}
	return source{func() (io.ReadCloser, error) { return &joined{rest: all}, nil }, size}
}

// joined reads pieces one after the other. Each is opened when it is its turn.
type joined struct {
	rest []source
	now  io.ReadCloser
}

// Read implements io.Reader.
func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.now == nil {
			if len(j.rest) == 0 {
				return 0, io.EOF
			}
			next, err := j.rest[0].open()
			if err != nil {
				return 0, err
			}
			j.now, j.rest = next, j.rest[1:]
		}
		n, err := j.now.Read(b)
		if err == io.EOF { //nolint:errorlint // readers return it as it is
			err = j.now.Close()
			j.now = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// Close implements io.Closer.
func (j *joined) Close() error {
	j.rest = nil
	if j.now == nil {
		return nil
	}
	return j.now.Close()
}

// changed is a source each byte of which is replaced. Its size is found out by reading it once.
func changed(ctx context.Context, p source, replace func(to []byte, b byte) []byte) (source, error) {
	open := func() (io.ReadCloser, error) {
		from, err := p.open()
		if err != nil {
			return nil, err
		}
		return &changing{from: from, replace: replace}, nil
	}
	size, err := await(ctx, func() (int64, error) {
		r, err := open()
		if err != nil {
			return 0, err
		}
		defer r.Close()
		return io.Copy(io.Discard, r)
	})
	return source{open, size}, err
}

// changing is the reader of changed.
type changing struct {
	from    io.ReadCloser
	replace func([]byte, byte) []byte
	buf     [4 << 10]byte
	ready   []byte
	err     error
}

// Read implements io.Reader.
func (c *changing) Read(b []byte) (int, error) {
	for len(c.ready) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		var n int
		n, c.err = c.from.Read(c.buf[:])
		c.ready = nil
		for _, one := range c.buf[:n] {
			c.ready = c.replace(c.ready, one)
		}
	}
	n := copy(b, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

// Close implements io.Closer.
func (c *changing) Close() error { return c.from.Close() }

// withoutLineEnds leaves out what curl leaves out of a file of -d.
func withoutLineEnds(to []byte, b byte) []byte {
	if b == '\r' || b == '\n' || b == 0 {
		return to
	}
	return append(to, b)
}

// urlEncoded writes a byte as in a form, a space as +.
func urlEncoded(to []byte, b byte) []byte {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-._~", b) >= 0:
		return append(to, b)
	case b == ' ':
		return append(to, '+')
	}
	return fmt.Appendf(to, "%%%02X", b)
}

// datum is one value of -d and the flags like it.
type datum struct{ kind, text string }

// dataFlag is such a flag. They share a list, because their order counts.
type dataFlag struct {
	kind string
	all  *[]datum
}

// Set implements pflag.Value.
func (d dataFlag) Set(text string) error {
	*d.all = append(*d.all, datum{d.kind, text})
	return nil
}

// String implements pflag.Value.
func (dataFlag) String() string { return "" }

// Type implements pflag.Value.
func (dataFlag) Type() string { return "DATA" }

// source is what one such value sends.
func (r *request) source(ctx context.Context, d datum, stdin io.Reader) (source, error) {
	switch d.kind {
	case "data-raw":
		return literal(d.text), nil
	case "data-urlencode":
		return r.encoded(ctx, d.text, stdin)
	}
	name, isFile := strings.CutPrefix(d.text, "@")
	if !isFile {
		return literal(d.text), nil
	}
	p, err := r.file(ctx, name, stdin)
	if err != nil || d.kind != "data" {
		return p, err
	}
	return changed(ctx, p, withoutLineEnds)
}

// encoded is a value of --data-urlencode: content, =content, name=content, @file or name@file.
func (r *request) encoded(ctx context.Context, d string, stdin io.Reader) (source, error) {
	at := strings.IndexAny(d, "=@")
	if at < 0 {
		return literal(percent(d)), nil
	}
	name := d[:at]
	if name != "" {
		name += "="
	}
	if d[at] == '=' {
		return literal(name + percent(d[at+1:])), nil
	}
	p, err := r.file(ctx, d[at+1:], stdin)
	if err != nil {
		return p, err
	}
	if p, err = changed(ctx, p, urlEncoded); err != nil {
		return p, err
	}
	return join([]source{literal(name), p}), nil
}

// percent returns a text as in a form.
func percent(s string) string {
	var to []byte
	for i := range len(s) {
		to = urlEncoded(to, s[i])
	}
	return string(to)
}

// joinData is all data as one source: joined by & but before JSON.
func (r *request) joinData(ctx context.Context, stdin io.Reader) (source, error) {
	var all []source
	for i, d := range r.data {
		p, err := r.source(ctx, d, stdin)
		if err != nil {
			if ctx.Err() != nil {
				return source{}, stopped(ctx)
			}
			return source{}, fail(exitRead, fmt.Errorf("--%s: %w", d.kind, err))
		}
		if i > 0 && d.kind != "json" {
			all = append(all, literal("&"))
		}
		all = append(all, p)
	}
	return join(all), nil
}

// maxQuery bounds the data that -G puts into a URL, in bytes.
const maxQuery = 1 << 20

// query adds the data to the query of a URL.
func (r *request) query(ctx context.Context, u *url.URL, stdin io.Reader) error {
	p, err := r.joinData(ctx, stdin)
	if err != nil {
		return err
	}
	from, err := p.open()
	if err != nil {
		return fail(exitRead, err)
	}
	defer from.Close()
	data, err := io.ReadAll(io.LimitReader(from, maxQuery+1))
	switch {
	case err != nil:
		return fail(exitRead, err)
	case len(data) > maxQuery:
		return fail(exitRead, errors.New("--get: the data are longer than a URL can be"))
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += string(bytes.ReplaceAll(data, []byte("#"), []byte("%23")))
	return nil
}
