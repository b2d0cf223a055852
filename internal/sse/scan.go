package sse

import "fmt"

// scan processes lines until there are want bytes for the application, or a block was removed after
// bytes that the application must get first, or no complete line is left.
func (f *Filter) scan(want int) {
	if f.out == f.rel {
		f.out, f.rel = f.hold, f.hold
	}
	for f.err == nil && f.rel == f.hold && f.rel-f.out < want {
		if !f.begun {
			n, ok := f.bom()
			if !ok {
				return
			}
			f.release(n)
		}
		if f.secondHalf() {
			f.endCRLF()
			continue
		}
		end, next, ok := f.eol()
		if !ok {
			f.unfinished()
			return
		}
		f.whole(end, next)
	}
}

// whole processes the line b[line:end]. It checks the maximum before the line and without the line
// ending, so that the result does not depend on how the stream was split into reads.
func (f *Filter) whole(end, next int) {
	if f.flow {
		f.flow = false
		f.release(next)
		return
	}
	if !f.over && end-f.hold > f.max && !f.overflow() {
		return
	}
	line := f.b[f.line:end]
	if len(line) == 0 {
		f.endBlock(next)
		return
	}
	switch line[0] {
	case ':':
		if f.line == f.hold { // no block has begun: the comment belongs to no event
			f.release(next)
			return
		}
	case 'd':
		if value, ok := field(line, "data"); ok {
			f.hasData = true
			f.content = f.content || len(value) > 0
		}
	case 'e':
		if name, ok := eventName(line); ok {
			f.name = name
		}
	}
	if f.over {
		if f.name != "" {
			f.tooLarge()
			return
		}
		f.release(next)
		return
	}
	f.line = next
}

// unfinished processes the start of a line that has no end yet. It releases bytes that cannot be
// part of a payment event.
func (f *Filter) unfinished() {
	line := f.b[f.line:]
	if len(line) > 0 && line[0] == ':' && f.line == f.hold {
		f.flow = true
	}
	if !f.flow && !f.over && len(f.b)-f.hold > f.max && !f.overflow() {
		return
	}
	if f.over && !f.flow && len(line) > longestName {
		f.flow = true
		if _, ok := field(line, "data"); ok {
			f.hasData, f.content = true, true
		}
	}
	if f.flow {
		f.release(len(f.b))
	}
}

// endBlock ends the block at its blank line. It releases a block of the application, and removes
// and reports a payment event.
func (f *Filter) endBlock(next int) {
	name, hasData, content := f.name, f.hasData, f.content
	f.name, f.hasData, f.content, f.over = "", false, false, false
	if name == "" {
		f.release(next)
		if hasData {
			f.pending++
			f.lastEnd, f.lastFull = next, content
			if content {
				f.filled++
			}
		}
		return
	}
	block := f.b[f.hold:f.line]
	f.drop(next)
	if !hasData || f.closed.Load() {
		return
	}
	// This Read returns the bytes before the frame, because they are fewer than it wants.
	f.contents.Add(uint64(f.filled))
	f.events.Add(uint64(f.pending))
	f.pending, f.filled = 0, 0
	f.data = appendData(f.data[:0], block)
	if err := f.onFrame(name, f.data); err != nil {
		f.err = fmt.Errorf("%s event: %w", name, err)
	}
}

// endCRLF assigns the LF of a CRLF that was split by two reads to the same side as its CR.
func (f *Filter) endCRLF() {
	switch {
	case f.hold < f.line:
		f.line++
	case f.cut:
		f.drop(f.line + 1)
	default:
		f.release(f.line + 1)
	}
}

// overflow releases the held lines of a block that has become too large. It returns false if they
// belong to a payment event.
func (f *Filter) overflow() bool {
	if f.name != "" {
		f.tooLarge()
		return false
	}
	f.over = true
	f.release(f.line)
	return true
}

func (f *Filter) tooLarge() {
	f.err = fmt.Errorf("%w: %s has more than %d bytes", ErrFrameTooLarge, f.name, f.max)
}

// finish ends the stream with the error of the source. It releases the unfinished block, unless one
// of its lines, complete or not, names a payment event.
func (f *Filter) finish() {
	f.err = f.srcErr
	name, _ := eventName(f.b[f.line:])
	if f.name == "" && name == "" {
		f.release(len(f.b))
	}
}

// release passes the bytes up to end to the application.
func (f *Filter) release(end int) {
	f.rel, f.hold, f.line = end, end, end
	f.cut = false
}

// drop removes the bytes up to end from the stream.
func (f *Filter) drop(end int) {
	f.hold, f.line = end, end
	f.cut = true
	if f.out == f.rel {
		f.out, f.rel = end, end
	}
}
