package wire

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

// snapshotFile is the content of snapshot.json.
type snapshotFile struct {
	Cases []struct {
		ID, Name, Header, HeaderBase64url string
		Decode                            mppxResult
	}
}

func TestMppxSnapshots(t *testing.T) {
	cases := vectors.Load[snapshotFile](t, vectors.Snapshot).Cases
	for _, c := range cases {
		t.Run(c.ID+" "+c.Name, func(t *testing.T) {
			got, err := ParseSnapshotHeader(c.Header)
			if !c.Decode.OK {
				require.ErrorIs(t, err, ErrMalformed)
				return
			}
			require.NoError(t, err)
			for _, header := range []string{c.HeaderBase64url, strings.TrimRight(c.Header, "="), padded(c.HeaderBase64url)} {
				again, err := ParseSnapshotHeader(header)
				require.NoError(t, err)
				require.Equal(t, got, again)
			}
			text, err := base64.StdEncoding.DecodeString(got.Header())
			require.NoError(t, err)
			// Addresses are written in lower case, and zero units are not written.
			want := strings.Replace(
				strings.ToLower(canonical(t, c.Decode.Value)), `,"units":0`, "", 1,
			)
			assert.Equal(t, want, strings.ToLower(canonical(t, text)))
			assert.NotRegexp(
				t, "0x[0-9a-f]*[A-F]", string(text), "hexadecimal digits are lower-case",
			)
			again, err := ParseSnapshotHeader(got.Header())
			require.NoError(t, err)
			assert.Equal(t, got, again)
		})
	}
}

func padded(s string) string { return s + strings.Repeat("=", (4-len(s)%4)%4) }

func TestSnapshotIsStrict(t *testing.T) {
	cases := vectors.Load[snapshotFile](t, vectors.Snapshot).Cases
	for _, c := range []struct {
		inside, name, value string
		ok                  bool
	}{
		{"", "chainId", ``, false},
		{"", "chainId", `"42431"`, false},
		{"", "channelId", ``, false},
		{"", "descriptor", ``, false},
		{"", "descriptor", `[]`, false},
		{"", "escrow", `"0x"`, false},
		{"", "acceptedCumulative", `1`, false},
		{"", "requiredCumulative", ``, false},
		{"", "spent", `"x"`, false},
		{"", "deposit", `null`, false},
		{"", "settled", `0`, false},
		{"", "units", ``, true},
		{"", "units", `"3"`, false},
		{"", "units", `3.5`, false},
		{"", "closeRequestedAt", `"1767225600"`, true},
		{"", "closeRequestedAt", `1767225600`, true},
		{"", "closeRequestedAt", `"today"`, false},
		{"", "highestVoucher", ``, true},
		{"", "highestVoucher", `"0x"`, false},
		{"", "more", `{}`, true},
		{"descriptor", "payer", ``, false},
		{"descriptor", "operator", ``, false},
		{"descriptor", "salt", `"0x11"`, false},
		{"descriptor", "expiringNonceHash", `null`, false},
		{"descriptor", "authorizedSigner", `""`, false},
		{"highestVoucher", "signature", `"0x0"`, false},
		{"highestVoucher", "signature", ``, false},
		{"highestVoucher", "cumulativeAmount", `7`, false},
		{"highestVoucher", "channelId", ``, false},
	} {
		var outer, inner map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(cases[0].Decode.Value, &outer))
		at := outer
		if c.inside != "" {
			require.NoError(t, json.Unmarshal(outer[c.inside], &inner))
			at = inner
		}
		if at[c.name] = json.RawMessage(c.value); c.value == "" {
			delete(at, c.name)
		}
		if c.inside != "" {
			text, err := json.Marshal(inner)
			require.NoError(t, err)
			outer[c.inside] = text
		}
		text, err := json.Marshal(outer)
		require.NoError(t, err)
		got, err := ParseSnapshotHeader(base64.StdEncoding.EncodeToString(text))
		if c.ok {
			require.NoError(t, err, "%s = %s", c.name, c.value)
			again, err := ParseSnapshotHeader(got.Header())
			require.NoError(t, err)
			assert.Equal(t, got, again)
			continue
		}
		assert.ErrorIs(t, err, ErrMalformed, "%s = %s", c.name, c.value)
		assert.ErrorContains(t, err, c.name)
	}
	for _, header := range []string{"", "e", encodeText("[]"), encodeText("{}"), encodeText("{"), strings.Repeat("A", MaxDocument+4)} {
		_, err := ParseSnapshotHeader(header)
		assert.ErrorIs(t, err, ErrMalformed)
	}
}

// FuzzParseSnapshotHeader checks that a snapshot survives formatting and parsing.
func FuzzParseSnapshotHeader(f *testing.F) {
	seeds := 0
	for _, c := range vectors.Load[snapshotFile](f, vectors.Snapshot).Cases {
		f.Add(c.Header)
		f.Add(c.HeaderBase64url)
		seeds++
	}
	require.Positive(f, seeds)
	f.Fuzz(func(t *testing.T, header string) {
		s, err := ParseSnapshotHeader(header)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := ParseSnapshotHeader(s.Header())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
