package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visible is where everything but a body is written: text of servers, nodes, certificates and files is
// in it. Whatever is no letter, digit, mark, punctuation, symbol, space or line feed is written as an
// escape: control characters (ESC, C0, C1), characters that turn the writing direction or cannot be
// seen (Cf), other line separators, and bytes that are no UTF-8. So no text moves the cursor, changes
// a line that was written before, or looks like other text. JSON means the same afterwards.
type visible struct {
	w io.Writer
	// messages makes each Write one message: its further lines are indented, so that none looks like
	// a message of its own.
	messages bool

	mu   sync.Mutex // guards w and rest
	rest []byte     // the beginning of a character that the next Write ends
}

// Write implements io.Writer.
func (v *visible) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	text := slices.Concat(v.rest, b)
	v.rest = nil
	if v.messages {
		return len(b), v.put(indented(escaped(string(text))))
	}
	whole := len(text) - partial(text)
	v.rest = text[whole:]
	return len(b), v.put(escaped(string(text[:whole])))
}

// end writes what is left of a character that nothing ended.
func (v *visible) end() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	rest := v.rest
	v.rest = nil
	return v.put(escaped(string(rest)))
}

// put writes text. The caller holds mu.
func (v *visible) put(text string) error {
	if text == "" {
		return nil
	}
	_, err := v.w.Write([]byte(text))
	return err
}

// partial returns how many bytes at the end of the text need more: of a character, or of a line end.
func partial(text []byte) int {
	if len(text) > 0 && text[len(text)-1] == '\r' {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

// escaped returns text with escapes. Line feeds, also after a carriage return, and tabs stay.
func escaped(text string) string {
	return escape(text, func(r rune, next string) bool {
		return r == '\n' || r == '\t' || (r == '\r' && strings.HasPrefix(next, "\n"))
	})
}

// inline returns text in which a line feed and a tab are escaped, too: for one line, a cell of a table,
// or a question.
func inline(text string) string {
	return escape(text, func(rune, string) bool { return false })
}

// escape writes what is not printable as an escape, unless it stays.
func escape(text string, stays func(r rune, next string) bool) string {
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		char, next := text[:n], text[n:]
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, char[0])
		case unicode.IsPrint(r), stays(r, next):
			b.WriteString(char)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low) // as in JSON
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = next
	}
	return b.String()
}

// indented indents the lines of a message after its first.
func indented(message string) string {
	lines := strings.SplitAfter(message, "\n")
	for i, line := range lines {
		if i > 0 && line != "" && line[0] != ' ' {
			lines[i] = "  " + line
		}
	}
	return strings.Join(lines, "")
}

// table writes rows of cells. Close it with end. A long one is aligned in pieces, so that it need not
// be held as a whole.
type table struct {
	w    *tabwriter.Writer
	rows int
	err  error
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// piece is how many rows are aligned together.
const piece = 1000

// row writes one row. No cell gets out of its place. end returns the error of the writer.
func (t *table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = inline(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.w, strings.Join(text, "\t"))
	if t.rows++; t.rows%piece == 0 {
		_ = t.end()
	}
}

// end writes what is left, and returns the first error of the writer.
func (t *table) end() error {
	if err := t.w.Flush(); t.err == nil {
		t.err = err
	}
	return t.err
}
