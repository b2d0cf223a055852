package origin_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// spellings are other spellings of one origin, by its canonical one.
var spellings = map[string][]string{
	"https://pay.example:443": {
		"https://pay.example", "HTTPS://pay.example", "https://PAY.Example:443/",
		"https://pay.example.", "https://PAY.EXAMPLE.:0443/a?b#c",
		"https://pay.example:", "https://pay.example:00000000000000000443",
		"https://pay\u3002example", "https://\uff50ay.example",
		"https://pay\uff0eexample\uff61", "https://pa\u00ady.example",
		"https://pay%E3%80%82example",
	},
	"http://pay.example:80":    {"http://pay.example", "http://pay.example.:080"},
	"http://pay.example:443":   {"http://pay.example:443"},
	"https://pay.example:8443": {"https://pay.example:8443", "https://Pay.example.:08443"},
	"https://xn--bcher-kva.example:443": {
		"https://bücher.example", "https://BÜCHER.example.",
		"https://XN--BCHER-KVA.example", "https://xn--bcher-kva。example",
		"https://b%C3%BCcher.example",
	},
	"https://api.xn--bcher-kva.example:443": {
		"https://API.bücher.example:443", "https://api.Bücher.EXAMPLE",
	},
	"https://127.0.0.1:443": {
		"https://127.0.0.1", "https://127.0.0.1.",
		"https://[::ffff:127.0.0.1]", "https://[::ffff:7f00:1]", "https://１２７.０.０.１",
	},
	"https://[::1]:443": {
		"https://[::1]", "https://[0:0:0:0:0:0:0:1]",
		"https://[0000::0001]:443", "https://[::0.0.0.1]",
	},
	"https://[2001:db8::a]:443": {"https://[2001:DB8:0:0::A]", "https://[2001:db8::000a]:0443"},
	"http://localhost:8080":     {"http://LOCALHOST:8080", "http://localhost.:08080"},
	"https://a_b.example:443":   {"https://a_b.example"},
}

func TestOriginHasOneSpelling(t *testing.T) {
	for want, all := range spellings {
		for _, text := range append(all, want) {
			got, err := origin.Parse(text)
			require.NoError(t, err, text)
			assert.Equal(t, want, got, text)
			u, err := url.Parse(text)
			require.NoError(t, err)
			u.User = url.UserPassword("me", "secret")
			o, err := origin.Of(u)
			require.NoError(t, err, text)
			assert.Equal(t, want, o.Text, "the user name of a request is not part of its origin")
		}
	}
}

var notOrigins = []string{
	"", "pay.example", "//pay.example", "https:pay.example", "https://", "https:///x",
	"ftp://pay.example", "file:///etc",
	"https://:443", "https://.", "https://..", "https://.example", "https://pay..example",
	"https://pay.example..",
	"https://pay.example:0", "https://pay.example:65536",
	"https://pay.example:99999999999999999999", "https://pay.example:+443",
	"https://pay.example:４４３",
	"https://me@pay.example", "https://me:secret@pay.example", "https://bank.example@evil.example",
	"https://[fe80::1%25eth0]", "https://[::1", "https://::1", "https://[127.0.0.1]",
	"https://[pay.example]",
	"https://*.example", "https://pay,example", "https://pay example",
	"https://pay.example\\.evil.example", "https://pay\u2024example",
	"https://pay\uff0fexample",
	"https://127.1", "https://2130706433", "https://0x7f000001", "https://0177.0.0.1",
	"https://127.0.0.01", "https://10.0.0.256", "https://1.2.3.4.5", "https://\u0661.example.1",
	"https://_pay.bücher.example", "https://b\xffcher.example", "https://" + strings.Repeat("a",
		64) + ".example", "https://" + strings.Repeat("a.", 127) + "example",
}

func TestWhatIsNotAnOriginIsAnError(t *testing.T) {
	for _, text := range notOrigins {
		got, err := origin.Parse(text)
		require.Error(t, err, text)
		assert.Empty(t, got)
		assert.ErrorContains(t, err, "is not an origin", text)
		assert.Equal(t, text, origin.Canonical(text))
	}
	_, err := origin.Parse("https://*.example/data?key=secret")
	assert.NotContains(t, err.Error(), "secret")
}

// TestOriginOfURLsMadeByHand: a URL need not come from url.Parse.
func TestOriginOfURLsMadeByHand(t *testing.T) {
	for host, want := range map[string]string{
		"pay.example": "https://pay.example:443", "[::1]:": "https://[::1]:443", "": "", "::1": "",
		"[::1": "", "[[::1]]": "", "[::1]x": "",
		"[pay.example]": "", "[127.0.0.1]": "", "a@b.example": "", "a/b.example": "",
		"pay.example:443:443": "", "[fe80::1%eth0]": "", "pay.example:-1": "",
	} {
		got, err := origin.Of(&url.URL{Scheme: "HTTPS", Host: host})
		assert.Equal(t, want, got.Text, host)
		assert.Equal(t, want == "", err != nil, host)
	}
}

// TestOriginIsWhatIsDialed compares with the address that net/http gives to its dialer.
func TestOriginIsWhatIsDialed(t *testing.T) {
	stop := errors.New("stop")
	var dialed string
	tr := &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		dialed = addr
		return nil, stop
	}}
	for want, all := range spellings {
		for _, text := range append(all, want) {
			req, err := http.NewRequest(http.MethodGet, text, nil)
			if err != nil {
				continue // net/url takes it and net/http does not
			}
			_, err = tr.RoundTrip(req)
			require.ErrorIs(t, err, stop, text)
			host, port, err := net.SplitHostPort(dialed)
			require.NoError(t, err)
			n, err := strconv.Atoi(port)
			require.NoError(t, err)
			// Names are the same in any case and with a root dot; addresses as the dialer parses
			// them.
			host = strings.TrimSuffix(strings.ToLower(host), ".")
			if ip := net.ParseIP(host); ip != nil {
				host = ip.String()
			}
			scheme, _, _ := strings.Cut(want, ":")
			assert.Equal(t, want, scheme+"://"+net.JoinHostPort(host, strconv.Itoa(n)), text)
		}
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST:80": true, "localhost.": true, "127.0.0.1": true,
		"127.8.0.1:80": true, "[::1]": true, "[::ffff:127.0.0.1]": true,
		"127.0.0.1.": false, "localhost.example": false, "pay.example": false, "10.0.0.1": false,
		"0.0.0.0": false, "127.1": false, "[::1%lo]": false, "": false,
	} {
		o, _ := origin.Of(&url.URL{Scheme: "http", Host: host}) // the zero value is no loopback
		assert.Equal(t, want, o.Loopback, host)
	}
}

// FuzzParse: an origin is spelled the same when it is read again, and as net/url and netip would
// have it.
func FuzzParse(f *testing.F) {
	for want, all := range spellings {
		f.Add(want)
		for _, text := range all {
			f.Add(text)
		}
	}
	for _, text := range notOrigins {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once, err := origin.Parse(text)
		if err != nil {
			require.Empty(t, once)
			require.Less(t, len(err.Error()), 1000)
			return
		}
		twice, err := origin.Parse(once)
		require.NoError(t, err, once)
		require.Equal(t, once, twice)
		require.Equal(t, once, origin.Canonical(text))
		u, err := url.Parse(once)
		require.NoError(t, err)
		require.Equal(t, u.Scheme+"://"+u.Host, once)
		require.Equal(t, strings.ToLower(once), once)
		entry, err := origin.ParseEntry(once)
		require.NoError(t, err)
		require.True(t, entry.Covers(once))
		require.Equal(t, once, entry.String())
	})
}
