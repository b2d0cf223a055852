package rule

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// jsonHistory is a stored history with a second one. Any other is stored as its marks alone.
type jsonHistory struct {
	Marks []Mark   `json:"marks"`
	After *History `json:"after"`
}

// MarshalJSON writes every mark as [seconds, "amount"].
func (h History) MarshalJSON() ([]byte, error) {
	b := append(make([]byte, 0, 2+32*len(h.marks)), '[')
	for i, m := range h.marks {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, '['), m.At, 10)
		b = m.Authorized.AppendText(append(b, `,"`...))
		b = append(b, `"]`...)
	}
	b = append(b, ']')
	if h.after == nil {
		return b, nil
	}
	after, err := h.after.MarshalJSON()
	return fmt.Appendf(nil, `{"marks":%s,"after":%s}`, b, after), err
}

// UnmarshalJSON reads what MarshalJSON writes. The error is [channel.ErrRecord].
func (h *History) UnmarshalJSON(text []byte) error {
	*h = History{}
	var err error
	if bytes.HasPrefix(text, []byte("{")) {
		var j jsonHistory
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		err = strict.Decode(&j)
		h.marks, h.after = j.Marks, j.After
	} else {
		err = json.Unmarshal(text, &h.marks)
	}
	sorted := slices.IsSortedFunc(h.marks, func(a, b Mark) int { return cmp.Compare(a.At, b.At) })
	switch {
	case err != nil:
		return fmt.Errorf("%w: the history: %w", channel.ErrRecord, err)
	case !sorted:
		return fmt.Errorf("%w: the history goes back in time", channel.ErrRecord)
	case h.after != nil && (h.IsZero() || h.after.IsZero()):
		return fmt.Errorf("%w: the history has no marks", channel.ErrRecord)
	}
	return nil
}

// UnmarshalJSON reads [seconds, "amount"].
func (m *Mark) UnmarshalJSON(text []byte) error {
	at, amount, ok := bytes.Cut(inside(text, '[', ']'), []byte{','})
	if !ok {
		return fmt.Errorf("a mark is a time and an amount, not %s", text)
	}
	var err error
	if m.At, err = strconv.ParseInt(string(bytes.TrimSpace(at)), 10, 64); err != nil {
		return err
	}
	return m.Authorized.UnmarshalText(inside(amount, '"', '"'))
}

// inside returns the text between two characters, or nothing if they are not there.
func inside(text []byte, from, to byte) []byte {
	text = bytes.TrimSpace(text)
	if n := len(text); n >= 2 && text[0] == from && text[n-1] == to {
		return text[1 : n-1]
	}
	return nil
}
