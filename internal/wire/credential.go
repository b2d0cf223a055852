package wire

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// Credential answers a challenge. Source says who pays ([FormatSource]); empty where nobody is named.
type Credential struct {
	Challenge Challenge
	Payload   Payload
	Source    string
}

// Header is the credential as a header value. The error is that of [Echo.Payload].
func (c Credential) Header() (string, error) {
	return NewEcho(c.Challenge, c.Source).Payload(c.Payload)
}

// Echo is the part of a credential that is the same for every answer to one challenge, rendered once.
// It may be used by several goroutines at a time.
type Echo struct {
	// prefix is the base64url of all JSON before the payload, whose length is a multiple of three, so that
	// the rest can be encoded by itself.
	prefix string
}

// NewEcho renders the echo of a challenge: the parameters that it had, as they were. An empty source is
// left out.
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

// Payload writes the credential with this payload, as a header value. A payload that lacks what its
// action needs is [ErrMalformed].
func (e *Echo) Payload(p Payload) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	var room, digits [1400]byte // for all but transactions
	text := append(p.append(room[:0]), '}')
	return "Payment " + e.prefix + string(base64.RawURLEncoding.AppendEncode(digits[:0], text)), nil
}

// ParseCredential reads a credential header value: the first Payment credential among the schemes in
// it. Unknown fields are ignored. What does not fit is [ErrMalformed]; the error never shows the value. It is
// for servers.
func ParseCredential(s string) (Credential, error) {
	if len(s) > MaxCredential {
		return Credential{}, fmt.Errorf("%w: a credential of %d bytes, at most %d are read", ErrMalformed, len(s), MaxCredential)
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
	return Credential{}, fmt.Errorf("%w: no Payment credential", ErrMalformed)
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
