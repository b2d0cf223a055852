package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// problemBase is where the problem types of the Payment auth scheme live.
const problemBase = "https://paymentauth.org/problems/"

// refusal is an answer that is not what was asked for, as problem details (RFC 9457).
type refusal struct {
	status  int
	problem string // the type without its base
	title   string
	detail  string
	// channelID and requiredTopUp are in the body where they are not zero.
	channelID     common.Hash
	requiredTopUp voucher.Amount
}

func (e *refusal) Error() string { return "clienttest: " + e.problem + ": " + e.detail }

// refuse returns a maker of refusals of one type.
func refuse(status int, problem, title string) func(format string, args ...any) *refusal {
	return func(format string, args ...any) *refusal {
		return &refusal{status: status, problem: problem, title: title, detail: fmt.Sprintf(format, args...)}
	}
}

// The problem types.
var (
	paymentRequired    = refuse(http.StatusPaymentRequired, "payment-required", "Payment Required")
	malformed          = refuse(http.StatusPaymentRequired, "malformed-credential", "Malformed Credential")
	invalidPayload     = refuse(http.StatusPaymentRequired, "invalid-payload", "Invalid Payload")
	invalidChallenge   = refuse(http.StatusPaymentRequired, "invalid-challenge", "Invalid Challenge")
	expired            = refuse(http.StatusPaymentRequired, "payment-expired", "Payment Expired")
	unverified         = refuse(http.StatusPaymentRequired, "verification-failed", "Verification Failed")
	badRequest         = refuse(http.StatusBadRequest, "bad-request", "Bad Request")
	broken             = refuse(http.StatusInternalServerError, "internal-payment-error", "Internal Payment Error")
	insufficient       = refuse(http.StatusPaymentRequired, "session/insufficient-balance", "Insufficient Balance")
	exceedsDeposit     = refuse(http.StatusPaymentRequired, "session/amount-exceeds-deposit", "Amount Exceeds Deposit")
	deltaTooSmall      = refuse(http.StatusPaymentRequired, "session/delta-too-small", "Delta Too Small")
	invalidSignature   = refuse(http.StatusPaymentRequired, "session/invalid-signature", "Invalid Signature")
	channelNotFound    = refuse(http.StatusGone, "session/channel-not-found", "Channel Not Found")
	channelUnavailable = refuse(http.StatusGone, "session/channel-finalized", "Channel Closed")
)

// on names the channel in the refusal.
func (e *refusal) on(id common.Hash) *refusal {
	e.channelID = id
	return e
}

// body is the problem details document.
func (e *refusal) body(challengeID string) []byte {
	doc := map[string]any{"type": problemBase + e.problem, "title": e.title, "status": e.status, "detail": e.detail}
	if challengeID != "" {
		doc["challengeId"] = challengeID
	}
	if e.channelID != (common.Hash{}) {
		doc["channelId"] = e.channelID.Hex()
	}
	if !e.requiredTopUp.IsZero() {
		doc["requiredTopUp"] = e.requiredTopUp.String()
	}
	out, _ := json.Marshal(doc) // cannot fail for strings and numbers
	return out
}
