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
// Latin-1 in this way.
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
		b = utf8.AppendRune(b, rune(s[i]))
	}
	flush()
	return string(b)
}

// latin1 converts s from Latin-1 to UTF-8.
func latin1(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			b := make([]byte, 0, len(s)+8)
			for j := range len(s) {
				b = utf8.AppendRune(b, rune(s[j]))
			}
			return string(b)
		}
	}
	return s
}

// appendQuoted appends s as a quoted string that [unquote] can read.
func appendQuoted(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' && r != '\t', r == 0x7f:
			return nil, malformed("control character %#x", r)
		case r <= 0xff:
			dst = append(dst, byte(r))
		default:
			for _, u := range utf16.AppendRune(nil, r) {
				dst = fmt.Appendf(dst, `\u%04x`, u)
			}
		}
	}
	return append(dst, '"'), nil
}
