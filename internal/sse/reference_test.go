package sse

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame holds the arguments of a call of onFrame.
type frame struct{ name, data string }

// result is the result of filtering a stream.
type result struct {
	out      string
	frames   []frame
	events   uint64
	contents uint64
	tooLarge bool
}

// textLine is a line of a stream without and with its line ending.
type textLine struct{ text, raw string }

func (l textLine) ended() bool { return len(l.raw) > len(l.text) }

func textLines(s string) (lines []textLine) {
	for s != "" {
		n := strings.IndexAny(s, "\r\n")
		if n < 0 {
			return append(lines, textLine{s, s})
		}
		end := n + 1
		if strings.HasPrefix(s[n:], "\r\n") {
			end++
		}
		lines = append(lines, textLine{s[:n], s[:end]})
		s = s[end:]
	}
	return append(lines, textLine{}) // An unfinished, empty line.
}

// textField splits a line into its field name and value.
func textField(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	return name, strings.TrimPrefix(value, " ")
}

// reference filters a whole stream at once, slowly.
func reference(stream string, maximum int) (r result) {
	var out strings.Builder
	defer func() { r.out = out.String() }()
	if rest, ok := strings.CutPrefix(stream, "\uFEFF"); ok {
		out.WriteString("\uFEFF")
		stream = rest
	}
	var held, name string
	var data []string
	over := false
	for _, l := range textLines(stream) {
		comment := strings.HasPrefix(l.text, ":")
		if held == "" && !over && comment {
			out.WriteString(l.raw)
			continue
		}
		if !over && len(held)+len(l.text) > maximum {
			if name != "" {
				r.tooLarge = true
				return r
			}
			out.WriteString(held)
			held, over = "", true
		}
		lineName := ""
		switch field, value := textField(l.text); {
		case comment:
		case field == "data":
			data = append(data, value)
		case field == "event":
			if value == NeedVoucher || value == Receipt {
				lineName = value
			}
			if l.ended() || lineName != "" {
				name = lineName
			}
		}
		if over && name != "" {
			r.tooLarge = l.ended()
			return r
		}
		held += l.raw
		if over || l.ended() && l.text == "" {
			if name == "" {
				out.WriteString(held)
			}
			held = ""
		}
		if l.ended() && l.text == "" {
			switch {
			case data == nil:
			case name == "":
				r.events++
				if strings.Join(data, "") != "" {
					r.contents++
				}
			default:
				r.frames = append(r.frames, frame{name, strings.Join(data, "\n")})
			}
			name, data, over = "", nil, false
		}
	}
	if name == "" {
		out.WriteString(held)
	}
	return r
}

// referenceEvents returns the events of a stream by the algorithm of the HTML standard.
func referenceEvents(stream string) (events []Event) {
	var id, name string
	var data []string
	for _, l := range textLines(strings.TrimPrefix(stream, "\uFEFF")) {
		if !l.ended() {
			break
		}
		if l.text == "" {
			if data != nil {
				if name == "" {
					name = "message"
				}
				events = append(events, Event{name, strings.Join(data, "\n"), id})
			}
			name, data = "", nil
			continue
		}
		switch field, value := textField(l.text); field {
		case "data":
			data = append(data, value)
		case "event":
			name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				id = value
			}
		}
	}
	return events
}

// pieces is a body that returns its bytes in reads of the given sizes, repeatedly, and then err. If
// last is set, it returns err with the last bytes.
type pieces struct {
	b      []byte
	sizes  []int
	err    error
	last   bool
	closed int
	n      int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, p.end()
	}
	size := len(b)
	if len(p.sizes) > 0 {
		size = p.sizes[p.n%len(p.sizes)]
		p.n++
	}
	n := copy(b, p.b[:min(size, len(p.b))])
	p.b = p.b[n:]
	if p.last && len(p.b) == 0 {
		return n, p.end()
	}
	return n, nil
}

func (p *pieces) end() error {
	if p.err == nil {
		return io.EOF
	}
	return p.err
}

func (p *pieces) Close() error { p.closed++; return nil }

// filtered filters a stream whose body returns reads of the sizes in, with reads of out bytes.
func filtered(t require.TestingT, stream string, maximum int, in []int, out int) result {
	var r result
	f := NewFilter(
		&pieces{b: []byte(stream), sizes: in},
		maximum,
		func(name string, data []byte) error {
			r.frames = append(r.frames, frame{name, string(data)})
			return nil
		},
	)
	var b bytes.Buffer
	p := make([]byte, out)
	for {
		n, err := f.Read(p)
		b.Write(p[:n])
		if err == nil {
			require.NotZero(t, n)
			continue
		}
		if !errors.Is(err, io.EOF) {
			require.ErrorIs(t, err, ErrFrameTooLarge)
			r.tooLarge = true
		}
		_, again := f.Read(p)
		require.Equal(t, err, again, "an error is final")
		break
	}
	r.out, r.events, r.contents = b.String(), f.Events(), f.Contents()
	return r
}

// collect returns all events of a stream whose body returns reads of the given sizes.
func collect(stream string, maximum int, in []int) (events []Event, err error) {
	for e, err := range Events(&pieces{b: []byte(stream), sizes: in}, maximum) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func TestReference(t *testing.T) {
	got := reference(
		"\uFEFF: a\n\nevent: payment-receipt\rdata: {\rdata:}\r\r\ndata: x\r\n\r\nevent: payment-receipt\ndata: {",
		100,
	)
	require.Equal(t, result{
		out: "\uFEFF: a\n\ndata: x\r\n\r\n", frames: []frame{{Receipt, "{\n}"}}, events: 1,
		contents: 1,
	}, got)
}
