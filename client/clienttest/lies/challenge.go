package lies

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about the challenge itself.
const (
	// FreshChallenges rejects every payment as too late and sends a fresh challenge.
	FreshChallenges Lie = "fresh-challenges"
	// SameChallenge answers every payment with the same challenge again.
	SameChallenge Lie = "same-challenge"
	// EqualIDs sends two challenges with one id; the first is forged and costs five times as much.
	EqualIDs Lie = "equal-ids"
	// ManyChallenges sends two thousand challenges at once.
	ManyChallenges Lie = "many-challenges"
	// SplitChallenge splits one challenge over two header lines, between two parameters.
	SplitChallenge Lie = "split-challenge"
	// FoldedHeader folds the challenge over two header lines, inside a quoted string.
	FoldedHeader Lie = "folded-header"
	// BareReturn puts a bare carriage return and a header line into the challenge.
	BareReturn Lie = "bare-return"
	// ParameterTwice writes the request parameter twice with two values.
	ParameterTwice Lie = "parameter-twice"
	// QuoteOpen leaves the last quoted string of the challenge open.
	QuoteOpen Lie = "quote-open"
	// LineBreaks puts escaped line breaks and a header line into the opaque value.
	LineBreaks Lie = "line-breaks"
	// BodyDigest binds the challenge to a body that nobody sent.
	BodyDigest Lie = "body-digest"
	// RequestHuge makes the request object of the challenge 100,000 bytes long.
	RequestHuge Lie = "request-huge"
	// ChallengeHuge adds half a megabyte of description to the challenge.
	ChallengeHuge Lie = "challenge-huge"
	// RequestNoJSON sends a request object that is no JSON.
	RequestNoJSON Lie = "request-no-json"
	// RequestDeep nests the request object two thousand levels deep.
	RequestDeep Lie = "request-deep"
	// RealmOfAnother uses the realm of another service in every challenge.
	RealmOfAnother Lie = "realm-of-another"
	// ChallengeOnAnswer adds another challenge to answers that are paid for.
	ChallengeOnAnswer Lie = "challenge-on-answer"
)

var challengeTable = table{
	FreshChallenges: {
		Challenge: func(r hook.Request, c *message.Challenge) {
			unique := madeUp(r.HTTP().RemoteAddr + fmt.Sprint(time.Now(), r.Count("fresh"))).Hex()
			c.Opaque = base64.RawURLEncoding.EncodeToString([]byte(unique))
		},
		Take: refused(func(*message.Payload) error { return message.PaymentExpired("too late") }),
	},
	SameChallenge: {
		Challenge: func(r hook.Request, c *message.Challenge) { *c = *r.FirstChallenge(c) },
		Take: refused(
			func(*message.Payload) error { return message.PaymentExpired("once more") },
		),
	},
	EqualIDs: {Spell: func(_ hook.Request, c *message.Challenge) []string {
		forged := *c
		forged.Request = recode(c.Request, func(text string) string {
			return strings.Replace(text, `"amount":"100"`, `"amount":"500"`, 1)
		})
		return []string{forged.String(), c.String()}
	}},
	ManyChallenges: {Spell: func(_ hook.Request, c *message.Challenge) []string {
		lines := make([]string, 2000)
		for i := range lines {
			lines[i] = c.String()
		}
		return lines
	}},
	SplitChallenge: {Spell: func(_ hook.Request, c *message.Challenge) []string {
		first, second, _ := strings.Cut(c.String(), ", intent=")
		return []string{first, "intent=" + second}
	}},
	FoldedHeader: rawChallenge(func(text string) string {
		i := strings.Index(text, `request="`) + 20
		return text[:i] + "\r\n " + text[i:]
	}),
	BareReturn: rawChallenge(func(text string) string {
		return strings.Replace(text, "Payment ", "Payment \rPayment-Receipt: x\r", 1)
	}),
	ParameterTwice: spelled(func(text string) string { return text + `, request="e30"` }),
	QuoteOpen:      spelled(func(text string) string { return strings.TrimSuffix(text, `"`) }),
	LineBreaks:     parameters(func(c *message.Challenge) { c.Opaque = "a\r\nX-Owned: 1" }),
	BodyDigest: parameters(func(c *message.Challenge) {
		c.Digest = "sha-256=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":"
	}),
	RequestHuge: asks(func(request, _ message.Document) {
		request["description"] = strings.Repeat("x", 100_000)
	}),
	ChallengeHuge: spelled(func(text string) string {
		return text + `, description="` + strings.Repeat("x", 500_000) + `"`
	}),
	RequestNoJSON: rewritten(func(string) string { return "amount=100" }),
	RequestDeep: rewritten(func(string) string {
		return strings.Repeat(`{"amount":`, 2000) + "1" + strings.Repeat("}", 2000)
	}),
	RealmOfAnother: parameters(func(c *message.Challenge) { c.Realm = "bank.example.com" }),
	ChallengeOnAnswer: paidAnswer(func(r hook.Request, h http.Header) int {
		another := r.NewChallenge("session", message.Document{"amount": "1000000"}, "")
		h.Set("WWW-Authenticate", another.String())
		return http.StatusOK
	}),
}

// parameters changes the parameters of every challenge and keeps its id right.
func parameters(change func(*message.Challenge)) hook.Hooks {
	return hook.Hooks{Challenge: func(_ hook.Request, c *message.Challenge) { change(c) }}
}

// spelled changes the text of every challenge.
func spelled(change func(string) string) hook.Hooks {
	return hook.Hooks{Spell: func(_ hook.Request, c *message.Challenge) []string {
		return []string{change(c.String())}
	}}
}

// rewritten changes the JSON of the request object and keeps the id right.
func rewritten(change func(string) string) hook.Hooks {
	return parameters(func(c *message.Challenge) { c.Request = recode(c.Request, change) })
}

// recode changes text that is encoded as base64url.
func recode(encoded string, change func(string) string) string {
	text, _ := base64.RawURLEncoding.DecodeString(encoded)
	return base64.RawURLEncoding.EncodeToString([]byte(change(string(text))))
}

// rawChallenge answers unpaid requests with a challenge in a header that net/http would not write.
func rawChallenge(change func(string) string) hook.Hooks {
	return hook.Hooks{Spell: func(r hook.Request, c *message.Challenge) []string {
		if !r.Paying() {
			const head = "HTTP/1.1 402 Payment Required\r\n" +
				"Content-Length: 0\r\nConnection: close\r\n"
			r.Raw(head+"WWW-Authenticate: "+change(c.String())+"\r\n\r\n", nil)
			r.Cut()
		}
		return []string{c.String()}
	}}
}
