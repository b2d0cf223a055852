package wire

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

const (
	one = `Payment id="1", realm="r", method="tempo", intent="session", request="e30"`
	two = `Payment id="2", realm="r", method="tempo", intent="session", request="e30"`
)

// ids returns the IDs of the challenges.
func ids(challenges []Challenge) (s []string) {
	for _, c := range challenges {
		s = append(s, c.ID)
	}
	return s
}

func TestParseChallenges(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string // ids
		bad   int      // number of errors
	}{
		{"none", nil, nil, 0},
		{"blank", []string{" \t, ,"}, nil, 0},
		{"two in a line", []string{one + ", " + two}, []string{"1", "2"}, 0},
		{"two lines", []string{one, two}, []string{"1", "2"}, 0},
		{"both", []string{one + "," + two, strings.Replace(one, "1", "3", 1)}, []string{"1", "2", "3"}, 0},
		{"bearer before", []string{`Bearer realm="x", error="e", ` + one}, []string{"1"}, 0},
		{"bare bearer before", []string{"Bearer, " + one}, []string{"1"}, 0},
		{"basic between", []string{one + `, Basic realm="x", ` + two}, []string{"1", "2"}, 0},
		{"token68 between", []string{one + `, Negotiate dGVzdA==, ` + two}, []string{"1", "2"}, 0},
		{"token68 first", []string{"NTLM dGVz/dA+=, " + two}, []string{"2"}, 0},
		{"digest after", []string{one + `, Digest realm="a, Payment id=\"9\"", qop="auth"`}, []string{"1"}, 0},
		{"scheme in any case", []string{"pAYMENT" + one[7:]}, []string{"1"}, 0},
		{"scheme that begins alike", []string{"Payments" + one[7:], "X-Payment" + one[7:]}, nil, 0},
		{"blanks and tabs", []string{"\t" + strings.NewReplacer("=", "\t = ", ", ", "\t ,,\t", "Payment ", "Payment \t ").Replace(one)}, []string{"1"}, 0},
		{"unquoted", []string{strings.ReplaceAll(one, `"`, "")}, []string{"1"}, 0},
		{"unquoted Latin-1", []string{one + ", description=caf\xe9"}, []string{"1"}, 0},
		{"names in any case", []string{strings.NewReplacer("id", "ID", "request", "Request", "realm", "REALM").Replace(one)}, []string{"1"}, 0},
		{"unknown parameters", []string{one + `, constructor="x", __proto__=y, a-b="1"`}, []string{"1"}, 0},
		{"scheme word quoted", []string{one + `, description="the Payment id=9, Payment x"`}, []string{"1"}, 0},
		{"a challenge quoted", []string{one + `, description="` + strings.ReplaceAll(two, `"`, `\"`) + `"`}, []string{"1"}, 0},
		{"quotes in a description", []string{one + `, description="a "b", c" d", expires="2026-01-01T00:00:00Z"`}, []string{"1"}, 0},
		{"empty description and opaque", []string{one + `, description="", opaque=""`}, []string{"1"}, 0},
		{"expiry that cannot be read", []string{one + `, expires="soon"`}, []string{"1"}, 0},
		{"digest of another kind", []string{one + `, digest="md5=x"`}, nil, 1},
		{"header that frames", []string{one + `, header="Content-Length"`}, nil, 1},
		{"header of its own", []string{one + `, header="payment-authorization"`}, []string{"1"}, 0},
		{"empty expiry", []string{one + `, expires=""`}, nil, 1},
		{"empty header", []string{one + `, header=`}, nil, 1},
		{"empty realm", []string{strings.Replace(one, `"r"`, `""`, 1)}, []string{"1"}, 0},
		{"empty id", []string{strings.Replace(one, "1", "", 1)}, nil, 1},
		{"parameter twice", []string{one + `, Realm="q", ` + two}, []string{"2"}, 1},
		{"unknown parameter twice", []string{one + `, a=1, b=2, A=3`}, nil, 1},
		{"text after a quoted string", []string{one + `, opaque="a" b, ` + two}, []string{"2"}, 1},
		{"quote in a value", []string{one + `, opaque=a"b, c"d, ` + two}, []string{"2"}, 1},
		{"parameter without comma", []string{`Payment id="1" realm="r", method="tempo", intent="session", request="e30"`, two}, []string{"2"}, 1},
		{"junk", []string{one + `, "junk", ` + two}, []string{"2"}, 1},
		{"junk before", []string{`realm="x", "y", ` + two}, []string{"2"}, 0},
		{"token68 for us", []string{"Payment e30, " + two}, []string{"2"}, 1},
		{"scheme only", []string{"Payment"}, nil, 1},
		{"scheme only, then another", []string{"Payment, " + two}, []string{"2"}, 1},
		{"one bad among good", []string{one + `, Payment id="x", ` + two}, []string{"1", "2"}, 1},
		{"string without end", []string{one + `, Payment id="x, ` + two, two}, []string{"1", "2"}, 1},
		{"string without end in another scheme", []string{`Bearer realm="x, ` + one, two}, []string{"2"}, 0},
		{"backslash at the end", []string{one + `, opaque="\`, two}, []string{"2"}, 1},
		{"request too long", []string{strings.Replace(one, "e30", strings.Repeat("a", MaxParam+1), 1), two}, []string{"2"}, 1},
		{"request that is no object", []string{strings.Replace(one, "e30", encodeText("[]"), 1), two}, []string{"2"}, 1},
		{"request with a name twice", []string{strings.Replace(one, "e30", encodeText(`{"a":1,"a":2}`), 1), two}, []string{"2"}, 1},
		{"comma at the ends", []string{"," + one + ","}, []string{"1"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseChallenges(lines(c.lines...))
			assert.Equal(t, c.want, ids(got))
			if c.bad == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrMalformed)
			var joined interface{ Unwrap() []error }
			require.ErrorAs(t, err, &joined)
			assert.Len(t, joined.Unwrap(), c.bad)
		})
	}
}

func TestParseChallengesKeepsParameters(t *testing.T) {
	got, err := ParseChallenges(
		lines(
			one + `, description="a "b" c", expires="2026-01-01T00:00:00Z", opaque=a+/=` + "\xfcx, header=Pay",
		),
	)
	require.NoError(t, err)
	assert.Equal(t, []Challenge{{
		ID: "1", Realm: "r", Method: "tempo", Intent: "session", Request: "e30", Description: "a ",
		Expires: "2026-01-01T00:00:00Z", Opaque: "a+/=üx", Header: "Pay",
	}}, got, "what follows the description is not lost with it")
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		`""`:                          "",
		`"a\"b\\c"`:                   `a"b\c`,
		`"\a\,"`:                      "a,",
		"\"caf\xe9\"":                 "café",
		`"\u20ac5 \u2014 \u201c"`:     "€5 — “",
		`"\ud83d\ude80"`:              "🚀",
		`"\ud83d"`:                    "\uFFFD",
		`"\ude80\ud83d"`:              "\uFFFD\uFFFD",
		`"\ud83dx\ude80"`:             "\uFFFDx\uFFFD",
		`"\u20A"`:                     "u20A",
		`"\u20g0"`:                    "u20g0",
		`"\\u20ac"`:                   `\u20ac`,
		"\"\x93\\\"\xff\"":            "\u0093\"ÿ",
		`"plain" and what comes then`: "plain",
	} {
		got, end, ok := unquote(in, 0)
		assert.True(t, ok, in)
		assert.Equal(t, want, got, in)
		assert.Equal(t, byte('"'), in[end-1], in)
	}
	for _, in := range []string{`"`, `"a`, `"a\"`, `"a\`} {
		_, end, ok := unquote(in, 0)
		assert.False(t, ok, in)
		assert.Equal(t, len(in), end)
	}
}

func TestParseChallengesIsBounded(t *testing.T) {
	var many []string
	for i := range MaxChallenges + 5 {
		many = append(many, strings.Replace(one, "1", fmt.Sprint("n", i), 1))
	}
	got, err := ParseChallenges(lines(many...))
	assert.Len(t, got, MaxChallenges)
	assert.ErrorContains(t, err, "more than 32 challenges")
	got, err = ParseChallenges(lines(many[:MaxChallenges]...))
	assert.Len(t, got, MaxChallenges)
	require.NoError(t, err)

	got, err = ParseChallenges(lines(one, strings.Repeat(" ", MaxChallengeBytes), two))
	assert.Equal(t, []string{"1"}, ids(got))
	assert.ErrorIs(t, err, ErrMalformed)

	var params strings.Builder
	for i := range MaxParams + 1 {
		fmt.Fprintf(&params, ", p%d=1", i)
	}
	got, err = ParseChallenges(lines(one+params.String(), two))
	assert.Equal(t, []string{"2"}, ids(got))
	assert.ErrorContains(t, err, "too many parameters")

	for name, header := range map[string]string{
		"quotes":      strings.Repeat(`"`, MaxChallengeBytes),
		"backslashes": one + `, x="` + strings.Repeat(`\`, MaxChallengeBytes-100),
		"names":       one + strings.Repeat(",a=", MaxChallengeBytes/3-40),
		"schemes":     strings.Repeat("Payment,", MaxChallengeBytes/8),
		"commas":      strings.Repeat(",", MaxChallengeBytes),
		"tokens":      strings.Repeat("a", MaxChallengeBytes),
	} {
		before := allocated()
		_, _ = ParseChallenges(lines(header))
		assert.Less(t, allocated()-before, uint64(8*MaxChallengeBytes), name)
	}
}

// allocated returns the bytes allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// credentialFile is the content of credential.json.
type credentialFile struct {
	Cases []struct {
		ID, Kind, Style  string
		WWWAuthenticate  []string
		Challenges       []jsonChallenge
		Selected         int
		SecretKey        string
		CredentialHeader string
		Authorization    string
		Decoded          struct {
			Challenge json.RawMessage
			Payload   json.RawMessage
			Source    string
		}
	}
	HeaderResults []struct {
		ID, Name, WWWAuthenticate string
		Mppx                      mppxResult
	}
	AuthorizationResults []struct {
		ID, Name, Authorization string
		Mppx                    mppxResult
	}
}

func TestMppxChallenges(t *testing.T) {
	for _, c := range vectors.Load[credentialFile](t, vectors.Credential).Cases {
		t.Run(c.ID+" "+c.Style, func(t *testing.T) {
			var values []string
			for _, line := range c.WWWAuthenticate {
				values = append(values, onWire(t, line))
			}
			got, err := ParseChallenges(lines(values...))
			require.NoError(t, err)
			require.Len(t, got, len(c.Challenges))
			for i, want := range c.Challenges {
				require.Equal(t, want.challenge(t), got[i])
				text, err := got[i].Format()
				require.NoError(t, err)
				again, err := ParseChallenges(lines(text))
				require.NoError(t, err)
				require.Equal(t, got[i:i+1], again)
			}
			selected := got[c.Selected]
			id, err := ChallengeID([]byte(c.SecretKey), selected)
			require.NoError(t, err)
			assert.Equal(t, selected.ID, id)
			assert.Equal(t, c.CredentialHeader, selected.CredentialHeader())
		})
	}
}

// goodOnesStay lists vectors with one malformed challenge, which makes mppx refuse the whole
// response; this package keeps the others.
var goodOnesStay = map[string][]string{"header-001": {"a"}}

func TestMppxHeaderResults(t *testing.T) {
	results := vectors.Load[credentialFile](t, vectors.Credential).HeaderResults
	for _, c := range results {
		got, err := ParseChallenges(lines(onWire(t, c.WWWAuthenticate)))
		require.False(t, c.Mppx.OK, c.ID)
		assert.Equal(t, goodOnesStay[c.ID], ids(got), c.Name)
		if strings.Contains(strings.ToLower(c.WWWAuthenticate), "payment") {
			assert.ErrorIs(t, err, ErrMalformed, c.Name)
		} else {
			assert.NoError(t, err, "no challenge is no error")
		}
	}
}

// headerSeeds returns all header values of the vectors.
func headerSeeds(t testing.TB) (seeds []string) {
	t.Helper()
	f := vectors.Load[credentialFile](t, vectors.Credential)
	for _, c := range f.Cases {
		for _, line := range c.WWWAuthenticate {
			seeds = append(seeds, onWire(t, line))
		}
	}
	for _, c := range f.HeaderResults {
		seeds = append(seeds, onWire(t, c.WWWAuthenticate))
	}
	for _, s := range vectors.Load[official](t, vectors.OfficialWWWAuthenticate).Scenarios {
		var value string
		if json.Unmarshal(s.Wire, &value) == nil {
			seeds = append(seeds, value)
		}
	}
	require.Greater(t, len(seeds), 30)
	return seeds
}

// FuzzParseChallenges checks the bounds, and that a challenge survives formatting and parsing.
func FuzzParseChallenges(f *testing.F) {
	for _, s := range headerSeeds(f) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		challenges, err := ParseChallenges(lines(s))
		require.LessOrEqual(t, len(challenges), MaxChallenges)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
		for _, c := range challenges {
			text, err := c.Format()
			if err != nil {
				require.ErrorContains(t, err, "control character")
				continue
			}
			again, err := ParseChallenges(lines(text))
			require.NoError(t, err)
			require.Equal(t, []Challenge{c}, again)
		}
	})
}

func BenchmarkParseChallenges(b *testing.B) {
	c := vectors.Load[credentialFile](b, vectors.Credential).Cases[0]
	h := lines(onWire(b, c.WWWAuthenticate[0]))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseChallenges(h); err != nil {
			b.Fatal(err)
		}
	}
}
