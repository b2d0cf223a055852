package message

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// problemBase is where the problem types of the Payment auth scheme live.
const problemBase = "https://paymentauth.org/problems/"

// Refusal is an answer that is not what was asked for, as problem details (RFC 9457).
type Refusal struct {
	Status  int
	Problem string // the type without its base
	Title   string
	Detail  string
	// channelID and requiredTopUp are in the body where they are not zero.
	ChannelID     common.Hash
	RequiredTopUp voucher.Amount
}

func (e *Refusal) Error() string { return "clienttest: " + e.Problem + ": " + e.Detail }

// Refuse returns a maker of refusals of one type.
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

// paymentRequired makes refusals with status 402.
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
	AmountExceedsDeposit = paymentRequired("session/amount-exceeds-deposit", "Amount Exceeds Deposit")
	DeltaTooSmall        = paymentRequired("session/delta-too-small", "Delta Too Small")
	InvalidSignature     = paymentRequired("session/invalid-signature", "Invalid Signature")

	BadRequest       = Refuse(http.StatusBadRequest, "bad-request", "Bad Request")
	InternalError    = Refuse(http.StatusInternalServerError, "internal-payment-error", "Internal Error")
	ChannelNotFound  = Refuse(http.StatusGone, "session/channel-not-found", "Channel Not Found")
	ChannelFinalized = Refuse(http.StatusGone, "session/channel-finalized", "Channel Closed")
)

// On names the channel in the refusal.
func (e *Refusal) On(id common.Hash) *Refusal {
	e.ChannelID = id
	return e
}

// Body is the problem details document.
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
