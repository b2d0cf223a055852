package wire

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/require"
)

// onWire returns a header value of a vector as bytes, one for each code point (Latin-1).
func onWire(t testing.TB, s string) string {
	t.Helper()
	b := make([]byte, 0, len(s))
	for _, r := range s {
		require.LessOrEqual(t, r, rune(0xff), "not a header value")
		b = append(b, byte(r))
	}
	return string(b)
}

// canonical returns a JSON value in the canonical form of RFC 8785.
func canonical(t testing.TB, v []byte) string {
	t.Helper()
	text, err := jcs.Transform(v)
	require.NoError(t, err)
	return string(text)
}

// lines returns a header with the WWW-Authenticate values.
func lines(values ...string) http.Header {
	return http.Header{HeaderWWWAuthenticate: values}
}

// official is the content of a file of the conformance vectors.
type official struct {
	Scenarios []struct {
		Name     string          `json:"name"`
		Adapters []string        `json:"adapters"`
		Object   json.RawMessage `json:"object"`
		Wire     json.RawMessage `json:"wire"`
		Encoded  string          `json:"encoded"`
		Decoded  string          `json:"decoded"`
		Input    json.RawMessage `json:"input"`
		Expected string          `json:"expected"`
		Tests    map[string]json.RawMessage
	} `json:"scenarios"`
}

// wants reports whether a scenario is for the operation, and whether it must succeed.
func wants(
	t testing.TB,
	tests map[string]json.RawMessage,
	operation string,
) (tested, succeed bool) {
	t.Helper()
	raw, ok := tests[operation]
	if !ok {
		return false, false
	}
	if json.Unmarshal(raw, &succeed) == nil {
		return succeed, succeed
	}
	var failure struct{ Success bool }
	require.NoError(t, json.Unmarshal(raw, &failure))
	return true, failure.Success
}

type mppxResult struct {
	OK    bool            `json:"ok"`
	Value json.RawMessage `json:"value"`
}

// jsonChallenge is a challenge of a vector, with its request decoded.
type jsonChallenge struct {
	ID, Realm, Method, Intent                    string
	Request                                      json.RawMessage
	Description, Digest, Expires, Header, Opaque string
}

// challenge returns the vector with its request as canonical base64url.
func (j jsonChallenge) challenge(t testing.TB) Challenge {
	t.Helper()
	return Challenge{
		ID: j.ID, Realm: j.Realm, Method: j.Method, Intent: j.Intent,
		Request:     encodeText(canonical(t, j.Request)),
		Description: j.Description, Digest: j.Digest, Expires: j.Expires, Header: j.Header,
		Opaque: j.Opaque,
	}
}
