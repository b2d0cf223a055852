package policyfile

import (
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// kinds describes the kinds of values.
var kinds = map[unstable.Kind]string{
	unstable.String: "text", unstable.Bool: "true or false",
	unstable.Integer: "a number without quotes", unstable.Float: "a number without quotes",
	unstable.Array: "a list", unstable.LocalDate: "a date", unstable.LocalTime: "a time",
	unstable.LocalDateTime: "a date", unstable.DateTime: "a date",
}

// text returns a value that has to be in quotes.
func (d *decoder) text(full, expected string, v value) (string, bool) {
	if v.kind != unstable.String {
		d.fail(v.at, expected, "%s is %s", full, kinds[v.kind])
		return "", false
	}
	return v.text, true
}

func (d *decoder) boolean(full string, v value) bool {
	if v.kind != unstable.Bool {
		d.fail(v.at, "true or false, without quotes", "%s is %s", full, kinds[v.kind])
	}
	return v.text == "true"
}

// listed returns a list of values, each read by one.
func listed[T any](d *decoder, full string, v value, one func(string, value) (T, bool)) (out []T) {
	if v.kind != unstable.Array {
		d.fail(v.at, "a list in square brackets", "%s is %s", full, kinds[v.kind])
		return nil
	}
	if len(v.items) == 0 {
		d.fail(v.at, "at least one, or no such line", "%s is an empty list", full)
	}
	for _, item := range v.items {
		if t, ok := one(full, item); ok {
			out = append(out, t)
		}
	}
	return out
}

func (d *decoder) amount(full string, v value, decimals int) (a voucher.Amount) {
	const expected = `an amount above zero in quotes: tokens ("0.25") or base units ("250000u")`
	text, ok := d.text(full, expected, v)
	if !ok {
		return a
	}
	a, err := parseAmount(text, decimals)
	switch {
	case err != nil:
		d.fail(v.at, expected, "%s: %s", full, err)
	case a.IsZero():
		// A zero limit is one that is not set, and some of those allow more than zero.
		d.fail(v.at, expected+`; to pay nothing write mode = "read-only"; `+
			"to pay an origin nothing list it under [hosts] deny", "%s is zero", full)
	}
	return a
}

func (d *decoder) address(full string, v value) (a common.Address, ok bool) {
	const expected = "an address in quotes: 0x and 40 hexadecimal digits, " +
		"in lower case, or in mixed case with their checksum"
	text, ok := d.text(full, expected, v)
	if !ok {
		return a, false
	}
	digits, prefixed := strings.CutPrefix(text, "0x")
	switch a = common.HexToAddress(text); {
	case !prefixed:
		d.fail(v.at, expected, "%s: %s does not begin with 0x", full, shown(text))
	case len(digits) != 2*common.AddressLength:
		d.fail(v.at, expected, "%s: %s has %d digits", full, shown(text), len(digits))
	case !common.IsHexAddress(text):
		d.fail(v.at, expected, "%s: %s is not hexadecimal", full, shown(text))
	case digits != strings.ToLower(digits) && a.Hex() != text:
		d.fail(v.at, expected, "%s: %s has a wrong checksum", full, shown(text))
	case a == common.Address{}:
		d.fail(v.at, expected, "%s is the zero address", full)
	default:
		return a, true
	}
	return a, false
}

const (
	anOrigin = `an origin: "https://api.example.com", or with a port "https://api.example.com:8443"`
	aHost    = `a host: "api.example.com"; or an origin: "https://api.example.com"`
)

// host reads an entry of [hosts].
func (d *decoder) host(full string, v value) (e origin.Entry, ok bool) {
	text, ok := d.text(full, aHost, v)
	if !ok {
		return e, false
	}
	if strings.Contains(text, "://") {
		o, ok := d.origin(full, text, aHost, v.at)
		if !ok {
			return e, false
		}
		text = o
	}
	e, err := origin.ParseEntry(text)
	if err != nil {
		d.fail(v.at, aHost, "%s: %s", full, err)
	}
	return e, err == nil
}

// origin reads an origin and returns its canonical spelling.
func (d *decoder) origin(full, text, expected string, at place) (string, bool) {
	o, err := origin.Parse(text)
	if err != nil {
		d.fail(at, expected, "%s: %s", full, err)
		return "", false
	}
	if _, rest, _ := strings.Cut(text, "://"); strings.ContainsAny(rest, "/?#") {
		d.fail(at, expected, "%s: %s has more than a scheme, a host and a port", full, shown(text))
		return "", false
	}
	return o, true
}
