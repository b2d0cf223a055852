package sse

import (
	"bytes"
	"fmt"
	"io"
	"iter"

	gosse "github.com/tmaxmax/go-sse"
)

// Event is an event of the application.
type Event struct {
	// Type is the name of the event, or "message" if it has none.
	Type string
	// Data is the content of the data lines, joined by LF.
	Data string
	// ID is the last event id, set in this block or an earlier one.
	ID string
}

// Events returns the events of r in order, as the HTML standard dispatches them: blocks without
// data and an unfinished last block are not events. Each event is yielded as soon as its blank line
// was read. r is usually a [Filter], which removes the payment events.
//
// The sequence ends at the end of r or after its first error, which it yields with a zero Event.
// The error is one of r, or [ErrEventTooLarge] for an event of more than maximum bytes; zero or
// less means [MaxEvent]. The sequence can be used once, is not safe for concurrent use, and does
// not close r.
func Events(r io.Reader, maximum int) iter.Seq2[Event, error] {
	if maximum <= 0 {
		maximum = MaxEvent
	}
	b := &blocks{buffer: newBuffer(r, maximum)}
	return func(yield func(Event, error) bool) {
		for e, err := range gosse.Read(b, &gosse.ReadConfig{MaxEventSize: b.max + 1}) {
			if err != nil {
				yield(Event{}, err)
				return
			}
			if e.Type == "" {
				e.Type = "message"
			}
			if !yield(Event{Type: e.Type, Data: e.Data, ID: e.LastEventID}, nil) {
				return
			}
		}
	}
}

// blocks rewrites a stream for sse.Read: it returns complete events, one at a time, with their
// relevant lines only.
//
// Without it, sse.Read buffers keep-alives until the next event and fails at its maximum, searches
// an event again for every piece that arrives, yields blocks without data, and yields the
// unfinished block at the end of a stream.
type blocks struct {
	buffer
	block    []byte // the relevant lines of this block, each with an LF
	id       int    // length of the id line at block[idAt:], 0 if there is none
	idAt     int
	hasData  bool
	ignoring bool   // the current line is a comment whose start was dropped
	out      []byte // the unread rest of a complete block
	err      error
}

func (b *blocks) Read(p []byte) (int, error) {
	for len(b.out) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.step()
	}
	n := copy(p, b.out)
	if b.out = b.out[n:]; len(b.out) == 0 {
		b.block, b.id, b.hasData = b.block[:0], 0, false
	}
	return n, nil
}

// step processes one line, or reads the source.
func (b *blocks) step() {
	if !b.begun {
		n, ok := b.bom()
		if !ok {
			b.more()
			return
		}
		b.advance(n)
	}
	if b.secondHalf() {
		b.advance(b.line + 1)
	}
	end, next, ok := b.eol()
	line := b.b[b.line:end]
	comment := b.ignoring || len(line) > 0 && line[0] == ':'
	if len(line) > 0 && !comment && len(b.block)+len(line) >= b.max {
		b.err = fmt.Errorf("%w: more than %d bytes", ErrEventTooLarge, b.max)
		return
	}
	switch {
	case !ok:
		if b.ignoring = comment; comment {
			b.advance(len(b.b))
		}
		b.more()
		return
	case comment:
		b.ignoring = false
	case len(line) == 0:
		b.endBlock()
	default:
		b.take(line)
	}
	b.advance(next)
}

// more reads the source. If the source has ended, so has the stream, because no complete block is
// left.
func (b *blocks) more() {
	if b.err = b.srcErr; b.err == nil {
		b.fill()
	}
}

func (b *blocks) advance(to int) { b.hold, b.line = to, to }

// take keeps a line if it is relevant for an event.
func (b *blocks) take(line []byte) {
	if id, ok := field(line, "id"); ok {
		if bytes.IndexByte(id, 0) >= 0 {
			return // the standard ignores such an id
		}
		b.idAt, b.id = len(b.block), len(line)+1
	} else if _, ok := field(line, "data"); ok {
		b.hasData = true
	} else if _, ok := field(line, "event"); !ok {
		return
	}
	b.block = append(append(b.block, line...), '\n')
}

// endBlock ends the block. A block without data is not an event, but its id applies to the next
// event.
func (b *blocks) endBlock() {
	if b.hasData {
		b.block = append(b.block, '\n')
		b.out = b.block
		return
	}
	copy(b.block, b.block[b.idAt:b.idAt+b.id])
	b.block, b.idAt = b.block[:b.id], 0
}
