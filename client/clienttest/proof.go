package clienttest

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// bootstrap handles a HEAD on a bootstrap route: it asks for a zero-dollar proof, and answers a
// valid proof with a snapshot of the payer's channel. It returns false for a HEAD with a session
// credential.
func (x *paidRequest) bootstrap() bool {
	s, fresh := x.s, x.zeroCharge()
	if x.credential == nil && x.credentialErr == nil {
		x.w.Header().Set("Cache-Control", "no-store")
		x.challenge(fresh)
		x.w.WriteHeader(http.StatusPaymentRequired)
		return true
	}
	if x.credentialErr != nil || x.credential.Challenge.Intent != "charge" {
		return false
	}
	payer, err := s.checkProof(x.credential, fresh)
	if err != nil {
		x.refuse(err, fresh)
		return true
	}
	h := x.w.Header()
	h.Set("Cache-Control", "no-store")
	s.book.mu.Lock()
	if a := s.book.newest(x.t.Protocol, s.payee(x.t), payer); a != nil {
		h.Set("Payment-Session", a.id.Hex())
		h.Set("Payment-Session-Snapshot", snapshotHeader(x.snapshot(a, a.spent)))
	}
	s.book.mu.Unlock()
	x.accepted(http.StatusNoContent)
	return true
}

// zeroCharge returns a fresh challenge that asks who the payer is.
func (x *paidRequest) zeroCharge() *message.Challenge {
	s := x.s
	// The number makes each challenge unique, even within one tick of the clock, because a proof is
	// valid once.
	opaque := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"n":%d}`, s.asked.Add(1)))
	return x.newChallenge("charge", message.Document{
		"amount": "0", "currency": lower(s.Token), "recipient": s.payee(x.t).Hex(),
		"methodDetails": map[string]any{"chainId": s.ChainID},
	}, opaque, x.t.TTL)
}

// payerCookie is the name of the cookie by which a payer is recognized.
const payerCookie = "payer"

// identify asks who the payer is, or answers a proof, and returns true; or returns false if it does
// not matter, or is known.
func (x *paidRequest) identify() bool {
	s := x.s
	if x.credentialErr != nil || x.credential != nil && x.credential.Challenge.Intent != "charge" {
		return false
	}
	fresh := x.zeroCharge()
	if x.credential == nil {
		if x.recognized() {
			return false
		}
		x.refuse(message.PaymentRequired("who is the payer?"), fresh)
		return true
	}
	payer, err := s.checkProof(x.credential, fresh)
	if err != nil {
		x.refuse(err, fresh)
		return true
	}
	incomingOf(x.r).payer, x.credential = payer, nil
	s.book.mu.Lock()
	channel := s.book.newest(x.t.Protocol, s.payee(x.t), payer)
	if x.t.Cookie {
		token := hex.EncodeToString(crypto.Keccak256(s.key, []byte(fresh.ID)))
		s.cookies[token] = payer
		http.SetCookie(
			x.w,
			&http.Cookie{Name: payerCookie, Value: token, Path: "/", HttpOnly: true},
		)
	}
	s.book.mu.Unlock()
	if x.t.Identify == IdentifyFirst || channel == nil {
		return false
	}
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.Header().Set("Payment-Session", channel.id.Hex())
	x.accepted(http.StatusNoContent)
	return true
}

// recognized reports whether the request says who the payer is: by a cookie, or by a channel that
// is open.
func (x *paidRequest) recognized() bool {
	s := x.s
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	v := incomingOf(x.r)
	if c, err := x.r.Cookie(payerCookie); err == nil && x.t.Cookie {
		v.payer = s.cookies[c.Value]
	}
	a := s.hinted(x.t, x.r)
	if v.payer == (common.Address{}) && a != nil && x.r.Header.Get("Payment-Session") != "" {
		v.payer = a.d.Payer
	}
	return v.payer != common.Address{}
}

// checkProof returns the payer of a proof. Each proof is valid once.
func (s *Server) checkProof(
	c *message.Credential,
	want *message.Challenge,
) (common.Address, error) {
	if c.Challenge.MAC(s.key) != c.Challenge.ID || c.Challenge.Realm != s.cfg.Realm ||
		c.Challenge.Method != "tempo" ||
		c.Challenge.Request != want.Request {
		return common.Address{}, message.InvalidChallenge(
			"this server did not issue the challenge for this route",
		)
	}
	if err := s.checkExpiry(&c.Challenge); err != nil {
		return common.Address{}, err
	}
	f := message.Fields{O: c.Payload}
	signature := f.Bytes("signature")
	if kind := f.Text("type"); kind != "proof" || f.Err != nil {
		return common.Address{}, message.InvalidPayload(
			"a zero-dollar challenge needs a payload of type proof with a signature",
		)
	}
	payer, ok := s.parseSource(c.Source)
	if !ok {
		return common.Address{}, message.VerificationFailed(
			"the credential's source is not an account of this chain",
		)
	}
	digest := voucher.Proof{
		ChainID:     s.ChainID,
		Account:     payer,
		ChallengeID: c.Challenge.ID,
		Realm:       c.Challenge.Realm,
	}.Digest()
	if !s.Chain.signedFor(payer, digest, signature) {
		return common.Address{}, message.VerificationFailed(
			"the signature of the proof is not that of its source",
		)
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if s.proofs[c.Challenge.ID] {
		return common.Address{}, message.VerificationFailed("the proof was already used")
	}
	s.proofs[c.Challenge.ID] = true
	return payer, nil
}

// signedFor reports whether the account or one of its access keys signed the digest, with a bare
// signature or in a keychain envelope of version 2.
func (c *Chain) signedFor(root common.Address, digest common.Hash, signature []byte) bool {
	if len(signature) > 21 && signature[0] == 4 && common.Address(signature[1:21]) == root {
		digest, signature = crypto.Keccak256Hash([]byte{4}, digest[:], root[:]), signature[21:]
	}
	who, err := voucher.RecoverAddress(digest, signature)
	return err == nil && (who == root || c.isAccessKey(root, who))
}

// decodeHash parses 0x and 64 hexadecimal digits.
func decodeHash(text string) (common.Hash, bool) {
	raw, err := hexutil.Decode(text)
	return common.BytesToHash(raw), err == nil && len(raw) == common.HashLength
}
