package lies

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies of a server that asks who the payer is before it names a price.
const (
	// ProofUnit asks for a proof with an amount of one base unit.
	ProofUnit Lie = "proof-unit"
	// ProofBesideCharge asks for a proof and, in the same answer, for a charge of a hundred base units.
	ProofBesideCharge Lie = "proof-beside-charge"
	// ProofThenCharge answers a proof with a charge of a hundred base units.
	ProofThenCharge Lie = "proof-then-charge"
	// ProofForPayment takes every payment, charges it, and asks who the payer is.
	ProofForPayment Lie = "proof-for-payment"
	// ProofNamesNothing answers a proof with a 204 that names a channel that does not exist.
	ProofNamesNothing Lie = "proof-names-nothing"
	// ProofNamesAnother answers a proof with a 204 that names the oldest channel of all payers.
	ProofNamesAnother Lie = "proof-names-another"
	// ProofNamesGarbage answers a proof with a 204 that names no channel and shows no snapshot.
	ProofNamesGarbage Lie = "proof-names-garbage"
	// ProofCookies answers a proof with a thousand cookies.
	ProofCookies Lie = "proof-cookies"
	// ProofCookieHuge answers a proof with a cookie of sixty kilobytes.
	ProofCookieHuge Lie = "proof-cookie-huge"
	// ProofCookieOfAnother answers a proof with a cookie for another host, and one for another path.
	ProofCookieOfAnother Lie = "proof-cookie-of-another"
)

var identityTable = table{
	ProofUnit: proofRequests(func(d message.Document) { d["amount"] = "1" }),
	ProofBesideCharge: {Spell: func(r hook.Request, c *message.Challenge) []string {
		if c.Intent != "charge" {
			return []string{c.String()}
		}
		return []string{c.String(), chargeOf(r, "100").String()}
	}},
	ProofThenCharge: proofAnswers(func(r hook.Request, h http.Header) int {
		h.Set("WWW-Authenticate", chargeOf(r, "100").String())
		return http.StatusPaymentRequired
	}),
	ProofForPayment: {Answer: func(r hook.Request, status int, h http.Header) int {
		if status != http.StatusOK || !r.Paying() {
			return status
		}
		h.Set("WWW-Authenticate", chargeOf(r, "0").String())
		h.Del("Payment-Receipt")
		return http.StatusPaymentRequired
	}},
	ProofNamesNothing: named(func(hook.Request) string { return madeUp("channel").Hex() }),
	ProofNamesAnother: named(func(r hook.Request) string {
		id, _, _ := r.OtherChannel(common.Hash{})
		return id.Hex()
	}),
	ProofNamesGarbage: named(func(hook.Request) string { return "0x" + strings.Repeat("zz", 32) }),
	ProofCookies: proofCookies(func(hook.Request) (lines []string) {
		for i := range 1000 {
			lines = append(lines, fmt.Sprintf("c%d=1", i))
		}
		return lines
	}),
	ProofCookieHuge: proofCookies(func(hook.Request) []string {
		return []string{"payer=" + strings.Repeat("x", 60_000)}
	}),
	ProofCookieOfAnother: proofCookies(func(hook.Request) []string {
		return []string{"bank=1; Domain=bank.example.com", "elsewhere=1; Path=/elsewhere"}
	}),
}

// proofAnswers changes the answers to proofs that the server accepts.
func proofAnswers(change func(hook.Request, http.Header) int) hook.Hooks {
	return hook.Hooks{Answer: func(r hook.Request, status int, h http.Header) int {
		if r.Action() != "proof" {
			return status
		}
		return change(r, h)
	}}
}

// named answers proofs with a 204 that names a channel.
func named(channel func(hook.Request) string) hook.Hooks {
	return proofAnswers(func(r hook.Request, h http.Header) int {
		h.Del("WWW-Authenticate")
		h.Del("Payment-Session-Snapshot")
		h.Set("Payment-Session", channel(r))
		return http.StatusNoContent
	})
}

// proofCookies adds cookies to the answers to proofs.
func proofCookies(lines func(hook.Request) []string) hook.Hooks {
	return hook.Hooks{Answer: func(r hook.Request, status int, h http.Header) int {
		if r.Action() == "proof" {
			h["Set-Cookie"] = lines(r)
		}
		return status
	}}
}

// chargeOf returns a challenge for a one-shot charge.
func chargeOf(r hook.Request, amount string) *message.Challenge {
	srv := r.Server()
	return r.NewChallenge("charge", message.Document{
		"amount": amount, "currency": srv.Token.Hex(), "recipient": srv.Payee.Hex(),
		"methodDetails": message.Document{"chainId": srv.ChainID},
	}, fmt.Sprintf("bi%d", r.Count("charges")))
}
