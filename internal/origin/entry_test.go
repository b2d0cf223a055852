package origin_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

func TestEntriesCover(t *testing.T) {
	const plain, secure, other = "http://pay.example:80", "https://pay.example:443",
		"https://pay.example:8443"
	for text, c := range map[string]struct {
		printed  string
		covers   []string
		narrowly string
	}{
		"pay.example":               {"pay.example", []string{plain, secure, other}, secure},
		"PAY.example.":              {"pay.example", []string{plain, secure, other}, secure},
		"pay.example:8443":          {"pay.example:8443", []string{other}, other},
		"pay.example:080":           {"pay.example:80", []string{plain}, "https://pay.example:80"},
		"https://pay.example":       {secure, []string{secure}, secure},
		"http://pay.example/x?y":    {plain, []string{plain}, plain},
		"https://pay.example.:8443": {other, []string{other}, other},
		"bücher.example": {
			"xn--bcher-kva.example", nil,
			"https://xn--bcher-kva.example:443",
		},
		"example":         {"example", nil, "https://example:443"},
		"127.0.0.1.":      {"127.0.0.1", nil, "https://127.0.0.1:443"},
		"::1":             {"[::1]", nil, "https://[::1]:443"},
		"[0:0::1]":        {"[::1]", nil, "https://[::1]:443"},
		"[::1]:8443":      {"[::1]:8443", nil, "https://[::1]:8443"},
		"::ffff:10.0.0.1": {"10.0.0.1", nil, "https://10.0.0.1:443"},
	} {
		e, err := origin.ParseEntry(text)
		require.NoError(t, err, text)
		assert.Equal(t, c.printed, e.String(), text)
		var covers []string
		for _, o := range []string{
			plain, secure, other, "https://api.pay.example:443",
			"https://xpay.example:443", "https://example.pay:443",
		} {
			if e.Covers(o) {
				covers = append(covers, o)
			}
		}
		assert.Equal(t, c.covers, covers, text)
		assert.Equal(t, c.narrowly, e.Narrowest().String(), text)
		assert.True(t, e.Covers(c.narrowly), text)
		again, err := origin.ParseEntry(e.String())
		require.NoError(t, err)
		assert.Equal(t, e, again)
	}
}

func TestWhatIsNoEntryIsAnError(t *testing.T) {
	for _, text := range []string{
		"", " ", "*", "*.example", ".example", "pay..example", "pay.example/", "pay.example/x",
		"10.0.0.0/8", "me@pay.example", "pay.example:", "https:", "pay.example:0",
		"pay.example:x", "pay.example:443:443", " pay.example", "pay.example ",
		"pay.example,other.example", "pay.example?x", "pay.example#x", "//pay.example",
		"https:/pay.example",
		"ftp://pay.example", "https://", "https://*.example", "https://me@pay.example",
		"fe80::1%eth0", "[pay.example]", "127.1", "://pay.example", "%70ay.example",
	} {
		_, err := origin.ParseEntry(text)
		assert.Error(t, err, text)
	}
}

// FuzzEntry: an entry is the same when it is printed and read again, and covers what it is narrowed
// to.
func FuzzEntry(f *testing.F) {
	for _, text := range []string{
		"pay.example", "pay.example:8443", "https://pay.example", "::1",
		"[::1]:1", "bücher.example", "127.0.0.1.",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := origin.ParseEntry(text)
		if err != nil {
			return
		}
		again, err := origin.ParseEntry(e.String())
		require.NoError(t, err, e.String())
		require.Equal(t, e, again)
		o := e.Narrowest().String()
		require.Equal(t, o, origin.Canonical(o))
		require.True(t, e.Covers(o))
	})
}
