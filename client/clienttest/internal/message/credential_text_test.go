package message

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTextIsWhatJSONSays: a string of an object is what encoding/json makes of it, whether or not all of it stands
// for itself, and nothing else is a string.
func TestTextIsWhatJSONSays(t *testing.T) {
	for _, raw := range []string{
		`""`, `"a"`, `"0x12 ~!"`, `"\u0041"`, `"\\"`, `"\""`, `"é"`, `"\ud83d\ude00"`, "\"\x7f\"", "\"\xff\"",
		`null`, `1`, `true`, `{}`, `["a"]`,
	} {
		var o Object
		require.NoError(t, json.Unmarshal([]byte(`{"k":`+raw+`}`), &o), raw)
		got, err := o.Text("k")
		var want *string
		if json.Unmarshal([]byte(raw), &want) != nil || want == nil {
			require.Error(t, err, raw)
			continue
		}
		require.NoError(t, err, raw)
		assert.Equal(t, *want, got, raw)
	}
}
