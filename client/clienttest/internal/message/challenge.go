// Package message holds the messages of the protocol as the test server spells them: challenges,
// credentials, refusals and stream events. It shares nothing with the client on purpose, so that
// one wrong idea of the wire format cannot pass on both sides.
package message

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Challenge holds the parameters of a Payment challenge (Payment auth scheme draft).
type Challenge struct {
	ID, Realm, Method, Intent, Request, Expires, Digest, Opaque, Header, Description string
}

// Fields returns pointers to the parameters by their names.
func (c *Challenge) Fields() map[string]*string {
	return map[string]*string{
		"id": &c.ID, "realm": &c.Realm, "method": &c.Method, "intent": &c.Intent,
		"request": &c.Request, "expires": &c.Expires,
		"digest": &c.Digest, "opaque": &c.Opaque, "header": &c.Header,
		"description": &c.Description,
	}
}

// MAC returns the id of the challenge under the key. Slots of absent parameters are empty. A header
// other than Authorization has its own slot.
func (c *Challenge) MAC(key []byte) string {
	slots := []string{c.Realm, c.Method, c.Intent, c.Request, c.Expires, c.Digest}
	if c.Header != "" {
		slots = append(slots, c.Header)
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(strings.Join(append(slots, c.Opaque), "|")))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// String returns the value of WWW-Authenticate.
func (c *Challenge) String() string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", `\u000d`, "\n", `\u000a`)
	var b strings.Builder
	b.WriteString("Payment ")
	for i, p := range [][2]string{
		{"id", c.ID},
		{"realm", c.Realm},
		{"method", c.Method},
		{"intent", c.Intent},
		{"request", c.Request},
		{"expires", c.Expires},
		{"digest", c.Digest},
		{"header", c.Header},
		{"opaque", c.Opaque},
	} {
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
