package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// ProblemBase is the prefix of the problem types of this protocol.
const ProblemBase = "https://paymentauth.org/problems/"

// ProblemCode is a problem type of the protocol.
type ProblemCode uint8

// The problem types. ProblemNone stands for a missing problem document or type, ProblemOther for a
// type that is not listed.
const (
	ProblemNone ProblemCode = iota
	ProblemOther
	ProblemPaymentRequired
	ProblemMalformedCredential
	ProblemInvalidPayload
	ProblemVerificationFailed
	ProblemInvalidChallenge
	ProblemPaymentExpired
	ProblemPaymentInsufficient
	ProblemPaymentActionRequired
	ProblemBadRequest
	ProblemMethodUnsupported
	ProblemInternal
	ProblemInsufficientBalance
	ProblemAmountExceedsDeposit
	ProblemDeltaTooSmall
	ProblemInvalidSignature
	ProblemSignerMismatch
	ProblemChallengeNotFound
	ProblemChannelNotFound
	ProblemChannelFinalized
	ProblemTransactionReverted
)

var problemNames = map[string]ProblemCode{
	"payment-required":               ProblemPaymentRequired,
	"malformed-credential":           ProblemMalformedCredential,
	"invalid-payload":                ProblemInvalidPayload,
	"verification-failed":            ProblemVerificationFailed,
	"invalid-challenge":              ProblemInvalidChallenge,
	"payment-expired":                ProblemPaymentExpired,
	"payment-insufficient":           ProblemPaymentInsufficient,
	"payment-action-required":        ProblemPaymentActionRequired,
	"bad-request":                    ProblemBadRequest,
	"method-unsupported":             ProblemMethodUnsupported,
	"internal-payment-error":         ProblemInternal,
	"session/insufficient-balance":   ProblemInsufficientBalance,
	"session/amount-exceeds-deposit": ProblemAmountExceedsDeposit,
	"session/delta-too-small":        ProblemDeltaTooSmall,
	"session/invalid-signature":      ProblemInvalidSignature,
	"session/signer-mismatch":        ProblemSignerMismatch,
	"session/challenge-not-found":    ProblemChallengeNotFound,
	"session/channel-not-found":      ProblemChannelNotFound,
	"session/channel-finalized":      ProblemChannelFinalized,
	"session/transaction-reverted":   ProblemTransactionReverted,
}

// TooLow reports whether the server asks for a higher voucher of the same channel.
func (c ProblemCode) TooLow() bool {
	return c == ProblemInsufficientBalance || c == ProblemDeltaTooSmall ||
		c == ProblemPaymentInsufficient
}

// Stale reports whether the same payment may be sent again with a fresh challenge.
func (c ProblemCode) Stale() bool {
	return c == ProblemInvalidChallenge || c == ProblemPaymentExpired ||
		c == ProblemChallengeNotFound ||
		c == ProblemPaymentRequired
}

// Gone reports whether the server says that the channel can no longer be used.
func (c ProblemCode) Gone() bool {
	return c == ProblemChannelNotFound || c == ProblemChannelFinalized
}

// Problem is a problem document (RFC 9457) of a refused payment. Its texts are shortened, and
// control characters are replaced by spaces. Nothing in it is verified.
type Problem struct {
	Code                ProblemCode
	Type, Title, Detail string
	// Status is zero if the document does not contain it.
	Status int
	// ChannelID is the channel concerned, and RequiredTopUp the missing deposit in base units. Both
	// are nil if absent.
	ChannelID     *common.Hash
	RequiredTopUp *voucher.Amount
}

// Name returns the type without [ProblemBase], for example session/delta-too-small, or "".
func (p Problem) Name() string { return strings.TrimPrefix(p.Type, ProblemBase) }

const (
	maxProblemName = 200  // bytes of a type or title that are kept
	maxDetail      = 1000 // bytes of a detail that are kept
)

// ParseProblem reads a problem document. It returns false if the content type is neither
// application/problem+json nor application/json with a type of this protocol, or if the body is not
// a JSON object of at most [MaxDocument] bytes. A field of the wrong type counts as absent, as RFC
// 9457 section 3 requires.
func ParseProblem(contentType string, body []byte) (Problem, bool) {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.Trim(media, " \t")
	plain := strings.EqualFold(media, "application/json")
	if !plain && !strings.EqualFold(media, "application/problem+json") || len(body) > MaxDocument {
		return Problem{}, false
	}
	o, err := ParseObject(body)
	if err != nil {
		return Problem{}, false
	}
	p := Problem{
		Type:          clean(Optional(o, "type", Value.Text), maxProblemName),
		Title:         clean(Optional(o, "title", Value.Text), maxProblemName),
		Detail:        clean(Optional(o, "detail", Value.Text), maxDetail),
		Status:        int(Optional(o, "status", statusCode)),
		ChannelID:     readable(o, "channelId", Value.Hash),
		RequiredTopUp: readable(o, "requiredTopUp", Value.Amount),
	}
	if plain && !strings.HasPrefix(p.Type, ProblemBase) {
		return Problem{}, false // some other document
	}
	p.Code = problemCode(p.Type)
	return p, true
}

func problemCode(kind string) ProblemCode {
	if kind == "" || kind == "about:blank" {
		return ProblemNone
	}
	name, ok := strings.CutPrefix(kind, ProblemBase)
	// Early deployments call sessions streams.
	if old, found := strings.CutPrefix(name, "stream/"); found {
		name = "session/" + old
	}
	if code := problemNames[name]; ok && code != ProblemNone {
		return code
	}
	return ProblemOther
}

// readable is like [Pointer], but a member of the wrong type counts as absent.
func readable[T any](o *Object, name string, read func(Value) (T, error)) *T {
	v, _ := o.get(name)
	if t, err := read(v); err == nil {
		return &t
	}
	return nil
}

func statusCode(v Value) (uint16, error) {
	n, err := v.Uint64()
	if n < 100 || n > 599 {
		return 0, err
	}
	return uint16(n), err
}

// clean replaces control characters in s by spaces and cuts s at limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit] + "…"
	}
	return s
}
