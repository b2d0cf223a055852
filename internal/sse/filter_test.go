package sse

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEventsCountsWhatIsDelivered(t *testing.T) {
	const stream = "data: a\n\ndata\n\n: no\n\nid: 1\n\n" + receiptBlock + "data: b\nid: 2\n\ndata: c\n"
	want := map[string]uint64{
		"data: a\n\n":         1,
		"data: a\n\ndata\n\n": 2,
		"data: a\n\ndata\n\n: no\n\nid: 1\n\ndata: b\nid: 2\n\n": 3,
	}
	for _, size := range []int{1, 2, 5} {
		f := NewFilter(&pieces{b: []byte(stream)}, 0, func(string, []byte) error { return nil })
		got, count := "", uint64(0)
		p := make([]byte, size)
		for {
			n, err := f.Read(p)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			for _, c := range p[:n] {
				got += string(c)
				if n, ok := want[got]; ok {
					count = n
				}
			}
			assert.Equal(t, count, f.Events(), "after %q", got)
		}
		assert.EqualValues(t, 3, f.Events())
	}
}

// TestContentsCountsEventsWithData: an event whose data is empty counts as an event, and has no
// content.
func TestContentsCountsEventsWithData(t *testing.T) {
	long := strings.Repeat("x", 100)
	for stream, want := range map[string][2]uint64{
		"data\n\ndata:\n\ndata: \n\ndata:\ndata: \ndata\n\nid: 7\nretry: 1\n\n: x\n\n": {4, 0},
		"data: a\n\ndata\n\ndata:\ndata: b\n\ndata: c\ndata:\n\ndata:  \n\n":           {5, 4},
		"data: a\n\ndata\n\n" + receiptBlock + "data: b\n\ndata\n\n" + voucherBlock:    {4, 2},
		"id: " + long + "\ndata:\n\ndata:" + long + "\n\ndata: a":                      {2, 1},
	} {
		for size := 1; size <= len(stream)+1; size++ {
			for _, got := range []result{
				filtered(t, stream, 64, []int{size}, 512), filtered(t, stream, 64, nil, size),
			} {
				require.Equal(t, want, [2]uint64{got.events, got.contents}, "%d: %q", size, stream)
			}
		}
	}
}

func TestOnFrameError(t *testing.T) {
	limit := errors.New("limit")
	for size := 1; size < 60; size++ {
		calls := 0
		f := NewFilter(
			&pieces{b: []byte("data: x\n\n" + voucherBlock + "data: y\n\n" + receiptBlock)},
			0,
			func(string, []byte) error { calls++; return limit },
		)
		var got []byte
		p := make([]byte, size)
		var err error
		for err == nil {
			var n int
			n, err = f.Read(p)
			got = append(got, p[:n]...)
		}
		assert.ErrorIs(t, err, limit)
		assert.EqualError(t, err, "payment-need-voucher event: limit")
		assert.Equal(t, "data: x\n\n", string(got))
		_, err = f.Read(p)
		assert.ErrorIs(t, err, limit)
		assert.Equal(t, 1, calls)
	}
}

func TestTooLargeErrorText(t *testing.T) {
	f := NewFilter(
		&pieces{b: []byte("event: payment-receipt\ndata: " + strings.Repeat("x", 100) + "\n\n")},
		64, nil,
	)
	_, err := f.Read(make([]byte, 10))
	assert.EqualError(
		t, err, "sse: payment event is too large: payment-receipt has more than 64 bytes",
	)
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("connection reset")
	for _, c := range []struct{ name, stream, out string }{
		{"after an event", "data: x\n\n", "data: x\n\n"},
		{"in an event", "data: x\n\ndata: y", "data: x\n\ndata: y"},
		{"in a payment event", "data: x\n\nevent: payment-receipt\ndata: {}\n", "data: x\n\n"},
		{"at once", "", ""},
	} {
		for _, last := range []bool{false, true} {
			for size := 1; size < 30; size += 7 {
				t.Run(fmt.Sprint(c.name, last, size), func(t *testing.T) {
					f := NewFilter(&pieces{b: []byte(c.stream), err: broken, last: last}, 0, nil)
					var got []byte
					p := make([]byte, size)
					for {
						n, err := f.Read(p)
						got = append(got, p[:n]...)
						if err != nil {
							assert.Equal(t, broken, err)
							break
						}
					}
					assert.Equal(t, c.out, string(got))
				})
			}
		}
	}
}

// TestReader checks the contract of io.Reader.
func TestReader(t *testing.T) {
	stream := strings.Repeat("data: x\n\n"+voucherBlock+": ping\n", 100)
	f := NewFilter(
		&pieces{b: []byte(stream), last: true},
		0,
		func(string, []byte) error { return nil },
	)
	assert.NoError(t, iotest.TestReader(f, []byte(strings.Repeat("data: x\n\n: ping\n", 100))))
}

type stuck struct{ io.Closer }

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestNoProgress(t *testing.T) {
	_, err := NewFilter(stuck{}, 0, nil).Read(make([]byte, 1))
	assert.Equal(t, io.ErrNoProgress, err)
	_, err = NewFilter(stuck{}, 0, nil).Read(nil)
	assert.NoError(t, err)
}

type badClose struct {
	pieces
	err error
}

func (b *badClose) Close() error { b.closed++; return b.err }

func TestClose(t *testing.T) {
	body := &badClose{
		pieces: pieces{b: []byte("data: x\n\n" + voucherBlock)},
		err:    errors.New("late"),
	}
	f := NewFilter(
		body,
		0,
		func(string, []byte) error { return errors.New("no frame after Close") },
	)
	_, err := f.Read(make([]byte, 1))
	require.NoError(t, err)
	for range 3 {
		assert.Equal(t, body.err, f.Close())
	}
	assert.Equal(t, 1, body.closed)
	_, err = f.Read(make([]byte, 100))
	assert.Equal(t, http.ErrBodyReadAfterClose, err)
}

// TestCloseInFrame closes the filter in onFrame: events that arrived with the frame are dropped.
func TestCloseInFrame(t *testing.T) {
	calls := 0
	var f *Filter
	f = NewFilter(&pieces{b: []byte(voucherBlock + voucherBlock + "data: x\n\n")}, 0,
		func(string, []byte) error { calls++; return f.Close() })
	n, err := f.Read(make([]byte, 100))
	assert.Equal(t, 9, n)
	assert.NoError(t, err)
	_, err = f.Read(make([]byte, 100))
	assert.Equal(t, http.ErrBodyReadAfterClose, err)
	assert.Equal(t, 1, calls)
}

// TestCloseDuringRead calls Close and Events while Read waits, for the race detector.
func TestCloseDuringRead(t *testing.T) {
	r, w := io.Pipe()
	f := NewFilter(r, 0, func(string, []byte) error { return nil })
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.WriteString(w, "data: x\n\n"+voucherBlock)
		for range 2 {
			wg.Go(func() { assert.NoError(t, f.Close()) })
		}
		_ = f.Events()
	})
	_, err := io.Copy(io.Discard, f)
	assert.Contains(t, []error{io.ErrClosedPipe, http.ErrBodyReadAfterClose}, err)
	wg.Wait()
	assert.LessOrEqual(t, f.Events(), uint64(1))
}

func TestIsEventStream(t *testing.T) {
	for value, want := range map[string]bool{
		"text/event-stream":                  true,
		"Text/Event-Stream":                  true,
		"text/event-stream;charset=utf-8":    true,
		" text/event-stream\t; charset=x; y": true,
		"":                                   false,
		"text/event-streams":                 false,
		"text/event":                         false,
		"text/plain; text/event-stream":      false,
		"text/plain, text/event-stream":      false,
	} {
		assert.Equal(t, want, IsEventStream(value), "%q", value)
	}
}
