package rule_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestRecordsOfVersion1: what the first program of version 1 wrote is read unchanged, and
// nothing of it is lost when it is written again. The files are records that it left behind; they
// are never written anew.
func TestRecordsOfVersion1(t *testing.T) {
	files, err := filepath.Glob("testdata/version1/*.json")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			s, err := rule.Decode(golden)
			require.NoError(t, err)
			assert.Equal(
				t,
				map[string]string{
					"open.json": "open", "close-requested.json": "closing", "closed.json": "closed",
				}[filepath.Base(file)],
				s.Phase().String(),
			)
			assert.False(t, s.Authorized().IsZero())
			assert.False(t, s.Authorized().Less(s.Signed))
			assert.Len(t, s.Voucher, 65)

			again, err := s.Encode()
			require.NoError(t, err)
			var was, is map[string]any
			require.NoError(t, json.Unmarshal(golden, &was))
			require.NoError(t, json.Unmarshal(again, &is))
			for field, value := range was {
				assert.Equal(t, value, is[field], field)
			}
			assert.NotContains(t, is, "unequal")
			s.Unequal = 1_700_000_000
			told, err := s.Encode()
			require.NoError(t, err)
			same, err := rule.Decode(told)
			require.NoError(t, err)
			assert.Equal(t, s.Unequal, same.Unequal)
		})
	}
}

// TestRecordsWithOtherSpellingsOfAnOrigin count for the origin as it is spelled now.
func TestRecordsWithOtherSpellingsOfAnOrigin(t *testing.T) {
	golden, err := os.ReadFile("testdata/version1/open.json")
	require.NoError(t, err)
	for spelled, want := range map[string]string{
		"https://pay.example.:443":        "https://pay.example:443",
		"https://pay.example:0443":        "https://pay.example:443",
		"https://b\u00fccher.example:443": "https://xn--bcher-kva.example:443",
		"https://[0:0::1]:443":            "https://[::1]:443",
		// no origin of today: kept as it is
		"https://[fe80::1%eth0]:443": "https://[fe80::1%eth0]:443", "": "",
	} {
		text := replaceOnce(
			string(golden), `"origin":"http://127.0.0.1:33719"`, `"origin":"`+spelled+`"`,
		)
		s, err := rule.Decode(text)
		require.NoError(t, err, spelled)
		assert.Equal(t, want, s.Scope.Origin)
		again, err := s.Encode()
		require.NoError(t, err)
		s, err = rule.Decode(again)
		require.NoError(t, err)
		assert.Equal(t, want, s.Scope.Origin)
	}
}

// TestRecordsOfNewerVersionsAreRefused are refused: by their version, and by a field that this
// version would lose.
func TestRecordsOfNewerVersionsAreRefused(t *testing.T) {
	golden, err := os.ReadFile("testdata/version1/open.json")
	require.NoError(t, err)
	for name, one := range map[string]struct{ old, new, says string }{
		"a version": {
			`"version":1`, `"version":2`,
			"version 2, this program reads version 1: use the program that wrote it",
		},
		"another shape":    {`"version":1,"channelId":"`, `"version":2,"channelId":["`, ""},
		"a field":          {`"version":1`, `"version":1,"refund":"7"`, `unknown field "refund"`},
		"a field inside":   {`"descriptor":{`, `"descriptor":{"bond":"7",`, `unknown field "bond"`},
		"no version":       {`"version":1,`, ``, "version 0"},
		"a scope's record": {`"version":1`, `"version":1,"scopes":[]`, "unknown field"},
	} {
		text := replaceOnce(string(golden), one.old, one.new)
		require.NotEqual(t, golden, text, name)
		_, err := rule.Decode(text)
		require.ErrorIs(t, err, channel.ErrRecord, name)
		assert.ErrorContains(t, err, one.says, name)
	}
}
