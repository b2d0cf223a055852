package sse

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

// block is a block of lines. Each line is written with a random line ending.
type blockGen struct {
	raw   string
	frame *frame // set for a payment event
	event bool
}

func genBlock(t *rapid.T) blockGen {
	eol := func() string { return rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "eol") }
	text := rapid.StringMatching(`[a-zé☕{}":, ]{0,20}`)
	spaced := func(name, value string) string {
		if rapid.Bool().Draw(t, "space") || strings.HasPrefix(value, " ") {
			return name + ": " + value
		}
		return name + ":" + value
	}
	var lines, data []string
	for range rapid.IntRange(0, 3).Draw(t, "data") {
		value := text.Draw(t, "value")
		data = append(data, value)
		lines = append(lines, spaced("data", value))
	}
	for range rapid.IntRange(0, 2).Draw(t, "other") {
		lines = append(
			lines,
			rapid.SampledFrom([]string{"id: 7", "retry: 1500", "x", "event: payment-other", "data2: y"}).
				Draw(t, "line"),
		)
	}
	b := blockGen{event: data != nil}
	lines = rapid.Permutation(lines).Draw(t, "lines")
	if data != nil {
		data = data[:0] // In line order.
		for _, l := range lines {
			if name, value := textField(l); name == "data" {
				data = append(data, value)
			}
		}
	}
	if rapid.Bool().Draw(t, "payment") {
		name := rapid.SampledFrom([]string{NeedVoucher, Receipt}).Draw(t, "name")
		// Anywhere after the other event lines: the last one counts.
		last := 0
		for i, l := range lines {
			if strings.HasPrefix(l, "event") {
				last = i + 1
			}
		}
		at := rapid.IntRange(last, len(lines)).Draw(t, "at")
		lines = append(lines[:at:at], append([]string{spaced("event", name)}, lines[at:]...)...)
		b.frame, b.event = &frame{name, strings.Join(data, "\n")}, false
		if data == nil {
			b.frame.name = ""
		}
	}
	if len(lines) == 0 {
		lines = []string{": keep-alive"}
	}
	// A block does not start with LF, so that the CR before it remains a line ending.
	for _, l := range lines {
		b.raw += l + eol()
	}
	if end := eol(); strings.HasSuffix(b.raw, "\r") && end == "\n" {
		b.raw += "\r"
	} else {
		b.raw += end
	}
	return b
}

func TestAnyInterleaving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream string
		want := result{}
		for _, b := range rapid.SliceOfN(rapid.Custom(genBlock), 0, 20).Draw(t, "blocks") {
			stream += b.raw
			switch {
			case b.frame == nil:
				want.out += b.raw
			case b.frame.name != "":
				want.frames = append(want.frames, *b.frame)
			}
			if b.event {
				want.events++
			}
			if b.event && strings.Trim(referenceEvents(b.raw)[0].Data, "\n") != "" {
				want.contents++
			}
		}
		in := rapid.SliceOfN(rapid.IntRange(1, 64), 1, 40).Draw(t, "in")
		out := rapid.IntRange(1, 200).Draw(t, "out")
		require.Equal(t, want, filtered(t, stream, 0, in, out))
		events, err := collect(stream, 0, in)
		require.NoError(t, err)
		require.Equal(t, referenceEvents(stream), events)
	})
}

// TestLineEndings combines all line endings and sizes of reads: a CR at the end of a read may be
// half of a CRLF.
func TestLineEndings(t *testing.T) {
	const text = "data: one\ndata: two\n\n: keep-alive\n\nevent: payment-need-voucher\ndata: {\"a\":\ndata: 1}\n\n" +
		"id: 3\nevent: token\ndata: naïve ☕\n\nevent:payment-receipt\nid: 9\ndata:{}\n\n\n\ndata: end\n\n"
	long := strings.Repeat(text, 4)
	for _, eol := range []string{"\n", "\r\n", "\r"} {
		stream := strings.ReplaceAll(long, "\n", eol)
		want := reference(stream, MaxFrame)
		require.Len(t, want.frames, 8)
		require.EqualValues(t, 12, want.events)
		events := referenceEvents(stream)
		for size := 1; size < 700; size++ {
			require.Equal(
				t, want, filtered(t, stream, 0, []int{size}, 256), "%q reads of %d", eol, size,
			)
			require.Equal(t, want, filtered(t, stream, 0, nil, size), "%q reads into %d", eol, size)
			got, err := collect(stream, 0, []int{size})
			require.NoError(t, err)
			require.Equal(t, events, got, "%q reads of %d", eol, size)
		}
	}
}

// TestFramesMatchGoSSE parses the removed blocks with go-sse, too.
func TestFramesMatchGoSSE(t *testing.T) {
	block := "event: payment-receipt\r\ndata: {\r: comment\nid:4\ndata:  \"a\"\ndata\ndata:\ndata: }\n\n"
	got := filtered(t, block, 0, nil, 64)
	require.Empty(t, got.out)
	for e, err := range gosse.Read(strings.NewReader(block), nil) {
		require.NoError(t, err)
		require.Equal(t, []frame{{e.Type, e.Data}}, got.frames)
	}
}

func fuzzSeeds(f *testing.F, add func(stream []byte)) {
	all := vectors.Cases[vector](f, vectors.SSE)
	require.NotEmpty(f, all)
	for _, v := range all {
		add(v.Stream)
	}
	add([]byte("\uFEFFevent: payment-receipt\r\rdata\r\n\n:\n:x"))
	add([]byte("data: " + strings.Repeat("x", 80) + "\nevent: payment-receipt\n\n"))
	add([]byte("event:payment-receipt\n" + strings.Repeat(":\n", 80)))
	add([]byte("event: payment-receipt"))
}

// FuzzFilter checks that the output is the stream without its payment events, independent of the
// sizes of reads.
func FuzzFilter(f *testing.F) {
	fuzzSeeds(
		f,
		func(stream []byte) { f.Add(stream, 64, 7, 3, 40); f.Add(stream, 4000, 1, 500, 1) },
	)
	f.Add([]byte("event:payment-receipt\n"+strings.Repeat("0", 43)+"\n"), 64, 96, -6, 40)
	f.Fuzz(func(t *testing.T, stream []byte, maximum, in1, in2, out int) {
		maximum = 1 + abs(maximum)%5000
		want := reference(string(stream), maximum)
		in := []int{1 + abs(in1)%100, 1 + abs(in2)%1000}
		require.Equal(t, want, filtered(t, string(stream), maximum, in, 1+abs(out)%2000))
	})
}

// FuzzEvents compares Events with the algorithm of the HTML standard.
func FuzzEvents(f *testing.F) {
	fuzzSeeds(f, func(stream []byte) { f.Add(stream, 1, 7); f.Add(stream, 500, 3) })
	f.Add(
		[]byte("id: 1\n\nid: 2\x00\n\nevent: x\n\nid\n\ndata:\n\nid: 3\ndata: a\nid: 4\n\n"), 1, 1,
	)
	f.Fuzz(func(t *testing.T, stream []byte, in1, in2 int) {
		got, err := collect(string(stream), 0, []int{1 + abs(in1)%100, 1 + abs(in2)%1000})
		require.NoError(t, err)
		require.Equal(t, referenceEvents(string(stream)), got)
	})
}

func abs(n int) int { return max(n, -(n + 1)) }

func ExampleFilter() {
	body := io.NopCloser(strings.NewReader("data: Hello\n\n" +
		"event: payment-receipt\ndata: {\"spent\":\"250\"}\n\n" +
		": bye\n\n"))
	f := NewFilter(body, 0, func(name string, data []byte) error {
		fmt.Printf("%s: %s\n", name, data)
		return nil
	})
	rest, err := io.ReadAll(f)
	fmt.Printf("%q %v, %d event\n", rest, err, f.Events())
	// Output:
	// payment-receipt: {"spent":"250"}
	// "data: Hello\n\n: bye\n\n" <nil>, 1 event
}

func ExampleEvents() {
	body := strings.NewReader(
		"id: 7\ndata: one\ndata: more\n\n: ping\n\nevent: end\ndata: two\n\ndata: cut o",
	)
	for e, err := range Events(body, 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q %s\n", e.Type, e.Data, e.ID)
	}
	// Output:
	// message "one\nmore" 7
	// end "two" 7
}

func ExampleIsEventStream() {
	fmt.Println(
		IsEventStream("Text/Event-Stream; charset=utf-8"), IsEventStream("application/json"),
	)
	// Output: true false
}
