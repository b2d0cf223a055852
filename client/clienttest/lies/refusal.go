package lies

import (
	"net/http"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about a voucher and a channel with which nothing is wrong.
const (
	// GoneAgain answers every voucher with 410 although its channel is live. Opens are served.
	GoneAgain Lie = "gone-again"
	// GoneAlways answers every payment with 410 after doing what it says, opens included.
	GoneAlways Lie = "gone-always"
	// GoneQuietly answers every voucher with a 402 that says that the channel does not exist.
	GoneQuietly Lie = "gone-quietly"
	// GoneFinalized answers every voucher with 410: the channel, which is live, is finalized.
	GoneFinalized Lie = "gone-finalized"
	// GoneAfterVoucher takes every voucher and answers 410. Opens are served.
	GoneAfterVoucher Lie = "gone-after-voucher"
	// Amnesia forgets all channels before each payment.
	Amnesia Lie = "amnesia"
	// ProblemUnknown refuses vouchers with a problem type that does not exist.
	ProblemUnknown Lie = "problem-unknown"
	// ProblemBalance refuses vouchers for want of balance, whatever they are.
	ProblemBalance Lie = "problem-balance"
	// ProblemDelta refuses vouchers because they grow too little.
	ProblemDelta Lie = "problem-delta"
	// ProblemSignature refuses vouchers for their signatures.
	ProblemSignature Lie = "problem-signature"
	// ProblemUnverified refuses vouchers as not verified.
	ProblemUnverified Lie = "problem-unverified"
	// ProblemMalformed refuses vouchers as malformed.
	ProblemMalformed Lie = "problem-malformed"
	// ProblemRequired refuses vouchers as if there were none.
	ProblemRequired Lie = "problem-required"
	// ProblemPayload refuses vouchers as an invalid payload.
	ProblemPayload Lie = "problem-payload"
	// ProblemChallenge refuses vouchers because their challenge is not the server's.
	ProblemChallenge Lie = "problem-challenge"
	// ProblemExpired refuses vouchers because their challenge has expired.
	ProblemExpired Lie = "problem-expired"
	// ProblemInsufficient refuses vouchers because the payment is too low.
	ProblemInsufficient Lie = "problem-insufficient"
	// ProblemDeposit refuses vouchers because they are above the deposit.
	ProblemDeposit Lie = "problem-deposit"
	// ProblemNone refuses vouchers with a 402 that states no problem.
	ProblemNone Lie = "problem-none"
	// ProblemBad answers vouchers with 400 and a challenge.
	ProblemBad Lie = "problem-bad"
	// ProblemLogin answers vouchers with 401 and a challenge.
	ProblemLogin Lie = "problem-login"
	// ProblemMethod answers vouchers with 405 and a challenge.
	ProblemMethod Lie = "problem-method"
	// ProblemEarly answers vouchers with 425 and a challenge.
	ProblemEarly Lie = "problem-early"
)

var refusalTable = table{
	GoneAgain: refuses("voucher", noSuchChannel),
	GoneAlways: {Take: func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		_, _ = x.Do(p)
		return true, false, finalized(p)
	}},
	GoneQuietly: refuses("voucher", func(p *message.Payload) error {
		e := message.ChannelNotFound("no such channel").On(p.ChannelID)
		e.Status = http.StatusPaymentRequired
		return e
	}),
	GoneFinalized:    refuses("voucher", finalized),
	GoneAfterVoucher: thenRefuses("voucher", noSuchChannel),
	Amnesia: {Instead: func(r hook.Request) bool {
		if r.Paying() && r.Action() != "open" {
			for range r.ForgetChannels() {
				r.Acted()
			}
		}
		return false
	}},
	ProblemUnknown:      problem(http.StatusPaymentRequired, "session/because"),
	ProblemBalance:      problem(http.StatusPaymentRequired, "session/insufficient-balance"),
	ProblemDelta:        problem(http.StatusPaymentRequired, "session/delta-too-small"),
	ProblemSignature:    problem(http.StatusPaymentRequired, "session/invalid-signature"),
	ProblemUnverified:   problem(http.StatusPaymentRequired, "verification-failed"),
	ProblemMalformed:    problem(http.StatusPaymentRequired, "malformed-credential"),
	ProblemRequired:     problem(http.StatusPaymentRequired, "payment-required"),
	ProblemPayload:      problem(http.StatusPaymentRequired, "invalid-payload"),
	ProblemChallenge:    problem(http.StatusPaymentRequired, "invalid-challenge"),
	ProblemExpired:      problem(http.StatusPaymentRequired, "payment-expired"),
	ProblemInsufficient: problem(http.StatusPaymentRequired, "payment-insufficient"),
	ProblemDeposit:      problem(http.StatusPaymentRequired, "session/amount-exceeds-deposit"),
	ProblemNone:         problem(http.StatusPaymentRequired, ""),
	ProblemBad:          problem(http.StatusBadRequest, "bad-request"),
	ProblemLogin:        problem(http.StatusUnauthorized, "verification-failed"),
	ProblemMethod:       problem(http.StatusMethodNotAllowed, "method-unsupported"),
	ProblemEarly:        problem(http.StatusTooEarly, "payment-expired"),
}

// problem refuses vouchers with a problem type.
func problem(status int, kind string) hook.Hooks {
	return refuses("voucher", func(*message.Payload) error {
		return message.Refuse(status, kind, "Refused")("no")
	})
}

// refused refuses every payment.
func refused(
	why func(*message.Payload) error,
) func(hook.Payment, *message.Payload) (bool, bool, error) {
	return func(_ hook.Payment, p *message.Payload) (bool, bool, error) {
		return true, false, why(p)
	}
}

// finalized answers 410 although the channel is live.
func finalized(p *message.Payload) error {
	return message.ChannelFinalized("the channel is finalized").On(p.ChannelID)
}
