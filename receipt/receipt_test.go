package receipt_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func encode(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

const channel = "0xde2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20"

// account is a session receipt, base a receipt without amounts.
const (
	account = `{"method":"tempo","intent":"session","status":"success","timestamp":"2026-01-06T12:08:30.000Z","reference":"` + channel +
		`","challengeId":"c1","channelId":"` + channel + `","acceptedCumulative":"250000","spent":"237500","units":9,` +
		`"txHash":"0x95dc441df59bb0a95ce64250ed7ad8b9640026f82c4182c31c2f1ce319c1cada"}`
	base = `{"method":"tempo","status":"success","timestamp":"2026-01-06T12:08:30Z","reference":"r1","externalId":"order-1"}`
)

func TestParse(t *testing.T) {
	when := time.Date(2026, 1, 6, 12, 8, 30, 0, time.UTC)
	got, err := receipt.Parse(encode(account))
	require.NoError(t, err)
	assert.Equal(t, receipt.Receipt{
		Method: "tempo", Intent: "session", Status: "success", Timestamp: when, Reference: channel,
		Session:     true,
		ChallengeID: "c1", ChannelID: common.HexToHash(channel), Accepted: voucher.Units(250000),
		Spent: voucher.Units(237500), Units: 9,
		TxHash: common.HexToHash(
			"0x95dc441df59bb0a95ce64250ed7ad8b9640026f82c4182c31c2f1ce319c1cada",
		),
		Raw: json.RawMessage(account),
	}, got)
	got, err = receipt.Parse(encode(base))
	require.NoError(t, err)
	assert.Equal(t, receipt.Receipt{
		Method: "tempo", Status: "success", Timestamp: when, Reference: "r1", ExternalID: "order-1",
		Raw: json.RawMessage(base),
	}, got)
}

// stricterThanCore lists receipts that this package refuses. The core parser of mppx checks fewer
// fields and accepts them.
var stricterThanCore = map[string]string{
	"receipt-010": "spent is a JSON number",
}

func TestMppxReceipts(t *testing.T) {
	type result struct {
		OK    bool
		Value json.RawMessage
	}
	cases := vectors.Load[struct {
		Cases []struct {
			ID, Header, DecodedText string
			Receipt, SessionReceipt result
		}
	}](t, vectors.Receipt).Cases
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			got, err := receipt.Parse(c.Header)
			if !c.Receipt.OK || stricterThanCore[c.ID] != "" {
				require.ErrorIs(t, err, receipt.ErrMalformed)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.SessionReceipt.OK, got.Session)
			assert.Equal(t, c.DecodedText, string(got.Raw))
			var want struct {
				Reference, ChallengeID, AcceptedCumulative, Spent string
				ChannelID, TxHash                                 common.Hash
				Units                                             uint64
				Timestamp                                         time.Time
			}
			require.NoError(t, json.Unmarshal(c.Receipt.Value, &want))
			assert.Equal(t, want.Reference, got.Reference)
			assert.Equal(t, want.TxHash, got.TxHash)
			assert.True(t, want.Timestamp.Equal(got.Timestamp))
			if got.Session {
				assert.Equal(t, want.ChallengeID, got.ChallengeID)
				assert.Equal(t, want.ChannelID, got.ChannelID)
				assert.Equal(t, want.AcceptedCumulative, got.Accepted.String())
				assert.Equal(t, want.Spent, got.Spent.String())
				assert.Equal(t, want.Units, got.Units)
			}
			frame, err := receipt.ParseFrame([]byte(c.DecodedText))
			require.NoError(t, err)
			assert.Equal(t, got, frame, "a frame has the same object")
		})
	}
}

// frames returns the receipts in sse.json and traces.json.
func frames(t testing.TB) (text []string) {
	t.Helper()
	for _, c := range vectors.Load[struct {
		Cases []struct {
			Whatwg []struct {
				Type string
				Data json.RawMessage
			}
		}
	}](t, vectors.SSE).Cases {
		for _, e := range c.Whatwg {
			if e.Type == "payment-receipt" {
				text = append(text, string(e.Data))
			}
		}
	}
	require.NotEmpty(t, text)
	for _, r := range vectors.Load[struct{ Receipts []struct{ Text string } }](t, vectors.Traces).Receipts {
		if !strings.HasPrefix(r.Text, "{") {
			b, err := base64.RawURLEncoding.DecodeString(r.Text)
			require.NoError(t, err)
			r.Text = string(b)
		}
		text = append(text, r.Text)
	}
	return text
}

func TestParseFrame(t *testing.T) {
	for _, text := range frames(t) {
		got, err := receipt.ParseFrame([]byte(text))
		require.NoError(t, err)
		assert.True(t, got.Session)
		assert.False(t, got.Accepted.Less(got.Spent))
		data := []byte(text)
		kept, err := receipt.ParseFrame(data)
		require.NoError(t, err)
		clear(data)
		assert.Equal(t, text, string(kept.Raw), "the caller may use its buffer again")
	}
}

// change returns the text of a receipt with one field set to other JSON, or removed if that is
// empty.
func change(t testing.TB, text, name, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	if m[name] = json.RawMessage(value); value == "" {
		delete(m, name)
	}
	out, err := json.Marshal(m)
	require.NoError(t, err)
	return string(out)
}

func TestParseIsStrict(t *testing.T) {
	for _, c := range []struct {
		text, name, value string
		ok, session       bool
	}{
		{account, "method", `"stripe"`, false, false},
		{account, "method", ``, false, false},
		{account, "intent", `"charge"`, false, false},
		{account, "intent", ``, false, false}, // only some of the session fields
		{account, "status", `"failed"`, false, false},
		{account, "status", `true`, false, false},
		{account, "timestamp", ``, false, false},
		{account, "timestamp", `"yesterday"`, false, false},
		{account, "timestamp", `1767225600`, false, false},
		{account, "timestamp", `"0000-01-01T00:00:00Z"`, false, false},
		{account, "timestamp", `"9999-12-31T23:59:59-01:00"`, false, false},
		{account, "timestamp", `"2026-01-06T12:08:30.123456789+02:00"`, true, true},
		{account, "reference", ``, false, false},
		{account, "reference", `""`, false, false},
		{account, "reference", `{}`, false, false},
		{account, "challengeId", ``, false, false},
		{account, "challengeId", `""`, false, false},
		{account, "channelId", ``, false, false},
		{account, "channelId", `"0x12"`, false, false},
		{account, "acceptedCumulative", ``, false, false},
		{account, "acceptedCumulative", `null`, false, false},
		{account, "acceptedCumulative", `250000`, false, false},
		{account, "acceptedCumulative", `"-1"`, false, false},
		{account, "spent", ``, false, false},
		{account, "spent", `"0x1"`, false, false},
		{account, "units", ``, true, true},
		{account, "units", `null`, true, true},
		{account, "units", `"9"`, false, false},
		{account, "units", `1.5`, false, false},
		{account, "txHash", ``, true, true},
		{account, "txHash", `"0x1234"`, false, false},
		{account, "more", `{"a":[{}]}`, true, true},
		{account, "Spent", `"999999"`, true, true}, // another name: ignored
		{base, "intent", `"session"`, true, false},
		{base, "intent", `"charge"`, false, false},
		{base, "externalId", `7`, false, false},
		{base, "txHash", `"` + channel + `"`, true, false},
		{base, "units", `1`, false, false},
		{base, "spent", `"1"`, false, false},
		{base, "channelId", `"` + channel + `"`, false, false},
		{base, "challengeId", `"c"`, false, false},
	} {
		got, err := receipt.ParseFrame([]byte(change(t, c.text, c.name, c.value)))
		if c.ok {
			require.NoError(t, err, "%s = %s", c.name, c.value)
			assert.Equal(t, c.session, got.Session)
			continue
		}
		assert.ErrorIs(t, err, receipt.ErrMalformed, "%s = %s", c.name, c.value)
		assert.Zero(t, got)
	}
	for name, text := range map[string]string{
		"empty": "", "array": "[]", "cut off": account[:50],
		"spent twice": strings.Replace(account, `"units"`, `"spent":"1","units"`, 1),
		"long":        account + strings.Repeat(" ", 64<<10),
	} {
		_, err := receipt.ParseFrame([]byte(text))
		assert.ErrorIs(t, err, receipt.ErrMalformed, name)
		_, err = receipt.Parse(encode(text))
		assert.ErrorIs(t, err, receipt.ErrMalformed, name)
	}
	_, err := receipt.Parse("not base64!")
	assert.ErrorIs(t, err, receipt.ErrMalformed)
	assert.NotContains(t, err.Error(), "not base64!")
}

func TestHeader(t *testing.T) {
	for _, text := range []string{account, base} {
		want, err := receipt.ParseFrame([]byte(text))
		require.NoError(t, err)
		header, err := want.Header()
		require.NoError(t, err)
		got, err := receipt.Parse(header)
		require.NoError(t, err)
		want.Raw, got.Raw = nil, nil
		assert.Equal(t, want, got)

		for name, spoil := range map[string]func(*receipt.Receipt){
			"method":    func(r *receipt.Receipt) { r.Method = "cash" },
			"status":    func(r *receipt.Receipt) { r.Status = "" },
			"reference": func(r *receipt.Receipt) { r.Reference = "" },
			"year":      func(r *receipt.Receipt) { r.Timestamp = time.Time{}.AddDate(-5, 0, 0) },
			"half":      func(r *receipt.Receipt) { r.Session, r.ChallengeID = true, "" },
		} {
			bad := want
			spoil(&bad)
			_, err := bad.Header()
			assert.ErrorIs(t, err, receipt.ErrMalformed, name)
		}
	}
}

func TestRawStaysOutOfLogs(t *testing.T) {
	got, err := receipt.ParseFrame([]byte(change(t, account, "secret", `"s3cret"`)))
	require.NoError(t, err)
	text, err := json.Marshal(got)
	require.NoError(t, err)
	for _, s := range []string{string(text), fmt.Sprint(got), fmt.Sprintf("%v %s", &got, got)} {
		assert.NotContains(t, s, "s3cret")
		assert.NotContains(t, s, encode("s3cret"))
	}
	assert.Equal(
		t,
		"receipt for channel "+channel+": accepted 250000, spent 237500, transaction 0x95dc441df59bb0a95ce64250ed7ad8b9640026f82c4182c31c2f1ce319c1cada",
		got.String(),
	)
	assert.Equal(
		t, `receipt without amounts, reference "r1"`, receipt.Receipt{Reference: "r1"}.String(),
	)
	assert.Equal(
		t,
		"receipt for channel 0x0000000000000000000000000000000000000000000000000000000000000000: accepted 0, spent 0",
		receipt.Receipt{Session: true}.String(),
	)
}

// FuzzParseFrame checks that a frame has all session fields, and survives formatting and parsing.
func FuzzParseFrame(f *testing.F) {
	for _, text := range append(frames(f), account, base) {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := receipt.ParseFrame(data)
		if err != nil {
			require.ErrorIs(t, err, receipt.ErrMalformed)
			require.Zero(t, r)
			return
		}
		require.True(
			t,
			r.Session ||
				r.ChannelID == common.Hash{} && r.Accepted.IsZero() && r.Spent.IsZero() &&
					r.Units == 0,
		)
		header, err := r.Header()
		require.NoError(t, err)
		again, err := receipt.Parse(header)
		require.NoError(t, err)
		r.Raw, again.Raw = nil, nil
		require.Equal(t, r, again)
	})
}

func BenchmarkParse(b *testing.B) {
	header := encode(account)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := receipt.Parse(header); err != nil {
			b.Fatal(err)
		}
	}
}
