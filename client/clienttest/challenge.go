package clienttest

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/gowebpki/jcs"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// sessionRequest is the part of a challenge's request that must match the route.
type sessionRequest struct {
	Amount        string `json:"amount"`
	Currency      string `json:"currency"`
	Recipient     string `json:"recipient"`
	MethodDetails struct {
		ChainID         uint64 `json:"chainId"`
		EscrowContract  string `json:"escrowContract"`
		SessionProtocol string `json:"sessionProtocol"`
	} `json:"methodDetails"`
}

// newChallenge returns a fresh challenge for a request. The credential echoes opaque, which may be
// empty.
func (v *incoming) newChallenge(
	intent string,
	request message.Document,
	opaque string,
	ttl time.Duration,
) *message.Challenge {
	s := v.s
	v.lieInRequest(request)
	plain, _ := json.Marshal(request) // cannot fail for strings, numbers and maps
	canonical, _ := jcs.Transform(plain)
	if ttl == 0 {
		ttl = s.cfg.TTL
	}
	c := &message.Challenge{
		Realm: s.cfg.Realm, Method: "tempo", Intent: intent,
		Request: base64.RawURLEncoding.EncodeToString(canonical),
		Opaque:  opaque,
		Expires: s.cfg.Now().Add(ttl).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if !strings.EqualFold(s.cfg.Header, "Authorization") {
		c.Header = s.cfg.Header
	}
	v.lieInChallenge(c)
	if c.ID == "" {
		c.ID = c.MAC(s.key)
	}
	return c
}

// sessionChallenge returns a challenge for the terms. r selects the channel of the hints. content
// reports whether the request is for content.
func (s *Server) sessionChallenge(t Terms, r *http.Request, content bool) *message.Challenge {
	details := map[string]any{"chainId": s.ChainID, "escrowContract": lower(s.Escrow(t.Protocol))}
	if t.Protocol == voucher.V2 {
		details["sessionProtocol"] = "v2"
		if !t.MinDelta.IsZero() {
			details["minVoucherDelta"] = t.MinDelta.String()
		}
	}
	if t.Sponsored {
		details["feePayer"] = true
	}
	if t.Operator != (common.Address{}) {
		details["operator"] = lower(t.Operator)
	}
	if t.FeeToken != (common.Address{}) {
		details["feeToken"] = lower(t.FeeToken)
	}
	s.hint(details, t, r, content)
	request := map[string]any{
		"amount": t.Price.String(), "currency": lower(s.Token), "recipient": s.payee(t).Hex(),
		"unitType": t.Unit, "methodDetails": details,
	}
	if !t.Deposit.IsZero() {
		request["suggestedDeposit"] = t.Deposit.String()
	}
	return incomingOf(r).newChallenge("session", request, "", t.TTL)
}

// payee returns the payee of the terms.
func (s *Server) payee(t Terms) common.Address {
	if t.Payee == (common.Address{}) {
		return s.Payee
	}
	return t.Payee
}

// checkChallenge returns nil if this server issued the challenge for these terms, or for any terms
// if anyTerms is set, and it has not expired.
func (s *Server) checkChallenge(c *message.Challenge, t Terms, anyTerms bool) error {
	if !hmac.Equal([]byte(c.MAC(s.key)), []byte(c.ID)) {
		return message.InvalidChallenge("this server did not issue the challenge")
	}
	if c.Method != "tempo" || c.Intent != "session" {
		return message.InvalidChallenge(
			"the challenge is for %s/%s, not for a session", c.Method, c.Intent,
		)
	}
	if err := s.checkExpiry(c); err != nil || anyTerms {
		return err
	}
	var q sessionRequest
	raw, _ := base64.RawURLEncoding.DecodeString(c.Request) // the id proves that it is ours
	_ = json.Unmarshal(raw, &q)
	want := ""
	if t.Protocol == voucher.V2 {
		want = "v2"
	}
	if q.Amount != t.Price.String() || !strings.EqualFold(q.Currency, s.Token.Hex()) ||
		!strings.EqualFold(q.Recipient, s.payee(t).Hex()) ||
		q.MethodDetails.ChainID != s.ChainID ||
		!strings.EqualFold(q.MethodDetails.EscrowContract, s.Escrow(t.Protocol).Hex()) ||
		q.MethodDetails.SessionProtocol != want {
		return message.InvalidChallenge("the challenge is for other terms than those of this route")
	}
	return nil
}

// checkExpiry refuses an expired challenge.
func (s *Server) checkExpiry(c *message.Challenge) error {
	if at, err := time.Parse(time.RFC3339, c.Expires); err != nil || s.cfg.Now().After(at) {
		return message.PaymentExpired("the challenge expired at %s", c.Expires)
	}
	return nil
}
