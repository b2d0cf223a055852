package message

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// maxCredential bounds the credential header, in bytes.
const maxCredential = 64 << 10

// Credential is the content of a credential header.
type Credential struct {
	Challenge Challenge
	Source    string
	Payload   Object
}

// Object is a JSON object with case-sensitive keys.
type Object map[string]json.RawMessage

// ReadCredential returns the Payment credential of the header, or nil if there is none.
func ReadCredential(h http.Header, name string) (*Credential, error) {
	for _, one := range strings.Split(strings.Join(h.Values(name), ","), ",") {
		scheme, token, found := strings.Cut(strings.TrimSpace(one), " ")
		if found && strings.EqualFold(scheme, "Payment") {
			return parseCredential(strings.TrimSpace(token))
		}
	}
	return nil, nil
}

func parseCredential(token string) (*Credential, error) {
	if len(token) > maxCredential {
		return nil, errors.New("the credential is too long")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return nil, errors.New("the credential is not base64url without padding")
	}
	var outer, ch Object
	if err := json.Unmarshal(raw, &outer); err != nil {
		return nil, errors.New("the credential is not a JSON object")
	}
	if err := json.Unmarshal(outer["challenge"], &ch); err != nil || ch == nil {
		return nil, errors.New("the credential contains no challenge")
	}
	c := &Credential{}
	if c.Source, err = outer.Text("source"); err != nil {
		return nil, err
	}
	if raw, ok := outer["payload"]; ok {
		if err := json.Unmarshal(raw, &c.Payload); err != nil {
			return nil, errors.New("the credential's payload is not an object")
		}
	}
	for name, to := range c.Challenge.Fields() {
		if *to, err = ch.Text(name); err != nil {
			return nil, err
		}
	}
	if c.Challenge.ID == "" || c.Challenge.Request == "" {
		return nil, errors.New("the challenge in the credential has no id or no request")
	}
	return c, nil
}

// Text returns the string under the key, or "" if it is missing.
func (o Object) Text(key string) (s string, err error) {
	raw, ok := o[key]
	if !ok {
		return "", nil
	}
	if len(raw) > 1 && raw[0] == '"' && !bytes.ContainsFunc(raw, special) {
		return string(raw[1 : len(raw)-1]), nil
	}
	if err := json.Unmarshal(raw, &s); err != nil || string(raw) == "null" {
		return "", fmt.Errorf("%s is not a string", key)
	}
	return s, nil
}

// special reports whether a rune of a JSON string may not stand for itself alone.
func special(r rune) bool { return r == '\\' || r > '~' }

// Action returns the action of the payload, or "proof".
func (o Object) Action() string {
	action, _ := o.Text("action")
	if kind, _ := o.Text("type"); action == "" && kind == "proof" {
		return kind
	}
	return action
}
