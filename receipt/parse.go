package receipt

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// Parse reads the value of a Payment-Receipt header: a JSON object in base64url, with or without
// padding. The error is [ErrMalformed].
func Parse(header string) (Receipt, error) {
	text, err := wire.DecodeText(header, wire.MaxDocument)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return ParseFrame(text)
}

// ParseFrame reads the data of a payment-receipt frame: the JSON object that is also in the header.
// It keeps a copy of data. The error is [ErrMalformed].
func ParseFrame(data []byte) (Receipt, error) {
	if len(data) > wire.MaxDocument {
		return Receipt{}, fmt.Errorf(
			"%w: %d bytes, the maximum is %d", ErrMalformed, len(data), wire.MaxDocument,
		)
	}
	o, err := wire.ParseObject(data)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r := Receipt{
		Method:     wire.Required(o, "method", only("tempo")),
		Status:     wire.Required(o, "status", only("success")),
		Intent:     wire.Optional(o, "intent", only("session")),
		Timestamp:  wire.Required(o, "timestamp", timestamp),
		Reference:  wire.Required(o, "reference", notEmpty),
		ExternalID: wire.Optional(o, "externalId", wire.Value.Text),
		TxHash:     wire.Optional(o, "txHash", wire.Value.Hash),
		Session:    hasSession(o),
		Raw:        append([]byte(nil), data...),
	}
	if r.Session {
		r.Intent = wire.Required(o, "intent", only("session"))
		r.ChallengeID = wire.Required(o, "challengeId", notEmpty)
		r.ChannelID = wire.Required(o, "channelId", wire.Value.Hash)
		r.Accepted = wire.Required(o, "acceptedCumulative", wire.Value.Amount)
		r.Spent = wire.Required(o, "spent", wire.Value.Amount)
		r.Units = wire.Optional(o, "units", wire.Value.Uint64)
	}
	if err := o.Err(); err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return r, nil
}

// hasSession reports whether the receipt has any field of a session, apart from the intent. It must
// have all of them then.
func hasSession(o *wire.Object) bool {
	for _, name := range []string{
		"challengeId", "channelId", "acceptedCumulative", "spent", "units",
	} {
		if o.Has(name) {
			return true
		}
	}
	return false
}

// only returns a reader of strings that accepts nothing but want.
func only(want string) func(wire.Value) (string, error) {
	return func(v wire.Value) (string, error) {
		s, err := v.Text()
		if err == nil && s != want {
			err = fmt.Errorf("%.40q instead of %q", s, want)
		}
		return s, err
	}
}

func notEmpty(v wire.Value) (string, error) {
	s, err := v.Text()
	if err == nil && s == "" {
		err = errEmpty
	}
	return s, err
}

// timestamp reads an RFC 3339 time with a year from 1 to 9999, so that it can be written again.
func timestamp(v wire.Value) (t time.Time, err error) {
	s, err := v.Text()
	if err != nil {
		return t, err
	}
	// "T" and "Z" may be written in lower case (RFC 3339, 5.6).
	if err := t.UnmarshalText([]byte(strings.ToUpper(s))); err != nil {
		return time.Time{}, errTime
	}
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		return time.Time{}, errTime
	}
	return t, nil
}

var (
	errEmpty = errors.New("empty string")
	errTime  = errors.New("not an RFC 3339 time")
)
