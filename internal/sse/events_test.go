package sse

import (
	"bufio"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	gosse "github.com/tmaxmax/go-sse"
)

func TestEvents(t *testing.T) {
	message := func(data ...string) (events []Event) {
		for _, d := range data {
			events = append(events, Event{Type: "message", Data: d})
		}
		return events
	}
	for _, c := range []struct {
		name, stream string
		want         []Event
	}{
		{"nothing", "", nil},
		{"plain", "data: a\n\ndata:b\r\rdata\r\n\r\n", message("a", "b", "")},
		{"lines", "data: a\ndata:  b \n: c\ndata\ndata:\n\n", message("a\n b \n\n")},
		{"byte order mark", "\uFEFFdata: a\n\n\uFEFFdata: b\n\n", message("a")},
		{"names", "event: x\ndata: a\n\ndata: b\n\nevent: x\nevent\ndata: c\n\nevent\nevent:y\ndata: d\n\n", []Event{
			{Type: "x", Data: "a"},
			{Type: "message", Data: "b"},
			{Type: "message", Data: "c"},
			{Type: "y", Data: "d"},
		}},
		{"a name without data is not the next event's", "event: x\n\ndata: a\n\n", message("a")},
		{"ids stay", "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\x00\ndata: d\n\n", []Event{
			{"message", "a", "1"},
			{"message", "b", "1"},
			{"message", "c", ""},
			{"message", "d", ""},
		}},
		{"an id without data counts", "id: 1\n\nid: 2\nevent: x\nid: 3\n\n\nid: 4\x00\n\ndata: a\n\ndata: b\nid:5\n\n", []Event{
			{"message", "a", "3"},
			{"message", "b", "5"},
		}},
		{"unknown fields", "x\nretry: 9\ndatas: 1\ndat\nevent: y\nDATA: z\n\ndata: a\n\n", message("a")},
		{"unfinished block", "data: a\n\ndata: b\n", message("a")},
		{"unfinished line", "data: a\n\ndata: b", message("a")},
		{"not UTF-8", "data: \xff\n\n", message("\xff")},
		{"comments in front", strings.Repeat(": ping\n", 10) + "data: a\n\n", message("a")},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, referenceEvents(c.stream))
			for size := 1; size <= len(c.stream)+1; size++ {
				got, err := collect(c.stream, 0, []int{size})
				require.NoError(t, err)
				assert.Equal(t, c.want, got)
			}
		})
	}
}

// TestKeepAlives sends many comments: go-sse alone would buffer them until it fails.
func TestKeepAlives(t *testing.T) {
	for _, ping := range []string{"\n", "\r\n", ": p\n", ":"} {
		stream := strings.Repeat(ping, 70_000) + "\ndata: a\n\n"
		var last error
		for _, err := range gosse.Read(strings.NewReader(stream), nil) {
			last = err
		}
		require.ErrorIs(t, last, bufio.ErrTooLong)
		got, err := collect(stream, 0, []int{1000})
		require.NoError(t, err)
		assert.Equal(t, []Event{{Type: "message", Data: "a"}}, got)
	}
}

func TestEventsPromptly(t *testing.T) {
	body := &script{t, []string{"data: a\n", "\nda"}}
	for e, err := range Events(body, 0) {
		require.NoError(t, err)
		assert.Equal(t, "a", e.Data)
		break
	}
}

func TestEventsMaximum(t *testing.T) {
	line := "data: " + strings.Repeat("x", 93) + "\n" // 100 bytes
	for _, c := range []struct {
		name, stream string
		events       int
		fails        bool
	}{
		{"just as large", line + "\n", 1, false},
		{"one line of one byte more", "data: a\n\ndata:x" + line[5:] + "\n", 1, true},
		{"one byte more in a line", "data: a\n\n" + line + "x", 1, true},
		{"a field of no meaning", "data: a\n\nx" + line, 1, true},
		{"a field of no meaning beside", line[50:] + "data: " + line[:20] + "\n\n", 1, false},
		{"comments do not count", line + ":" + line + "\n", 1, false},
		{"unfinished", "data: a\n\n" + line + line[:20], 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{1, 7, 1000} {
				got, err := collect(c.stream, 100, []int{size})
				assert.Len(t, got, c.events)
				if c.fails {
					assert.ErrorIs(t, err, ErrEventTooLarge)
					assert.ErrorContains(t, err, "more than 100 bytes")
				} else {
					assert.NoError(t, err)
				}
			}
		})
	}
	large := strings.Repeat("x", 4<<20)
	got, err := collect("data: "+large+"\n\n", 0, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.True(t, got[0].Data == large, "4 MB are within the default maximum")
}

func TestEventsError(t *testing.T) {
	broken := errors.New("connection reset")
	for _, last := range []bool{false, true} {
		var data []string
		var failed error
		for e, err := range Events(&pieces{b: []byte("data: a\n\ndata: b\n\ndata: c\n"), err: broken, last: last}, 0) {
			if err != nil {
				assert.Zero(t, e)
				failed = err
				continue
			}
			require.NoError(t, failed)
			data = append(data, e.Data)
		}
		assert.Equal(t, []string{"a", "b"}, data)
		assert.Equal(t, broken, failed)
	}
}
