package sse

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Filter is the body of a metered event stream without its payment events. It is an
// [io.ReadCloser]. Read must not be called concurrently; Close, Events and Contents may be called
// at any time. It starts no goroutine.
//
// It holds at most one unfinished block, and no more than its maximum of it. A larger block is
// passed on as it arrives, unless it has the name of a payment event: then, also if the name comes
// later, the stream ends with [ErrFrameTooLarge].
type Filter struct {
	buffer // b[hold:] is the held block, followed by unprocessed bytes

	onFrame func(name string, data []byte) error
	data    []byte // buffer for the data of a frame

	out, rel int // b[out:rel] is for the application; out <= rel <= hold
	err      error

	name    string // name of the block so far, if it is that of a payment event
	hasData bool   // the block has a data line
	content bool   // and one that is not empty
	over    bool   // the block exceeds the maximum and is passed on as it arrives
	flow    bool   // the start of the current line was released
	cut     bool   // the last processed bytes were removed

	pending  int  // events among b[out:rel]
	filled   int  // of these, with content
	lastEnd  int  // end of the last of them
	lastFull bool // the last of them has content

	events    atomic.Uint64
	contents  atomic.Uint64
	closed    atomic.Bool
	closeOnce func() error
}

// NewFilter returns a filter over body. Closing the filter closes body. It holds up to maximum
// bytes of a block; zero or less means [MaxFrame].
//
// For each payment event, Read calls onFrame with the name ([NeedVoucher] or [Receipt]) and the
// data lines, joined by LF. It calls it in stream order, as soon as the blank line of the event was
// read. The bytes before the event are returned by the same Read or an earlier one. The data is
// valid until onFrame returns. Read waits for onFrame, so slow work belongs in a goroutine. An
// error of onFrame ends the stream: Read returns it, wrapped, after the bytes before the event.
// onFrame must not be nil. It is not called after Close.
func NewFilter(
	body io.ReadCloser,
	maximum int,
	onFrame func(name string, data []byte) error,
) *Filter {
	if maximum <= 0 {
		maximum = MaxFrame
	}
	return &Filter{
		buffer:    newBuffer(body, maximum),
		onFrame:   onFrame,
		closeOnce: sync.OnceValue(body.Close),
	}
}

// Read reads the bytes of the application. It returns available bytes as soon as a block is
// complete, and waits only if there are none. Errors of the body, including io.EOF, are returned
// unchanged after all data. Other errors are [ErrFrameTooLarge], the error of onFrame, and
// [http.ErrBodyReadAfterClose]. After an error, every call returns it.
func (f *Filter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if f.closed.Load() {
			return 0, http.ErrBodyReadAfterClose
		}
		f.scan(len(p))
		if f.out < f.rel {
			n := copy(p, f.b[f.out:f.rel])
			f.work += n
			f.out += n
			f.count()
			return n, nil
		}
		switch {
		case f.err != nil:
			return 0, f.err
		case f.srcErr != nil:
			f.finish()
		default:
			f.fill()
			f.out, f.rel = f.hold, f.hold
		}
	}
}

// Close closes the body once. Later calls return the same error. A waiting Read ends if closing the
// body ends its Read, as with the body of an HTTP response.
func (f *Filter) Close() error {
	f.closed.Store(true)
	return f.closeOnce()
}

// Events returns the number of application events that Read has returned completely. Blocks without
// a data line do not count. In onFrame, all events before the frame count.
func (f *Filter) Events() uint64 { return f.events.Load() }

// Contents returns how many of [Filter.Events] have data of at least one byte.
func (f *Filter) Contents() uint64 { return f.contents.Load() }

// count counts the delivered events. Only the last pending event can still have undelivered bytes,
// because scan stops when there are enough.
func (f *Filter) count() {
	rest, full := 0, 0
	if f.pending > 0 && f.out < f.lastEnd {
		rest = 1
		if f.lastFull {
			full = 1
		}
	}
	f.contents.Add(uint64(f.filled - full))
	f.events.Add(uint64(f.pending - rest))
	f.pending, f.filled = rest, full
}
