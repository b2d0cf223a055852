package sse

import (
	"bytes"
	"io"
)

const (
	bufferSize = 16 << 10 // the first buffer of a stream
	minRead    = 4 << 10  // room for one read of the source
	mostBytes  = 1 << 30  // upper bound of every maximum
	emptyReads = 100      // consecutive empty reads of the source before io.ErrNoProgress
)

var byteOrderMark = []byte("\xEF\xBB\xBF")

// finder finds one byte in a growing buffer. It searches no byte twice, so the time for a block is
// linear in its size, even with small reads.
type finder struct {
	c     byte
	at    int  // there is no c from the start of the line to here
	found bool // the byte at at is c
}

// next returns the first index of c in b at or after from, or len(b).
func (f *finder) next(b []byte, from int, work *int) int {
	if f.at < from {
		f.at, f.found = from, false
	}
	if !f.found {
		start := f.at
		if i := bytes.IndexByte(b[start:], f.c); i >= 0 {
			f.at, f.found = start+i, true
		} else {
			f.at = len(b)
		}
		*work += f.at - start
	}
	return f.at
}

// buffer reads a source and finds its lines. The bytes before hold are no longer needed.
type buffer struct {
	src    io.Reader
	srcErr error // the error that ended the source
	max    int   // bound of what the owner holds when it calls fill
	b      []byte
	hold   int  // start of the bytes that are still needed
	line   int  // start of the current line, >= hold
	begun  bool // the start was checked for a byte order mark
	halfCR bool // the last line ended with a CR, the last byte of b; an LF may follow
	lf, cr finder
	work   int // number of bytes searched or moved, for the test of linear time
}

func newBuffer(src io.Reader, most int) buffer {
	return buffer{src: src, max: min(most, mostBytes), lf: finder{c: '\n'}, cr: finder{c: '\r'}}
}

// bom returns the length of the byte order mark at the start of the stream. ok is false while more
// bytes are needed to decide. It is called once with ok.
func (b *buffer) bom() (n int, ok bool) {
	if bytes.HasPrefix(b.b, byteOrderMark) {
		n = len(byteOrderMark)
	} else if bytes.HasPrefix(byteOrderMark, b.b) {
		return 0, false
	}
	b.begun = true
	return n, true
}

// secondHalf reports, once, whether the byte at line is the LF of a CRLF that was split by two
// reads.
func (b *buffer) secondHalf() bool {
	if !b.halfCR || b.line == len(b.b) {
		return false
	}
	b.halfCR = false
	return b.b[b.line] == '\n'
}

// eol finds the end of the line at b.line and the start of the next line. ok is false if the line
// has no end yet.
func (b *buffer) eol() (end, next int, ok bool) {
	end = min(b.lf.next(b.b, b.line, &b.work), b.cr.next(b.b, b.line, &b.work))
	if end == len(b.b) {
		return end, end, false
	}
	next = end + 1
	if b.b[end] == '\r' {
		if next == len(b.b) {
			b.halfCR = true
		} else if b.b[next] == '\n' {
			next++
		}
	}
	return end, next, true
}

// fill makes room and reads the source once. It stores an error of the source in b.srcErr. Every
// byte is moved at most once: a move keeps one unfinished block, and a later block is held only
// after that one ended.
func (b *buffer) fill() {
	if b.hold == len(b.b) {
		b.shift()
	} else if cap(b.b)-len(b.b) < minRead && b.hold > 0 {
		b.shift()
	}
	if held := len(b.b); cap(b.b)-held < minRead {
		size := max(bufferSize, min(2*cap(b.b), b.max+bufferSize), held+minRead)
		b.b = append(make([]byte, 0, size), b.b...)
		b.work += held
	}
	for range emptyReads {
		n, err := b.src.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		b.srcErr = err
		if n > 0 || err != nil {
			return
		}
	}
	b.srcErr = io.ErrNoProgress
}

// shift moves the held bytes to the start of the buffer.
func (b *buffer) shift() {
	b.work += copy(b.b, b.b[b.hold:])
	b.b = b.b[:len(b.b)-b.hold]
	b.line -= b.hold
	b.lf.at -= b.hold
	b.cr.at -= b.hold
	b.hold = 0
}
