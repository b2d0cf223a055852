package wire

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

func encodeText(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestOfficialBase64(t *testing.T) {
	n := 0
	for _, s := range vectors.Load[official](t, vectors.OfficialBase64URL).Scenarios {
		t.Run(s.Name, func(t *testing.T) {
			n++
			if tested, ok := wants(t, s.Tests, "parse"); tested {
				got, err := DecodeText(s.Encoded, MaxParam)
				if !ok {
					assert.ErrorIs(t, err, ErrMalformed)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, s.Decoded, string(got))
			}
			if tested, _ := wants(t, s.Tests, "format"); tested {
				assert.Equal(t, s.Encoded, encodeText(s.Decoded))
			}
		})
	}
	require.Positive(t, n)
}

func TestDecodeText(t *testing.T) {
	const text = "??>>~~ é" // has both special digits in both alphabets
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for cut := range len(text) - 2 {
			s := encoding.EncodeToString([]byte(text[:cut]))
			got, err := DecodeText(s, 100)
			require.NoError(t, err, s)
			assert.Equal(t, text[:cut], string(got), s)
		}
	}
	for name, s := range map[string]string{
		"line break":         "YWJj\nYWJj",
		"both alphabets":     "-_+/",
		"padding inside":     "YQ==YQ==",
		"padding too short":  "YQ=",
		"padding too long":   "YQ===",
		"padding alone":      "====",
		"bits left over":     "YR",
		"one digit":          "Y",
		"blank":              "YW Jj",
		"not UTF-8":          "_w",
		"surrogate in UTF-8": "7aCA",
	} {
		_, err := DecodeText(s, 100)
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err := DecodeText("YWJj", 3)
	assert.ErrorIs(t, err, ErrMalformed)
}
