package sse

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Filter is the body of a metered event stream without its payment events. It is an
// [io.ReadCloser]. Read is for one goroutine at a time; Close and Events may be called from others
// meanwhile. It starts no goroutine.
//
// It holds at most one unfinished block, and at most its maximum of it. A block that grows beyond
// is handed on as it comes unless it has the name of a payment event; if the name follows only
// then, or is there already, the stream ends with [ErrFrameTooLarge].
type Filter struct {
	buffer // b[hold:] is the block that is held, then what has not been looked at

	onFrame func(name string, data []byte) error
	data    []byte // of the last frame, for reuse

	out, rel int // b[out:rel] is for the application; out <= rel <= hold
	err      error

	name    string // of the block so far, if a payment event's
	hasData bool   // the block has a data line
	over    bool   // the block is larger than the maximum, and flows
	flow    bool   // the start of this line is known and released
	cut     bool   // what was looked at last was cut out

	pending int // events among b[out:rel]
	lastEnd int // where the last of them ends

	events    atomic.Uint64
	closed    atomic.Bool
	closeOnce func() error
}

// NewFilter returns a filter over body, which it closes when it is closed. It holds up to maximum
// bytes of a block; zero or less is [MaxFrame].
//
// For each payment event, onFrame gets the name ([NeedVoucher] or [Receipt]) and the data, its
// data lines joined by LF. It is called by Read, in stream order, as soon as the event's blank line
// is in; the bytes before the event are returned by the same Read or were before. The data is valid
// until onFrame returns. Read waits for onFrame: what takes time belongs into a goroutine. An error
// of onFrame ends the stream: Read returns it, wrapped, after the bytes before the event. onFrame
// must not be nil, and is not called once Close has been.
func NewFilter(body io.ReadCloser, maximum int, onFrame func(name string, data []byte) error) *Filter {
	if maximum <= 0 {
		maximum = MaxFrame
	}
	return &Filter{
		buffer:    newBuffer(body, maximum),
		onFrame:   onFrame,
		closeOnce: sync.OnceValue(body.Close),
	}
}

// Read reads the application's bytes. It returns what there is as soon as a block is complete, and
// waits only if there is nothing. Errors of the body, io.EOF among them, come unchanged and after
// all data; the others are [ErrFrameTooLarge], the error of onFrame, and
// [http.ErrBodyReadAfterClose]. An error is final.
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

// Close closes the body, the first time. Later calls return the same. A Read that waits for the
// body ends if the body's own Close ends it, as that of an HTTP response does.
func (f *Filter) Close() error {
	f.closed.Store(true)
	return f.closeOnce()
}

// Events returns the number of application events that Read has delivered up to their last byte.
// Blocks without a data line do not count. Within onFrame, all events before the frame count.
func (f *Filter) Events() uint64 { return f.events.Load() }

// count counts the events that have been delivered. Only the last of the pending ones can still
// have bytes to deliver, since scan stops when there is enough.
func (f *Filter) count() {
	n := f.pending
	if n > 0 && f.out < f.lastEnd {
		n--
	}
	if n > 0 {
		f.pending -= n
		f.events.Add(uint64(n))
	}
}
