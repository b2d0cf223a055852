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

// Challenge is one Payment challenge of a WWW-Authenticate header, as text: every parameter after
// unquoting, and empty where it is absent. The first five are always there in a challenge that was parsed;
// of them only the realm may be empty.
type Challenge struct {
	ID, Realm, Method, Intent string
	// Request is the base64url text, kept as it came, since the id covers it.
	Request string

	// Description is for people. Digest binds a request body, Expires is RFC 3339, Header names the
	// header that wants the credential, Opaque is the server's own.
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

// required is how many of params have to be there.
const required = 5

// validate checks what can be checked without knowing the method.
func (c *Challenge) validate() error {
	for i, p := range c.params() {
		switch {
		case i < required && *p.value == "" && p.value != &c.Realm:
			return fmt.Errorf("%w: no %s", ErrMalformed, p.name)
		case len(*p.value) > MaxParam:
			return fmt.Errorf("%w: %s is %d bytes long, at most %d are read", ErrMalformed, p.name, len(*p.value), MaxParam)
		}
	}
	if !isMethod(c.Method) {
		return fmt.Errorf("%w: method %s is not a lower-case name", ErrMalformed, shown(c.Method))
	}
	if c.Digest != "" && !strings.HasPrefix(c.Digest, "sha-256=") {
		return fmt.Errorf("%w: digest %s is not sha-256", ErrMalformed, shown(c.Digest))
	}
	if c.Header != "" && !maySay(c.Header) {
		return fmt.Errorf("%w: a credential cannot go into the header %s", ErrMalformed, shown(c.Header))
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

// ExpiresAt is when the challenge expires; ok is false where it does not. An expiry that cannot be read is
// an error, and the caller takes the challenge for expired.
func (c Challenge) ExpiresAt() (t time.Time, ok bool, err error) {
	if c.Expires == "" {
		return t, false, nil
	}
	if err := t.UnmarshalText([]byte(c.Expires)); err != nil {
		return time.Time{}, false, fmt.Errorf("%w: expires %s is not RFC 3339", ErrMalformed, shown(c.Expires))
	}
	return t, true, nil
}

// CredentialHeader is the name of the request header that wants the credential, as net/http spells it:
// Authorization, unless the challenge names another. A challenge that names a header with another meaning
// does not get through [ParseChallenges].
func (c Challenge) CredentialHeader() string {
	if c.Header == "" {
		return HeaderAuthorization
	}
	return textproto.CanonicalMIMEHeaderKey(c.Header)
}

// maySay reports whether a credential may go into the header: it must be a token (RFC 9110 5.6.2) and not
// a header that frames the message, belongs to the connection, or says something else to a server.
func maySay(header string) bool {
	for i := range len(header) {
		if !isTokenByte(header[i]) {
			return false
		}
	}
	name := strings.ToLower(header)
	if strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-") || strings.HasPrefix(name, "access-control-") {
		return false
	}
	switch name {
	case "", "host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "content-length",
		"content-type", "content-encoding", "content-range", "cookie", "origin", "referer", "range", "accept", "accept-encoding",
		"accept-payment", "idempotency-key", "x-idempotency-key", "payment-session", "payment-session-snapshot", "payment-receipt":
		return false
	}
	return true
}

// Format writes the challenge as a header value. Characters above Latin-1 become \uXXXX; a control
// character is refused with [ErrMalformed], as is a challenge that [ParseChallenges] would refuse.
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
			return "", fmt.Errorf("%w in %s", err, p.name)
		}
	}
	return string(dst), nil
}

var errWeakKey = errors.New("wire: a challenge key needs at least 32 bytes")

// ChallengeID is the id that a server with this key gives the challenge: an HMAC over its other
// parameters, the description left out. A key below 32 bytes is refused. It is for servers.
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
