package message

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// problemBase is the prefix of the problem types of the Payment auth scheme.
const problemBase = "https://paymentauth.org/problems/"

// Refusal is a response with problem details (RFC 9457).
type Refusal struct {
	Status  int
	Problem string // the type without its prefix
	Title   string
	Detail  string
	// ChannelID and RequiredTopUp are in the body if they are not zero.
	ChannelID     common.Hash
	RequiredTopUp voucher.Amount
}

func (e *Refusal) Error() string { return "clienttest: " + e.Problem + ": " + e.Detail }

// Refuse returns a function that returns refusals of one type.
func Refuse(status int, problem, title string) func(format string, args ...any) *Refusal {
	return func(format string, args ...any) *Refusal {
		return &Refusal{
			Status:  status,
			Problem: problem,
			Title:   title,
			Detail:  fmt.Sprintf(format, args...),
		}
	}
}

// paymentRequired is Refuse with status 402.
func paymentRequired(problem, title string) func(format string, args ...any) *Refusal {
	return Refuse(http.StatusPaymentRequired, problem, title)
}

// The problem types.
var (
	PaymentRequired      = paymentRequired("payment-required", "Payment Required")
	MalformedCredential  = paymentRequired("malformed-credential", "Malformed Credential")
	InvalidPayload       = paymentRequired("invalid-payload", "Invalid Payload")
	InvalidChallenge     = paymentRequired("invalid-challenge", "Invalid Challenge")
	PaymentExpired       = paymentRequired("payment-expired", "Payment Expired")
	VerificationFailed   = paymentRequired("verification-failed", "Verification Failed")
	InsufficientBalance  = paymentRequired("session/insufficient-balance", "Insufficient Balance")
	AmountExceedsDeposit = paymentRequired(
		"session/amount-exceeds-deposit", "Amount Exceeds Deposit",
	)
	DeltaTooSmall    = paymentRequired("session/delta-too-small", "Delta Too Small")
	InvalidSignature = paymentRequired("session/invalid-signature", "Invalid Signature")

	BadRequest    = Refuse(http.StatusBadRequest, "bad-request", "Bad Request")
	InternalError = Refuse(
		http.StatusInternalServerError, "internal-payment-error", "Internal Error",
	)
	ChannelNotFound  = Refuse(http.StatusGone, "session/channel-not-found", "Channel Not Found")
	ChannelFinalized = Refuse(http.StatusGone, "session/channel-finalized", "Channel Closed")
)

// On sets the channel of the refusal and returns it.
func (e *Refusal) On(id common.Hash) *Refusal {
	e.ChannelID = id
	return e
}

// Body returns the problem details document.
func (e *Refusal) Body(challengeID string) []byte {
	doc := map[string]any{
		"type":   problemBase + e.Problem,
		"title":  e.Title,
		"status": e.Status,
		"detail": e.Detail,
	}
	if challengeID != "" {
		doc["challengeId"] = challengeID
	}
	if e.ChannelID != (common.Hash{}) {
		doc["channelId"] = e.ChannelID.Hex()
	}
	if !e.RequiredTopUp.IsZero() {
		doc["requiredTopUp"] = e.RequiredTopUp.String()
	}
	out, _ := json.Marshal(doc) // cannot fail for strings and numbers
	return out
}
