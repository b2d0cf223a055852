package clienttest

import (
	"net/http"

	"github.com/ethereum/go-ethereum/common"
)

// Lies about whether a channel is still good.
var (
	GoneAgain = lie("gone-again", "Every voucher is answered with a 410, though its channel is live; opens are taken.", takes("voucher", func(_ *exchange, p *payload) (bool, error) {
		return false, channelNotFound("no such channel").on(p.channelID)
	}))
	GoneAlways = lie("gone-always", "Every payment is answered with a 410, and opens are sent to the chain first.", deed{take: func(x *exchange, p *payload) (bool, bool, error) {
		_, _ = x.do(p)
		return true, false, channelUnavailable("the channel is finalized").on(p.channelID)
	}})
	GoneQuietly = lie("gone-quietly", "Every voucher is answered with a 402 that says the channel does not exist.", takes("voucher", func(_ *exchange, p *payload) (bool, error) {
		e := channelNotFound("no such channel").on(p.channelID)
		e.status = http.StatusPaymentRequired
		return false, e
	}))
	Amnesia = lie("amnesia", "The server forgets everybody before each payment.", deed{instead: func(v *visit) bool {
		if v.paying() && v.action() != "open" {
			for _, a := range v.s.Accounts() {
				v.s.Forget(a.ChannelID)
				v.acted()
			}
		}
		return false
	}})
)

// Lies about what is wrong with a voucher that nothing is wrong with.
var (
	ProblemUnknown    = lie("problem-unknown", "Vouchers are refused with a problem type that does not exist.", problem(http.StatusPaymentRequired, "session/because"))
	ProblemBalance    = lie("problem-balance", "Vouchers are refused for want of balance, whatever they are.", problem(http.StatusPaymentRequired, "session/insufficient-balance"))
	ProblemDelta      = lie("problem-delta", "Vouchers are refused because they grow too little.", problem(http.StatusPaymentRequired, "session/delta-too-small"))
	ProblemSignature  = lie("problem-signature", "Vouchers are refused for their signatures.", problem(http.StatusPaymentRequired, "session/invalid-signature"))
	ProblemUnverified = lie("problem-unverified", "Vouchers are refused without a reason.", problem(http.StatusPaymentRequired, "verification-failed"))
	ProblemMalformed  = lie("problem-malformed", "Vouchers are called malformed.", problem(http.StatusPaymentRequired, "malformed-credential"))
	ProblemBad        = lie("problem-bad", "Vouchers are answered with a 400 and a challenge.", problem(http.StatusBadRequest, "bad-request"))
	ProblemLogin      = lie("problem-login", "Vouchers are answered with a 401 and a challenge.", problem(http.StatusUnauthorized, "verification-failed"))
	ProblemMethod     = lie("problem-method", "Vouchers are answered with a 405 and a challenge.", problem(http.StatusMethodNotAllowed, "method-unsupported"))
	ProblemEarly      = lie("problem-early", "Vouchers are answered with a 425 and a challenge.", problem(http.StatusTooEarly, "payment-expired"))
)

// problem refuses vouchers with a type.
func problem(status int, kind string) deed {
	return takes("voucher", func(_ *exchange, p *payload) (bool, error) {
		return false, refuse(status, kind, "Refused")("no").on(common.Hash{})
	})
}
