package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// DecodeText decodes UTF-8 text from base64 of at most limit bytes. It accepts both alphabets, with
// or without padding: the drafts require base64url without padding, but implementations write
// snapshots in standard base64 with padding. The error is [ErrMalformed].
func DecodeText(s string, limit int) ([]byte, error) {
	if len(s) > limit {
		return nil, malformed("base64 of %d bytes is longer than %d", len(s), limit)
	}
	// The standard decoder skips line breaks.
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, malformed("line break in base64")
	}
	if len(s)%4 == 0 {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	}
	encoding := base64.RawURLEncoding
	if strings.IndexByte(s, '+') >= 0 || strings.IndexByte(s, '/') >= 0 {
		encoding = base64.RawStdEncoding
	}
	text, err := encoding.Strict().DecodeString(s)
	if err != nil {
		return nil, malformed("not base64url: %w", err)
	}
	if !utf8.Valid(text) {
		return nil, malformed("not UTF-8")
	}
	return text, nil
}
