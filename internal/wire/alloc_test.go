package wire

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// taken returns the bytes that do allocates when called again.
func taken(do func()) uint64 {
	do()
	before := allocated()
	do()
	return allocated() - before
}

// TestHostileInputsAllocateLittle gives each parser long inputs of many shapes. A parser allocates
// a few times the longest document that it accepts, independent of the length of the input.
func TestHostileInputsAllocateLittle(t *testing.T) {
	const long = 4 << 20
	shapes := map[string]string{
		"long":             strings.Repeat("x", long),
		"open":             "{",
		"deep":             strings.Repeat(`{"a":`, long/5),
		"lists":            strings.Repeat("[", long),
		"members":          `{` + strings.Repeat(`"a":1,`, long/6),
		"a document":       `{"a":"` + strings.Repeat("x", MaxDocument-10) + `"}`,
		"small values":     `{"a":[` + strings.Repeat("0,", MaxDocument/2-10) + `0]}`,
		"members that fit": `{` + strings.Repeat(`"":0,`, MaxDocument/5-2) + `"":0}`,
		"parameters":       "Payment " + strings.Repeat("a=b, ", long/5),
		"schemes":          strings.Repeat("Payment a=b, ", long/13),
		"quotes":           `Payment a="` + strings.Repeat(`\\"`, long/2),
		"commas":           strings.Repeat(",", long),
		"preferences":      strings.Repeat("a/b;q=0.1,", long/10),
	}
	for name, text := range shapes {
		for parser, parse := range map[string]func(string){
			"challenges":   func(s string) { _, _ = ParseChallenges(http.Header{"Www-Authenticate": {s}}) },
			"credential":   func(s string) { _, _ = ParseCredential("Payment " + s) },
			"object":       func(s string) { _, _ = ParseObject([]byte(s[:min(len(s), MaxDocument)])) },
			"need-voucher": func(s string) { _, _ = ParseNeedVoucher([]byte(s[:min(len(s), 2*MaxDocument)])) },
			"snapshot":     func(s string) { _, _ = ParseSnapshotHeader(s) },
			"problem":      func(s string) { _, _ = ParseProblem(problemType, []byte(s[:min(len(s), MaxDocument)])) },
			"accept":       func(s string) { _, _ = ParseAcceptPayment(s) },
			"source":       func(s string) { _, _, _ = ParseSource(s) },
			"session":      func(s string) { _, _ = request(s[:min(len(s), MaxDocument)]).SessionRequest() },
		} {
			for _, one := range []string{text, base64.RawURLEncoding.EncodeToString([]byte(text[:min(len(text), MaxDocument)]))} {
				assert.LessOrEqual(
					t, taken(func() { parse(one) }), uint64(len(one)+24*MaxDocument), "%s as a %s",
					name, parser,
				)
			}
		}
	}
}
