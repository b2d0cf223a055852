package sse

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a body whose reads must occur in the expected order.
type script struct {
	t     *testing.T
	reads []string
}

func (s *script) Read(p []byte) (int, error) {
	require.NotEmpty(s.t, s.reads, "nothing more may be read before what is there was handed on")
	n := copy(p, s.reads[0])
	require.Len(s.t, s.reads[0], n)
	s.reads = s.reads[1:]
	return n, nil
}

func (s *script) Close() error { return nil }

// TestPromptly checks that all complete events are returned before the body is read again.
func TestPromptly(t *testing.T) {
	x100 := strings.Repeat("x", 100)
	for _, c := range []struct {
		name  string
		reads []string
		want  string
	}{
		{"block at its blank line", []string{"data: x\n", "\n"}, "data: x\n\n"},
		{"block at its CR", []string{"data: x\r", "\r"}, "data: x\r\r"},
		{"block at the CR of its CRLF", []string{"data: x\r\n", "\r"}, "data: x\r\n\r"},
		{"first block though the next is held", []string{"data: x\n\ndata: y\n"}, "data: x\n\n"},
		{"bare newline", []string{"\n"}, "\n"},
		{"comment line", []string{": keep-alive\n"}, ": keep-alive\n"},
		{"start of a comment", []string{": keep"}, ": keep"},
		{"byte order mark", []string{"\xEF", "\xBB", "\xBF"}, "\uFEFF"},
		{"behind a payment event", []string{"event: payment-receipt\n\ndata: x\n\nda"}, "data: x\n\n"},
		{"large line", []string{"data: ", x100}, "data: " + x100},
		{"large block", []string{"data: x\nid: ", x100}, "data: x\nid: " + x100},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFilter(&script{t, c.reads}, 64, func(string, []byte) error { return nil })
			got := make([]byte, len(c.want))
			_, err := io.ReadFull(f, got)
			require.NoError(t, err)
			assert.Equal(t, c.want, string(got))
		})
	}
}

// TestFrameBeforeDelivery checks that onFrame is called as soon as the frame is complete, not at
// the next Read.
func TestFrameBeforeDelivery(t *testing.T) {
	var f *Filter
	frames, events := 0, uint64(0)
	f = NewFilter(
		&script{
			t,
			[]string{
				"data: x\n\ndata: y\n\n" + voucherBlock + "data: z\n\n" + voucherBlock + voucherBlock,
			},
		},
		0,
		func(string, []byte) error { frames++; events = f.Events(); return nil },
	)
	p := make([]byte, 512)
	n, err := f.Read(p)
	require.NoError(t, err)
	assert.Equal(t, "data: x\n\ndata: y\n\n", string(p[:n]))
	assert.Equal(t, 1, frames)
	assert.EqualValues(t, 2, events)
	n, err = f.Read(p)
	require.NoError(t, err)
	assert.Equal(t, "data: z\n\n", string(p[:n]))
	assert.Equal(t, 2, frames)
	assert.EqualValues(t, 3, events)
}

// endless is a body that repeats a text up to n bytes.
type endless struct {
	text string
	n    int
	most int // the largest buffer of a Read
	f    *Filter
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n <= 0 {
		return 0, io.EOF
	}
	e.most = max(e.most, cap(e.f.b))
	n := 0
	for len(p)-n >= len(e.text) {
		n += copy(p[n:], e.text)
	}
	e.n -= n
	return n, nil
}

func (e *endless) Close() error { return nil }

// TestEndless reads endless events and comments in bounded memory.
func TestEndless(t *testing.T) {
	for _, text := range []string{
		"\n", "\r", "\r\n", ":\n", ": ping\n", ": ping\n\n", ": ping", ":", "x", "data: x",
		"data: x\n", "e", "event: x\n",
		"event\r\n", receiptBlock, "event: payment-receipt\n\n", "data: x\n\n" + receiptBlock,
	} {
		body := &endless{text: text, n: 1 << 19}
		f := NewFilter(body, 0, func(string, []byte) error { return nil })
		body.f = f
		n, err := io.Copy(struct{ io.Writer }{io.Discard}, f)
		require.NoError(t, err)
		if !strings.Contains(text, "payment") {
			assert.GreaterOrEqual(t, n, int64(1<<19), "%q", text)
		}
		assert.LessOrEqual(t, body.most, MaxFrame+bufferSize, "%q", text)
	}
}
