package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
)

// uploaded is what -T sends.
func (r *request) uploaded(ctx context.Context, stdin io.Reader) (source, error) {
	if r.upload != "-" && r.upload != "." {
		p, err := r.file(ctx, r.upload, stdin)
		if err != nil && ctx.Err() != nil {
			return p, stopped(ctx)
		}
		if err != nil {
			return p, fail(exitRead, fmt.Errorf("--upload-file: %w", err))
		}
		return p, nil
	}
	kept, err := r.temporary()
	if err != nil {
		return source{}, fail(exitRead, err)
	}
	l := &live{from: stdin, kept: kept, most: maxKept}
	return source{l.open, -1}, nil
}

// addName sets where -T sends to: a URL that ends with a slash gets the name of the file.
func (r *request) addName(u *url.URL) {
	if r.upload == "-" || r.upload == "." || !strings.HasSuffix(u.Path, "/") && u.Path != "" {
		return
	}
	*u = *u.JoinPath(path.Base(filepath.ToSlash(r.upload)))
}

// live is stdin that is sent while it comes. What came is kept in a file, so that it can be sent again after a 402, up
// to a bound: what is longer is sent once.
type live struct {
	from io.Reader
	most int64

	mu    sync.Mutex // guards what follows; held while from is read: all readers need what it brings
	kept  *os.File
	saved int64 // bytes in kept
	total int64 // bytes read
	err   error
}

func (l *live) open() (io.ReadCloser, error) { return &liveReader{l: l}, nil }

// errSentOnce means that more came than is kept.
var errSentOnce = errors.New("more was sent before the payment than is kept of stdin: save it to a file and send that")

type liveReader struct {
	l  *live
	at int64
}

// Read implements io.Reader.
func (r *liveReader) Read(b []byte) (int, error) {
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	var n int
	var err error
	switch {
	case r.at < l.saved:
		n, err = l.kept.ReadAt(b[:min(int64(len(b)), l.saved-r.at)], r.at)
	case r.at < l.total:
		return 0, errSentOnce
	case l.err != nil:
		return 0, l.err
	default:
		n, err = l.take(b)
	}
	r.at += int64(n)
	return n, err
}

// take reads what comes next, and keeps it. The caller holds mu.
func (l *live) take(b []byte) (int, error) {
	n, err := l.from.Read(b)
	l.err = err
	if l.total == l.saved && l.total+int64(n) <= l.most {
		if _, bad := l.kept.WriteAt(b[:n], l.saved); bad == nil {
			l.saved += int64(n)
		}
	}
	l.total += int64(n)
	return n, err
}

// Close implements io.Closer.
func (*liveReader) Close() error { return nil }
