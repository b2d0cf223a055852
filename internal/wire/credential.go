package wire

import (
	"encoding/base64"
	"strings"
)

// Credential answers a challenge. Source names the payer (see [FormatSource]) and may be empty.
type Credential struct {
	Challenge Challenge
	Payload   Payload
	Source    string
}

// Header returns the credential as a header value. The error is that of [Echo.Payload].
func (c Credential) Header() (string, error) {
	return NewEcho(c.Challenge, c.Source).Payload(c.Payload)
}

// Echo is the rendered part of a credential that is the same for all answers to one challenge. It
// is safe for concurrent use.
type Echo struct {
	// prefix is the base64url of all JSON before the payload. The length of that JSON is a multiple
	// of three, so that the rest can be encoded separately.
	prefix string
}

// NewEcho renders the echo of a challenge: its parameters, unchanged. An empty source is omitted.
func NewEcho(c Challenge, source string) *Echo {
	dst := []byte(`{"challenge":{`)
	for i, p := range c.params() {
		if i >= required && *p.value == "" {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), p.name...), `":`...)
		dst = appendText(dst, *p.value)
	}
	dst = append(dst, '}')
	if source != "" {
		dst = appendText(append(dst, `,"source":`...), source)
	}
	dst = append(dst, `,"payload":`...)
	for len(dst)%3 != 0 {
		dst = append(dst, ' ') // JSON allows space before a value
	}
	return &Echo{base64.RawURLEncoding.EncodeToString(dst)}
}

// Payload returns the credential with this payload as a header value. The error is [ErrMalformed]
// if the payload lacks a field that its action requires.
func (e *Echo) Payload(p Payload) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	var room, digits [1400]byte // enough for all payloads without a transaction
	text := append(p.append(room[:0]), '}')
	return "Payment " + e.prefix + string(base64.RawURLEncoding.AppendEncode(digits[:0], text)), nil
}

// ParseCredential returns the first Payment credential of a credential header value. It ignores
// unknown fields. The error is [ErrMalformed] and never shows the value. Only servers need it.
func ParseCredential(s string) (Credential, error) {
	if len(s) > MaxCredential {
		return Credential{}, malformed(
			"credential of %d bytes is longer than %d", len(s), MaxCredential,
		)
	}
	for one := range strings.SplitSeq(s, ",") {
		scheme, token, _ := strings.Cut(strings.Trim(one, " \t"), " ")
		if !strings.EqualFold(scheme, "Payment") {
			continue
		}
		text, err := DecodeText(strings.TrimLeft(token, " "), MaxCredential)
		if err != nil {
			return Credential{}, err
		}
		return parseCredential(text)
	}
	return Credential{}, malformed("no Payment credential")
}

func parseCredential(text []byte) (Credential, error) {
	o, err := ParseObject(text)
	if err != nil {
		return Credential{}, err
	}
	c := Credential{
		Challenge: Required(o, "challenge", challenge),
		Payload:   Required(o, "payload", payload),
		Source:    Optional(o, "source", Value.Text),
	}
	if err := o.Err(); err != nil {
		return Credential{}, err
	}
	return c, nil
}

// challenge reads an echoed challenge.
func challenge(v Value) (Challenge, error) {
	o, err := v.Object()
	if err != nil {
		return Challenge{}, err
	}
	var c Challenge
	for i, p := range c.params() {
		if i < required {
			*p.value = Required(o, p.name, Value.Text)
		} else {
			*p.value = Optional(o, p.name, Value.Text)
		}
	}
	if err := o.Err(); err != nil {
		return Challenge{}, err
	}
	if err := c.validate(); err != nil {
		return Challenge{}, err
	}
	_, err = c.requestObject()
	return c, err
}
