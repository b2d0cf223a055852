package wire

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBytesOfAParameter: what is UTF-8 is echoed as it came, other bytes are Latin-1, and what we
// write is what we read.
func TestBytesOfAParameter(t *testing.T) {
	for inside, want := range map[string]string{
		"caf\xc3\xa9":              "café", // UTF-8
		"caf\xe9":                  "café", // Latin-1
		"\xe6\x94\xaf\xe4\xbb\x98": "支付",
		"\xe6\x94\xaf \\u4ed8":     "支 付",
		"caf\xc3\xa9 \xe9":         "cafÃ© é", // not UTF-8 as a whole
		"\xf0\x9f\x92\xb8":         "💸",
		"a\\\xc3\xa9b":             "aéb",
		"caf\\u00e9":               "café",
	} {
		line := `Payment id="1", realm="` + inside + `", method="tempo", intent="session", request="e30"`
		got, err := ParseChallenges(http.Header{"Www-Authenticate": {line}})
		require.NoError(t, err, "%q", inside)
		require.Len(t, got, 1)
		assert.Equal(t, want, got[0].Realm, "%q", inside)
	}
	for _, realm := range []string{"café", "cafÃ©", "Ã©", "支付", "é支", "Ã©支", "é\"\\", "\u0080", "💸é"} {
		line, err := Challenge{ID: "1", Realm: realm, Method: "tempo", Intent: "session", Request: "e30"}.Format()
		require.NoError(t, err)
		got, err := ParseChallenges(http.Header{"Www-Authenticate": {line}})
		require.NoError(t, err)
		assert.Equal(t, realm, got[0].Realm, "%q", line)
	}
}

// TestProblemAsPlainJSON: servers that know no problem+json send application/json. Only a type of
// this protocol makes that a problem.
func TestProblemAsPlainJSON(t *testing.T) {
	for body, want := range map[string]ProblemCode{
		`{"type":"https://paymentauth.org/problems/session/delta-too-small"}`: ProblemDeltaTooSmall,
		`{"type":"https://paymentauth.org/problems/stream/delta-too-small"}`:  ProblemDeltaTooSmall,
		`{"type":"https://paymentauth.org/problems/of-tomorrow"}`:             ProblemOther,
	} {
		for _, media := range []string{"application/json", "Application/JSON; charset=utf-8"} {
			got, ok := ParseProblem(media, []byte(body))
			assert.True(t, ok, body)
			assert.Equal(t, want, got.Code, body)
		}
	}
	for _, body := range []string{
		`{}`, `[]`, `{"type":"about:blank"}`, `{"type":"session/delta-too-small"}`, `{"type":1}`,
		`{"type":"https://example.com/problems/session/delta-too-small"}`, `{"error":"no"}`,
		`{"type":"https://paymentauth.org/problems/x","pad":"` + strings.Repeat("x", MaxDocument) + `"}`,
	} {
		got, ok := ParseProblem("application/json", []byte(body))
		assert.False(t, ok, "%.80s", body)
		assert.Equal(t, Problem{}, got)
	}
}
