package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/textproto"
	"strings"
	"time"
)

// Challenge holds the parameters of one Payment challenge of a WWW-Authenticate header, unquoted.
// Absent parameters are empty. In a parsed challenge the first five are present, and only the realm
// may be empty.
type Challenge struct {
	ID, Realm, Method, Intent string
	// Request is the base64url text as it was received, because the id covers it.
	Request string

	// Description is for people. Digest binds the challenge to a request body. Expires is an RFC
	// 3339 time. Header names the request header for the credential. Opaque is echoed.
	Description, Digest, Expires, Header, Opaque string
}

// params lists the parameters in the order in which they are written.
func (c *Challenge) params() [10]struct {
	name  string
	value *string
} {
	return [10]struct {
		name  string
		value *string
	}{
		{"id", &c.ID},
		{"realm", &c.Realm},
		{"method", &c.Method},
		{"intent", &c.Intent},
		{"request", &c.Request},
		{"description", &c.Description},
		{"digest", &c.Digest},
		{"expires", &c.Expires},
		{"header", &c.Header},
		{"opaque", &c.Opaque},
	}
}

// required is the number of parameters that must be present.
const required = 5

// validate checks the parameters that are the same for all methods.
func (c *Challenge) validate() error {
	for i, p := range c.params() {
		switch {
		case i < required && *p.value == "" && p.value != &c.Realm:
			return malformed("missing %s", p.name)
		case len(*p.value) > MaxParam:
			return malformed("%s has %d bytes, more than %d", p.name, len(*p.value), MaxParam)
		}
	}
	if !isMethod(c.Method) {
		return malformed("method %s is not a lower-case name", shown(c.Method))
	}
	if c.Digest != "" && !strings.HasPrefix(c.Digest, "sha-256=") {
		return malformed("digest %s is not sha-256", shown(c.Digest))
	}
	if c.Header != "" && !mayCarry(c.Header) {
		return malformed("header %s must not carry a credential", shown(c.Header))
	}
	return nil
}

// isMethod matches [a-z][a-z0-9:_-]*.
func isMethod(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isLower(c) && (i == 0 || !isDigit(c) && c != ':' && c != '_' && c != '-') {
			return false
		}
	}
	return s != ""
}

// ExpiresAt returns when the challenge expires. ok is false if it does not expire. If the expiry
// cannot be read, the error is [ErrMalformed] and the caller must treat the challenge as expired.
func (c Challenge) ExpiresAt() (t time.Time, ok bool, err error) {
	if c.Expires == "" {
		return t, false, nil
	}
	// "T" and "Z" may be written in lower case (RFC 3339, 5.6).
	if err := t.UnmarshalText([]byte(strings.ToUpper(c.Expires))); err != nil {
		return time.Time{}, false, malformed("expires %s is not RFC 3339", shown(c.Expires))
	}
	return t, true, nil
}

// CredentialHeader returns the canonical name of the request header for the credential:
// Authorization, or the one that the challenge names. [ParseChallenges] refuses challenges that
// name a header with another meaning.
func (c Challenge) CredentialHeader() string {
	if c.Header == "" {
		return HeaderAuthorization
	}
	return textproto.CanonicalMIMEHeaderKey(c.Header)
}

// mayCarry reports whether the header may carry a credential. The name must be a token (RFC 9110
// section 5.6.2), and not that of a header that frames the message, belongs to the connection, or
// has another meaning.
func mayCarry(header string) bool {
	for i := range len(header) {
		if !isTokenByte(header[i]) {
			return false
		}
	}
	name := strings.ToLower(header)
	if strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-") ||
		strings.HasPrefix(name, "access-control-") {
		return false
	}
	switch name {
	case "", "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
		"expect", "content-length", "content-type", "content-encoding", "content-range", "cookie",
		"origin", "referer", "range", "accept", "accept-encoding", "accept-payment",
		"idempotency-key", "x-idempotency-key", "payment-session", "payment-session-snapshot",
		"payment-receipt":
		return false
	}
	return true
}

// Format writes the challenge as a header value. Characters above Latin-1 become \uXXXX. The error
// is [ErrMalformed] if a parameter contains a control character, or if [ParseChallenges] would
// refuse the challenge.
func (c Challenge) Format() (string, error) {
	if err := c.validate(); err != nil {
		return "", err
	}
	dst := []byte("Payment ")
	for i, p := range c.params() {
		if i >= required && *p.value == "" {
			continue
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, p.name...), '=')
		var err error
		if dst, err = appendQuoted(dst, *p.value); err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return string(dst), nil
}

var errWeakKey = errors.New("the key of challenge ids is shorter than 32 bytes")

// ChallengeID returns the id that a server with this key gives the challenge: an HMAC over all
// other parameters but the description. A key shorter than 32 bytes is an error. Only servers need
// it.
func ChallengeID(key []byte, c Challenge) (string, error) {
	if len(key) < 32 {
		return "", errWeakKey
	}
	slots := []string{c.Realm, c.Method, c.Intent, c.Request, c.Expires, c.Digest}
	if c.CredentialHeader() != HeaderAuthorization {
		slots = append(slots, c.Header)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(append(slots, c.Opaque), "|")))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}
