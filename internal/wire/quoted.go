package wire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func skipBlank(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}

// isTokenByte reports whether c is a tchar of RFC 9110 section 5.6.2.
func isTokenByte(c byte) bool {
	return isLower(c) || 'A' <= c && c <= 'Z' || isDigit(c) ||
		c > ' ' && c < 0x7f && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func tokenEnd(s string, i int) int {
	for i < len(s) && isTokenByte(s[i]) {
		i++
	}
	return i
}

// skipElement returns the index of the next comma outside quoted strings, or the end.
func skipElement(s string, i int) int {
	for quoted := false; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == ',':
			return i
		}
	}
	return len(s)
}

// unquote reads the quoted string at i and returns the index after it. ok is false if the string is
// unterminated. \x stands for x, and \uXXXX for a UTF-16 code unit: servers write characters above
// Latin-1 in this way. Other bytes are those of [text].
func unquote(s string, i int) (value string, end int, ok bool) {
	i++
	start, plain := i, true
	for i < len(s) && s[i] != '"' {
		if s[i] == '\\' {
			i++
			plain = false
		}
		plain = plain && i < len(s) && s[i] < 0x80
		i++
	}
	if i >= len(s) {
		return "", len(s), false
	}
	if plain {
		return s[start:i], i + 1, true
	}
	return unescape(s[start:i]), i + 1, true
}

// unescape decodes the inside of a quoted string that does not end within an escape. An unpaired
// surrogate becomes U+FFFD.
func unescape(s string) string {
	s = text(s)
	var units []uint16 // from \uXXXX, not yet in b
	b := make([]byte, 0, len(s))
	flush := func() {
		for _, r := range utf16.Decode(units) {
			b = utf8.AppendRune(b, r)
		}
		units = units[:0]
	}
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			if s[i] == 'u' && i+4 < len(s) {
				if u, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil {
					units = append(units, uint16(u))
					i += 4
					continue
				}
			}
		}
		flush()
		b = append(b, s[i])
	}
	flush()
	return string(b)
}

// text returns a header value as it is if it is UTF-8, so that what is echoed to the server are
// the bytes that it sent. Otherwise it converts it from Latin-1, which is the older use (RFC 9110,
// 5.5).
func text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s)+8)
	for i := range len(s) {
		b = utf8.AppendRune(b, rune(s[i]))
	}
	return string(b)
}

// appendQuoted appends s as a quoted string that [unquote] can read: in Latin-1, with \uXXXX for
// other characters, and for all that are not ASCII if the Latin-1 would be read as UTF-8.
func appendQuoted(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	start, plain := len(dst), rune(0xff)
	for {
		out := dst
		for _, r := range s {
			switch {
			case r == '"' || r == '\\':
				out = append(out, '\\', byte(r))
			case r < ' ' && r != '\t', r == 0x7f:
				return nil, malformed("control character %#x", r)
			case r <= plain:
				out = append(out, byte(r))
			default:
				for _, u := range utf16.AppendRune(nil, r) {
					out = fmt.Appendf(out, `\u%04x`, u)
				}
			}
		}
		if plain == 0x7f || !utf8.Valid(out[start:]) {
			return append(out, '"'), nil
		}
		plain = 0x7f
	}
}
