package policyfile_test

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/policyfile"
)

// FuzzParse: whatever a file has in it, it is refused with places that exist in the file, or read.
// Then it can be printed and is read again as the same policy.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile(example)
	require.NoError(f, err)
	f.Add(text)
	for _, seed := range []string{
		"",
		"mode='read-only'\npin=false\nbootstrap=true\nescrow='0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'",
		"limits = { price = \"0.250\", origin.hour = \"0.1\" }\r\n[[raise]]\n[origin.'http://[::1]:8080']\nday='1u'",
		"[limits]\ndeposit='1'\nday='5'\n[hosts]\nallow=[[{}]]\n", "a.b.c.d.e={f={g={h=1}}}",
		"limits.piece-by-piece=true\n[origin.'http://a.example']\npiece-by-piece=true",
		"[asset.'0x20c0000000000000000000001621e21f71cf12fb']\nchain=1\nsymbol='é\"'\ndecimals=0\nprice='1'",
		"x=\"\"\"\\\n\"\"\"", "\"\\u00e9\"=1979-05-27T07:32:00Z",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := policyfile.Parse("p", text)
		if err != nil {
			all := []error{err}
			if many, ok := err.(interface{ Unwrap() []error }); ok {
				all = many.Unwrap()
			}
			lines := bytes.Split(text, []byte("\n"))
			for _, err := range all {
				var e *policyfile.Error
				require.ErrorAs(t, err, &e)
				require.GreaterOrEqual(t, e.Line, 1)
				require.LessOrEqual(t, e.Line, len(lines))
				require.GreaterOrEqual(t, e.Column, 1)
				require.LessOrEqual(t, e.Column, len(lines[e.Line-1])+1)
				require.NotEmpty(t, e.Problem)
				require.NotEmpty(t, e.Expected)
				require.False(t, strings.ContainsAny(err.Error(), "\n\x00\x1b"),
					"one line, and nothing that moves a cursor: %q", err)
				require.Less(t, len(err.Error()), 2000)
			}
			return
		}
		printed := file.String()
		require.True(t, utf8.ValidString(printed))
		again, err := policyfile.Parse("printed", []byte(printed))
		require.NoError(t, err, printed)
		assert.Equal(t, file, again, printed)
	})
}

// TestLargeFilesTakeLittleMemory, whatever their shape.
func TestLargeFilesTakeLittleMemory(t *testing.T) {
	const n = policyfile.MaxSize
	for _, text := range []string{
		"x=" + strings.Repeat("[", n/2) + strings.Repeat("]", n/2-2),
		strings.Repeat("a.", n/2-2) + "b=1",
		"[" + strings.Repeat("a.", n/4) + "b]\n" + numbered(3000),
		strings.Repeat("a={", n/4-1) + strings.Repeat("}", n/4-1),
		"limits={" + strings.Repeat("a={", n/4-4) + strings.Repeat("}", n/4-4) + "}",
		"[hosts]\nallow=[" + strings.Repeat("'',", n/3-10) + "]",
		numbered(6000),
		strings.Repeat("\n", n-10) + "a=b",
	} {
		text = text[:min(n, len(text))]
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := policyfile.Parse("p", []byte(text))
		runtime.ReadMemStats(&after)
		require.Error(t, err, "%.20s", text)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "%.20s", text)
	}
}
