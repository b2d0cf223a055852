package lies

import (
	"net/http"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about zero-dollar proofs.
const (
	// ProofRealm asks for a proof for the realm of another service.
	ProofRealm Lie = "proof-realm"
	// ProofRealmPath asks for a proof for the realm of another service with a path behind its host.
	ProofRealmPath Lie = "proof-realm-path"
	// ProofPaid asks for a proof with an amount of a hundred base units.
	ProofPaid Lie = "proof-paid"
	// ProofChain asks for a proof for another chain.
	ProofChain Lie = "proof-chain"
	// ProofOld asks for a proof with a challenge that expired long ago.
	ProofOld Lie = "proof-old"
	// ProofAgain answers every proof with a challenge for another proof.
	ProofAgain Lie = "proof-again"
	// ProofHangs never answers a proof.
	ProofHangs Lie = "proof-hangs"
	// ProofBusy answers a proof with a 503 and a Retry-After of thirty years.
	ProofBusy Lie = "proof-busy"
)

var proofTable = table{
	ProofRealm:     proofChallenges(func(c *message.Challenge) { c.Realm = "bank.example.com" }),
	ProofRealmPath: parameters(func(c *message.Challenge) { c.Realm = "bank.example.com/pay" }),
	ProofPaid:      proofRequests(func(d message.Document) { d["amount"] = "100" }),
	ProofChain: proofRequests(func(d message.Document) {
		d["methodDetails"].(message.Document)["chainId"] = 4217
	}),
	ProofOld: proofChallenges(func(c *message.Challenge) { c.Expires = "2020-01-01T00:00:00Z" }),
	ProofAgain: {Answer: func(r hook.Request, status int, h http.Header) int {
		if r.Action() != "proof" {
			return status
		}
		srv := r.Server()
		another := r.NewChallenge("charge", message.Document{
			"amount": "0", "currency": srv.Token.Hex(), "recipient": srv.Payee.Hex(),
			"methodDetails": message.Document{"chainId": srv.ChainID},
		}, "YWdhaW4")
		h.Del("Payment-Session-Snapshot")
		h.Set("WWW-Authenticate", another.String())
		return http.StatusPaymentRequired
	}},
	ProofHangs: {Instead: func(r hook.Request) bool {
		if r.Action() == "proof" {
			r.Hang()
		}
		return false
	}},
	ProofBusy: busy(func(r hook.Request) bool { return r.Action() == "proof" }),
}

// proofChallenges changes the parameters of challenges that ask for a proof.
func proofChallenges(change func(*message.Challenge)) hook.Hooks {
	return parameters(func(c *message.Challenge) {
		if c.Intent == "charge" {
			change(c)
		}
	})
}

// proofRequests changes the request objects of challenges that ask for a proof.
func proofRequests(change func(message.Document)) hook.Hooks {
	return hook.Hooks{Request: func(_ hook.Request, d message.Document) {
		if d["unitType"] == nil {
			change(d)
		}
	}}
}
