package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

var u = voucher.Units

var whole = Entry{
	Operation: "0123", Kind: KindStream, Origin: "https://api.example.com:443",
	ChannelID: common.Hash{0xab},
	Price:     u(500), Before: u(100), After: u(700), Raised: u(500), Cumulative: u(700),
	Amount: u(10_000), Transaction: common.Hash{0xcd},
	Outcome: "accepted", Status: 200, Problem: "session/delta-too-small",
	Receipt: "{ \"method\": \"tempo\",\n\"note\":\"{\\\"v\\\":1\" }",
	Start:   time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	End:     time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
}

// TestLineOfVersion1 reads lines that version 1 wrote. They must remain readable.
func TestLineOfVersion1(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "version1.jsonl"))
	require.NoError(t, err)
	text := encode(nil, whole)
	assert.Equal(t, string(golden), string(text), "version 1 is written as it always was")
	got, behind, err := decode(bytes.TrimSuffix(golden, []byte("\n")))
	require.NoError(t, err)
	assert.False(t, behind)
	assert.Equal(t, whole, got, "the receipt is verbatim, spaces and all")
}

// TestLineWithFee checks what a line says of a fee, and that lines without one have not changed.
func TestLineWithFee(t *testing.T) {
	for text, fee := range map[string]Fee{
		"": {},
		`"fee":{"token":"0x0700000000000000000000000000000000000000","max":"9"},`: {Token: common.Address{7}, Max: u(9)},
		`"fee":{"token":"0x0700000000000000000000000000000000000000","max":"9","charged":"5","known":true},`: {
			Token: common.Address{7}, Max: u(9), Charged: u(5), Known: true,
		},
		`"fee":{"sponsored":true},`: {Sponsored: true},
	} {
		e := whole
		e.Fee = fee
		line := string(encode(nil, e))
		assert.Contains(t, line, `00",`+text+`"outcome":`)
		got, _, err := decode([]byte(strings.TrimSuffix(line, "\n")))
		require.NoError(t, err)
		assert.Equal(t, e, got)
	}
}

// TestNewerLines checks that lines of a newer version are reported and do not hide others.
func TestNewerLines(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 0)
	require.NoError(t, f.Append(t.Context(), numbered("a")))
	newer := `{"v":2,"operation":{"what":"another shape"}}` + "\n"
	file, err := os.OpenFile(name(dir, 1), os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(newer)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, f.Append(t.Context(), numbered("b")))
	operations, bad := read(t, dir)
	assert.Equal(t, []string{"a", "b"}, operations)
	require.Len(t, bad, 1)
	require.ErrorIs(t, bad[0], ErrVersion)
	assert.Equal(t, 2, bad[0].Line)
	assert.Contains(t, bad[0].Error(), "000001.jsonl:2: ")
	text, err := os.ReadFile(name(dir, 1))
	require.NoError(t, err)
	assert.Contains(t, string(text), newer)
}

func TestMalformedLines(t *testing.T) {
	for _, text := range []string{
		"", "{", "[]", "null", "{}", `{"v":1}`, `{"v":0,"kind":"pay"}`, `{"v":"1","kind":"pay"}`,
		`{"v":1,"kind":"pay","price":"-1"}`,
		`{"v":1,"kind":"pay","price":1}`, `{"v":1,"kind":"pay"} x`, strings.Repeat("x", maxLine+10),
	} {
		_, _, err := decode([]byte(text))
		require.ErrorIs(t, err, ErrFragment, "%.20q", text)
		assert.Less(t, len(err.Error()), 200)
	}
	dir := t.TempDir()
	require.NoError(
		t, os.WriteFile(name(dir, 1), []byte(strings.Repeat("x", 3*maxLine)+"\n\n"), 0o600),
	)
	require.NoError(t, open(t, dir, 1<<30).Append(t.Context(), numbered("a")))
	operations, bad := read(t, dir)
	assert.Equal(t, []string{"a"}, operations)
	assert.Len(t, bad, 1)
}

// TestReadStops checks that Read ends with the loop of its caller and with the context.
func TestReadStops(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir, 100)
	for range 4 {
		require.NoError(t, f.Append(t.Context(), numbered("a")))
	}
	for range Read(t.Context(), dir) {
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range Read(ctx, dir) {
		if seen++; seen == 1 {
			require.NoError(t, err)
			cancel()
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Equal(t, 2, seen)
}

func FuzzDecode(f *testing.F) {
	text := encode(nil, whole)
	f.Add(bytes.TrimSpace(text))
	f.Add(append(text[:70:70], bytes.TrimSpace(text)...))
	f.Add([]byte(`{"v":2}`))
	labeled := whole
	labeled.Evidence = `{"a":"b"}`
	labeled.Route, labeled.Run = "GET /<a>", "nightly \u2028 \"run\""
	f.Add(bytes.TrimSpace(encode(nil, labeled)))
	labeled.Fee = Fee{Token: common.Address{7}, Max: u(9), Charged: u(5), Known: true, Sponsored: true}
	f.Add(bytes.TrimSpace(encode(nil, labeled)))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, _, err := decode(text)
		if err != nil {
			return
		}
		again := encode(nil, e)
		slow, err := json.Marshal(line{version, e})
		require.NoError(t, err)
		require.Equal(t, string(slow)+"\n", string(again), "the quick way is the same")
		require.True(t, json.Valid(again))
		require.Equal(t, 1, bytes.Count(again, []byte("\n")))
		e2, behind, err := decode(bytes.TrimSuffix(again, []byte("\n")))
		require.NoError(t, err)
		require.False(t, behind)
		require.Equal(t, string(again), string(encode(nil, e2)))
	})
}
