package sse

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLinear counts the bytes that are searched, moved and copied. There are a few for each byte of
// the stream, independent of its size and the size of the reads.
func TestLinear(t *testing.T) {
	const size = 1 << 18
	long := strings.Repeat("x", size)
	for name, text := range map[string]string{
		"one line":        "data: " + long + "\n\n",
		"CR, no LF":       strings.Repeat("data: xxxx\r", size/11) + "\r",
		"LF, no CR":       strings.Repeat("data: xxxx\n", size/11) + "\n",
		"CRLF":            strings.Repeat("data: xxxx\r\n", size/12) + "\r\n",
		"small events":    strings.Repeat("data: xxxx\n\n", size/12),
		"payment events":  strings.Repeat(receiptBlock+"data: x\n\n", size/40),
		"comment":         ": " + long + "\n",
		"newlines":        strings.Repeat("\n", size),
		"LF far away":     strings.Repeat("\r", size) + "\n",
		"never finished":  "data: x\n" + long,
		"held behind CRs": strings.Repeat("id\r", size/3) + "data: x\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, maximum := range []int{100, MaxFrame, 8 << 20} {
				for _, in := range []int{100, 1400, 1 << 20} {
					for _, out := range []int{64, 32 << 10} {
						f := NewFilter(
							io.NopCloser(segments{strings.NewReader(text), in}),
							maximum,
							func(string, []byte) error { return nil },
						)
						n, err := io.CopyBuffer(
							struct{ io.Writer }{io.Discard}, f, make([]byte, out),
						)
						require.NoError(t, err)
						require.LessOrEqual(t, n, int64(len(text)))
						assert.LessOrEqual(
							t, f.work, 6*len(text), "maximum %d, reads of %d into %d", maximum, in,
							out,
						)
					}
				}
			}
			b := &blocks{buffer: newBuffer(segments{strings.NewReader(text), 1400}, MaxEvent)}
			_, err := io.Copy(io.Discard, b)
			require.NoError(t, err)
			assert.LessOrEqual(t, b.work, 6*len(text))
		})
	}
}

// TestNoAllocations checks that ten times as many events need no more allocations.
func TestNoAllocations(t *testing.T) {
	p := make([]byte, 4096)
	for _, eol := range []string{"\n", "\r\n", "\r"} {
		allocs := func(events int) float64 {
			stream := chatStream(events, eol)
			return testing.AllocsPerRun(10, func() {
				f := NewFilter(
					io.NopCloser(bytes.NewReader(stream)),
					0,
					func(string, []byte) error { return nil },
				)
				for {
					if _, err := f.Read(p); err != nil {
						return
					}
				}
			})
		}
		assert.Equal(t, allocs(500), allocs(5000), "%q", eol)
	}
}
