package sse

import (
	"bytes"
	"io"
)

const (
	bufferSize = 16 << 10 // the first buffer of a stream
	minRead    = 4 << 10  // room for one read of the source
	mostBytes  = 1 << 30  // no maximum is above this
	emptyReads = 100      // reads of the source in a row that bring nothing
)

var byteOrderMark = []byte("\xEF\xBB\xBF")

// finder finds one byte in a buffer that grows. It looks at no byte twice, so that the time for a
// block is linear in its size however small the reads are.
type finder struct {
	c     byte
	at    int  // no c between the start of the line and here
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

// buffer reads a source and finds its lines. The bytes before hold are done with.
type buffer struct {
	src    io.Reader
	srcErr error // what ended the source
	max    int   // the owner never holds more than this when it calls fill
	b      []byte
	hold   int  // start of what is kept
	line   int  // start of the line that is looked at, >= hold
	begun  bool // the byte order mark has been looked for
	halfCR bool // the last line ended with the last byte of b, a CR: an LF may follow
	lf, cr finder
	work   int // bytes searched or moved, for the test that it stays linear
}

func newBuffer(src io.Reader, most int) buffer {
	return buffer{src: src, max: min(most, mostBytes), lf: finder{c: '\n'}, cr: finder{c: '\r'}}
}

// bom returns the length of the byte order mark at the start of the stream, once. It is not ok
// as long as more bytes are needed to tell.
func (b *buffer) bom() (n int, ok bool) {
	if bytes.HasPrefix(b.b, byteOrderMark) {
		n = len(byteOrderMark)
	} else if bytes.HasPrefix(byteOrderMark, b.b) {
		return 0, false
	}
	b.begun = true
	return n, true
}

// secondHalf reports, once, whether the byte at line is the LF of a CRLF that two reads split.
func (b *buffer) secondHalf() bool {
	if !b.halfCR || b.line == len(b.b) {
		return false
	}
	b.halfCR = false
	return b.b[b.line] == '\n'
}

// eol finds the end of the line at b.line and the start of the line after it. It is not ok when
// the line has no end yet.
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

// fill reads the source once, after making room. An error of the source goes to b.srcErr. The
// bytes that are moved to make room were all read since the last move: what is held at a move is
// one unfinished block, and a later block is held only after that one ended.
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

// shift moves what is held to the start of the buffer.
func (b *buffer) shift() {
	b.work += copy(b.b, b.b[b.hold:])
	b.b = b.b[:len(b.b)-b.hold]
	b.line -= b.hold
	b.lf.at -= b.hold
	b.cr.at -= b.hold
	b.hold = 0
}
