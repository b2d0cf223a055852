package wire

import (
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"
)

// DecodeText decodes base64 of UTF-8 text that is at most limit bytes long when encoded. Both
// alphabets are read, with or without padding: the drafts say base64url without, implementations write
// snapshots in standard base64 with. Anything else is [ErrMalformed].
func DecodeText(s string, limit int) ([]byte, error) {
	if len(s) > limit {
		return nil, fmt.Errorf("%w: %d bytes of base64, at most %d are read", ErrMalformed, len(s), limit)
	}
	// The standard decoder skips line breaks.
	if strings.IndexByte(s, '\n') >= 0 || strings.IndexByte(s, '\r') >= 0 {
		return nil, fmt.Errorf("%w: a line break in base64", ErrMalformed)
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
		return nil, fmt.Errorf("%w: not base64url: %w", ErrMalformed, err)
	}
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	return text, nil
}
