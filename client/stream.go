package client

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// StreamEvent is one event of a paid stream: of the application, or of the payment.
type StreamEvent struct {
	// Type, ID and Data are those of an event of the application. Type is "message" if the stream names
	// none; it is empty for an event of the payment. Data has its lines joined by a newline.
	Type, ID, Data string
	// Cumulative is the voucher that the payee accepted, in base units, zero if none was.
	Cumulative voucher.Amount
	// Receipt is the receipt that the payee sent, with a voucher or alone; nil if none came.
	Receipt *receipt.Receipt
}

// maxEvent is how long one application event may be when it is read as a [StreamEvent], in bytes.
const maxEvent = 16 << 20

// Stream reads a response of Server-Sent Events event by event. The payment goes on by itself, as it does
// when the body is read directly. Next and Events are for one goroutine; Close may be called from
// another, and ends them.
type Stream struct {
	body io.ReadCloser
	m    *meter // nil where the stream was free
	next func() (sse.Event, error, bool)
	stop func()
	held *StreamEvent
	came uint64 // application events that were handed over
	err  error

	reading sync.Mutex // held while next or stop runs
	closed  atomic.Bool
}

// NewStream reads the body of resp, which has to be a text/event-stream. The stream owns the body from
// then on: close it with [Stream.Close]. What wraps the body above the [Transport] (tracing, logging)
// does not hide the events of the payment, as long as it leaves resp.Request set.
func NewStream(resp *http.Response) (*Stream, error) {
	if !sse.IsEventStream(resp.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("client: the response is %q, not text/event-stream", resp.Header.Get("Content-Type"))
	}
	s := &Stream{body: resp.Body}
	if p := PaymentOf(resp); p != nil && p.stream != nil {
		s.m = p.stream
		s.m.watched.Store(true)
	}
	s.next, s.stop = iter.Pull2(sse.Events(resp.Body, maxEvent))
	return s, nil
}

// Next returns the next event. At the end of the stream the error is [io.EOF]; other errors are an
// [*Error] where they are about payment. After an error every call returns it.
func (s *Stream) Next() (StreamEvent, error) {
	for {
		if e, ok := s.notice(); ok {
			return e, nil
		}
		if s.held != nil {
			e := *s.held
			s.held = nil
			s.came++
			return e, nil
		}
		if s.err != nil {
			return StreamEvent{}, s.err
		}
		s.read()
	}
}

// read reads the next application event, or the end.
func (s *Stream) read() {
	s.reading.Lock()
	e, err, ok := s.next()
	s.reading.Unlock()
	switch {
	case !ok:
		s.err = io.EOF
		if s.closed.Load() {
			s.err = http.ErrBodyReadAfterClose
		}
	case err != nil:
		s.err = err
	default:
		s.held = &StreamEvent{Type: e.Type, ID: e.ID, Data: e.Data}
	}
	s.release()
}

// release ends the reader behind next once the stream is closed. Whoever holds reading does it afterwards.
func (s *Stream) release() {
	if s.closed.Load() && s.reading.TryLock() {
		s.stop()
		s.reading.Unlock()
	}
}

// notice removes and returns the oldest payment event that came before the next application event, or
// before the end.
func (s *Stream) notice() (StreamEvent, bool) {
	if s.m == nil {
		return StreamEvent{}, false
	}
	if e := s.m.take(s.came, s.err != nil); e != nil {
		return *e, true
	}
	return StreamEvent{}, false
}

// Events yields the events up to the end of the stream, which is not an error. The last pair has the error
// that ended it before.
func (s *Stream) Events() iter.Seq2[StreamEvent, error] {
	return func(yield func(StreamEvent, error) bool) {
		for {
			e, err := s.Next()
			if errors.Is(err, io.EOF) || !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Close ends the stream and its connection. Vouchers that are under way are canceled.
func (s *Stream) Close() error {
	err := s.body.Close()
	s.closed.Store(true)
	s.release()
	return err
}
