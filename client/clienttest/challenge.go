package clienttest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/gowebpki/jcs"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// challenge is the parameters of a Payment challenge (the Payment auth scheme draft).
type challenge struct {
	ID, Realm, Method, Intent, Request, Expires, Digest, Opaque, Header, Description string
}

// fields names the parameters as they are spelled.
func (c *challenge) fields() map[string]*string {
	return map[string]*string{
		"id": &c.ID, "realm": &c.Realm, "method": &c.Method, "intent": &c.Intent, "request": &c.Request, "expires": &c.Expires,
		"digest": &c.Digest, "opaque": &c.Opaque, "header": &c.Header, "description": &c.Description,
	}
}

// mac is the id that the key gives the challenge. Slots of absent parameters are empty; a header
// other than Authorization has a slot of its own.
func (c *challenge) mac(key []byte) string {
	slots := []string{c.Realm, c.Method, c.Intent, c.Request, c.Expires, c.Digest}
	if c.Header != "" {
		slots = append(slots, c.Header)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.Join(append(slots, c.Opaque), "|")))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// String is the value of WWW-Authenticate.
func (c *challenge) String() string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\u000d`, "\n", `\u000a`)
	var b strings.Builder
	b.WriteString("Payment ")
	for i, p := range [][2]string{{"id", c.ID}, {"realm", c.Realm}, {"method", c.Method}, {"intent", c.Intent}, {"request", c.Request}, {"expires", c.Expires}, {"digest", c.Digest}, {"header", c.Header}, {"opaque", c.Opaque}} {
		if p[1] == "" {
			continue
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p[0] + `="` + quote.Replace(p[1]) + `"`)
	}
	return b.String()
}

// sessionRequest is the request of a challenge, as far as it must be the route's own.
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

// newChallenge puts a request into a fresh challenge. opaque is the server's own and comes back with the
// credential; empty: there is none.
func (v *visit) newChallenge(intent string, request document, opaque string, ttl time.Duration) *challenge {
	s := v.s
	v.tellRequest(request)
	plain, _ := json.Marshal(request) // maps of strings, numbers and maps
	canonical, _ := jcs.Transform(plain)
	if ttl == 0 {
		ttl = s.cfg.TTL
	}
	c := &challenge{
		Realm: s.cfg.Realm, Method: "tempo", Intent: intent,
		Request: base64.RawURLEncoding.EncodeToString(canonical),
		Opaque:  opaque,
		Expires: s.cfg.Now().Add(ttl).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if !strings.EqualFold(s.cfg.Header, "Authorization") {
		c.Header = s.cfg.Header
	}
	v.tellChallenge(c)
	if c.ID == "" {
		c.ID = c.mac(s.key)
	}
	return c
}

// sessionChallenge asks for the terms. r says which channel to hint at; content says whether a unit
// of content is what it is about.
func (s *Server) sessionChallenge(t Terms, r *http.Request, content bool) *challenge {
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
		"amount": t.Price.String(), "currency": lower(s.Token), "recipient": s.Payee.Hex(), "unitType": t.Unit, "methodDetails": details,
	}
	if !t.Deposit.IsZero() {
		request["suggestedDeposit"] = t.Deposit.String()
	}
	return visitOf(r).newChallenge("session", request, "", t.TTL)
}

// checkChallenge says whether the credential answers a challenge that this server gave for these
// terms, in time.
func (s *Server) checkChallenge(c *challenge, t Terms) error {
	if !hmac.Equal([]byte(c.mac(s.key)), []byte(c.ID)) {
		return invalidChallenge("this server did not issue the challenge")
	}
	if c.Method != "tempo" || c.Intent != "session" {
		return invalidChallenge("the challenge is for %s/%s, not for a session", c.Method, c.Intent)
	}
	if err := s.checkExpiry(c); err != nil {
		return err
	}
	var q sessionRequest
	raw, _ := base64.RawURLEncoding.DecodeString(c.Request) // ours, as the id proves
	_ = json.Unmarshal(raw, &q)
	want := ""
	if t.Protocol == voucher.V2 {
		want = "v2"
	}
	if q.Amount != t.Price.String() || !strings.EqualFold(q.Currency, s.Token.Hex()) || !strings.EqualFold(q.Recipient, s.Payee.Hex()) ||
		q.MethodDetails.ChainID != s.ChainID || !strings.EqualFold(q.MethodDetails.EscrowContract, s.Escrow(t.Protocol).Hex()) || q.MethodDetails.SessionProtocol != want {
		return invalidChallenge("the challenge is for other terms than this route's")
	}
	return nil
}

// checkExpiry refuses a challenge whose time is over.
func (s *Server) checkExpiry(c *challenge) error {
	if at, err := time.Parse(time.RFC3339, c.Expires); err != nil || s.cfg.Now().After(at) {
		return expired("the challenge expired at %s", c.Expires)
	}
	return nil
}
