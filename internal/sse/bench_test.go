package sse

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	gosse "github.com/tmaxmax/go-sse"
)

// chatStream resembles the response of a language model: events of 175 bytes, 2 % payment events.
func chatStream(events int, eol string) []byte {
	var b bytes.Buffer
	for i := range events {
		if i%50 == 49 {
			fmt.Fprintf(
				&b,
				"event: payment-need-voucher%sdata: {\"channelId\":\"0x%064x\",\"requiredCumulative\":\"%d\"}%s%s",
				eol, i, i, eol, eol,
			)
			continue
		}
		fmt.Fprintf(
			&b,
			"data: {\"id\":\"chatcmpl-%08d\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}%s%s",
			i, strings.Repeat("x", 66), eol, eol,
		)
	}
	return b.Bytes()
}

// bigStream returns one event of size bytes.
func bigStream(size int) []byte {
	return []byte("data: " + strings.Repeat("x", size) + "\n\n")
}

// segments reads at most n bytes at a time, like a TLS record or a TCP segment.
type segments struct {
	r io.Reader
	n int
}

func (s segments) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

func drain(b *testing.B, r io.Reader, p []byte) {
	for {
		if _, err := r.Read(p); err == io.EOF {
			return
		} else if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChat compares the filter with a parser above it (go-sse) and a copy below it, on 10,000
// events of 175 bytes.
func BenchmarkChat(b *testing.B) {
	const events = 10_000
	stream := chatStream(events, "\n")
	p := make([]byte, 32<<10)
	run := func(name string, once func(r io.Reader)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				once(bytes.NewReader(stream))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
	frames := 0
	onFrame := func(string, []byte) error { frames++; return nil }
	run("floor/io.Copy", func(r io.Reader) {
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, p); err != nil {
			b.Fatal(err)
		}
	})
	run("filter", func(r io.Reader) {
		drain(b, NewFilter(io.NopCloser(r), 0, onFrame), p)
	})
	run("sse.Read", func(r io.Reader) {
		for _, err := range gosse.Read(r, nil) {
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	run("filter+Events", func(r io.Reader) {
		for _, err := range Events(NewFilter(io.NopCloser(r), 0, onFrame), 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBig filters one event of 4 MB in reads of 1.4 kB.
func BenchmarkBig(b *testing.B) {
	stream := bigStream(4 << 20)
	p := make([]byte, 32<<10)
	run := func(name string, once func(r io.Reader)) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				once(segments{bytes.NewReader(stream), 1400})
			}
		})
	}
	onFrame := func(string, []byte) error { return nil }
	run("floor/io.Copy", func(r io.Reader) {
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, p); err != nil {
			b.Fatal(err)
		}
	})
	run("filter", func(r io.Reader) {
		drain(b, NewFilter(io.NopCloser(r), 0, onFrame), p)
	})
	run("filter-held", func(r io.Reader) {
		drain(b, NewFilter(io.NopCloser(r), 8<<20, onFrame), p)
	})
	run("sse.Read", func(r io.Reader) {
		for _, err := range gosse.Read(r, &gosse.ReadConfig{MaxEventSize: 8 << 20}) {
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	run("filter+Events", func(r io.Reader) {
		for _, err := range Events(NewFilter(io.NopCloser(r), 0, onFrame), 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
