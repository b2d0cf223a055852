package clienttest

import "net/http"

// Lies about bootstraps.
var (
	ProofRealm = lie("proof-realm", "The proof is asked for the realm of another service.", proofs(func(_ document, c *challenge) { c.Realm = "bank.example.com" }))
	ProofPaid  = lie("proof-paid", "The proof is asked for a hundred base units.", proofs(func(d document, _ *challenge) { d["amount"] = "100" }))
	ProofChain = lie("proof-chain", "The proof is asked for another chain.", proofs(func(d document, _ *challenge) { d["methodDetails"].(document)["chainId"] = 4217 }))
	ProofOld   = lie("proof-old", "The challenge for a proof expired long ago.", proofs(func(_ document, c *challenge) { c.Expires = "2020-01-01T00:00:00Z" }))
	ProofAgain = lie("proof-again", "Every proof is answered with a challenge for another proof.", deed{answer: func(v *visit, status int, h http.Header) int {
		if v.action() != "proof" {
			return status
		}
		h.Del("Payment-Session-Snapshot")
		h.Set("WWW-Authenticate", v.newChallenge("charge", document{"amount": "0", "currency": lower(v.s.Token), "recipient": v.s.Payee.Hex(), "methodDetails": document{"chainId": v.s.ChainID}}, "YWdhaW4", 0).String())
		return http.StatusPaymentRequired
	}})
	ProofHangs = lie("proof-hangs", "A proof is never answered.", deed{instead: func(v *visit) bool {
		if v.action() == "proof" {
			v.hang()
		}
		return false
	}})
	ProofBusy = lie("proof-busy", "A proof is answered with a 503 that asks to come back in thirty years.", busy(func(v *visit) bool { return v.action() == "proof" }))
)

// proofs changes challenges that ask for a proof.
func proofs(change func(document, *challenge)) deed {
	return deed{
		request: func(v *visit, d document) {
			if d["unitType"] == nil {
				change(d, &challenge{})
			}
		},
		challenge: func(_ *visit, c *challenge) {
			if c.Intent == "charge" {
				change(document{"methodDetails": document{}}, c)
			}
		},
	}
}
