package wire

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

const problemType = "application/problem+json"

func TestParseProblem(t *testing.T) {
	got, ok := ParseProblem(
		"Application/Problem+JSON; charset=utf-8",
		[]byte(`{"type":"https://paymentauth.org/problems/session/amount-exceeds-deposit",
"title":"Amount Exceeds Deposit", "status":402,
"detail":"Amount exceeds deposit: voucher amount exceeds on-chain deposit.",
 "channelId":"0xde2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20","requiredTopUp":"5000","challengeId":"x","details":{}}`),
	)
	require.True(t, ok)
	assert.Equal(t, Problem{
		Code:   ProblemAmountExceedsDeposit,
		Type:   "https://paymentauth.org/problems/session/amount-exceeds-deposit",
		Title:  "Amount Exceeds Deposit",
		Status: 402, Detail: "Amount exceeds deposit: voucher amount exceeds on-chain deposit.",
		ChannelID: ptr(
			common.HexToHash("0xde2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20"),
		),
		RequiredTopUp: ptr(voucher.Units(5000)),
	}, got)
	assert.Equal(t, "session/amount-exceeds-deposit", got.Name())

	for name, c := range map[string][2]string{
		"JSON": {"application/json", `{"type":"x"}`}, "text": {"", `{"type":"x"}`},
		"longer":   {problemType + "s", `{}`},
		"not JSON": {problemType, `{`}, "no object": {problemType, `[]`},
		"too long": {problemType, `{}` + strings.Repeat(" ", MaxDocument)},
	} {
		got, ok := ParseProblem(c[0], []byte(c[1]))
		assert.False(t, ok, name)
		assert.Zero(t, got)
		assert.Empty(t, got.Name())
	}
}

func TestParseProblemPassesOverWrongTypes(t *testing.T) {
	got, ok := ParseProblem(
		problemType,
		[]byte(
			`{"type":7,"title":[],"status":"402","detail":null,"channelId":"0x12","requiredTopUp":5000}`,
		),
	)
	require.True(t, ok)
	assert.Zero(t, got)
	for _, status := range []string{"0", "99", "600", "402.5", "99999999999999999999"} {
		got, ok := ParseProblem(problemType, []byte(`{"status":`+status+`}`))
		require.True(t, ok)
		assert.Zero(t, got.Status, status)
	}
}

func TestParseProblemCleansTexts(t *testing.T) {
	got, ok := ParseProblem(
		problemType,
		[]byte(`{"type":"a\u001b[31mb\n","detail":"`+strings.Repeat("é", maxDetail)+`"}`),
	)
	require.True(t, ok)
	assert.Equal(t, "a [31mb ", got.Type)
	assert.LessOrEqual(t, len(got.Detail), maxDetail+len("…"))
	assert.True(t, utf8.ValidString(got.Detail))
	odd, _ := ParseProblem(problemType, []byte(`{"detail":"x`+strings.Repeat("é", maxDetail)+`"}`))
	assert.True(t, utf8.ValidString(odd.Detail))
}

func TestProblemCodes(t *testing.T) {
	for name, code := range problemNames {
		got, ok := ParseProblem(problemType, []byte(`{"type":"`+ProblemBase+name+`"}`))
		require.True(t, ok)
		assert.Equal(t, code, got.Code, name)
		assert.Equal(t, name, got.Name())
		if old, is := strings.CutPrefix(name, "session/"); is {
			got, _ := ParseProblem(problemType, []byte(`{"type":"`+ProblemBase+"stream/"+old+`"}`))
			assert.Equal(t, code, got.Code, "the older name of %s", name)
		}
	}
	assert.Len(
		t, problemNames, int(ProblemTransactionReverted-ProblemOther), "every code has a name",
	)
	for kind, want := range map[string]ProblemCode{
		"": ProblemNone, "about:blank": ProblemNone, "session/insufficient-balance": ProblemOther,
		"https://example.com/problems/payment-required": ProblemOther,
		ProblemBase: ProblemOther, ProblemBase + "session/": ProblemOther,
		ProblemBase + "new": ProblemOther,
	} {
		got, ok := ParseProblem(problemType, []byte(`{"type":"`+kind+`"}`))
		require.True(t, ok)
		assert.Equal(t, want, got.Code, kind)
	}
	for code := range ProblemTransactionReverted + 1 {
		n := 0
		for _, is := range []bool{code.TooLow(), code.Stale(), code.Gone()} {
			if is {
				n++
			}
		}
		assert.LessOrEqual(t, n, 1, "a problem asks for one thing")
	}
	assert.True(
		t,
		ProblemDeltaTooSmall.TooLow() && ProblemPaymentExpired.Stale() &&
			ProblemChannelFinalized.Gone(),
	)
	assert.False(
		t, ProblemVerificationFailed.TooLow() || ProblemOther.Stale() || ProblemNone.Gone(),
	)
}

func FuzzParseProblem(f *testing.F) {
	f.Add(
		[]byte(
			`{"type":"https://paymentauth.org/problems/payment-expired","title":"Payment Expired","status":402,"detail":"Payment expired.","challengeId":"a"}`,
		),
	)
	f.Add(
		[]byte(
			`{"type":"https://paymentauth.org/problems/session/insufficient-balance","requiredTopUp":"1","channelId":"0xde2945156ec26c71b60b3510701259cf44bc39446cd2d437a97015b1d3fb2b20"}`,
		),
	)
	f.Fuzz(func(t *testing.T, body []byte) {
		p, _ := ParseProblem(problemType, body)
		for _, s := range []string{p.Type, p.Title, p.Detail} {
			require.LessOrEqual(t, len(s), maxDetail+len("…"))
			require.True(t, utf8.ValidString(s))
			require.Equal(t, -1, strings.IndexFunc(s, unicode.IsControl))
		}
	})
}
