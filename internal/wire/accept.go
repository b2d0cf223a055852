package wire

import (
	"fmt"
	"slices"
	"strings"
)

// Preference is one entry of an Accept-Payment header: a method and an intent, each a lower-case name
// or *, and how much they are wanted, in thousandths (1000 is the most, 0 is not at all).
type Preference struct {
	Method, Intent string
	Quality        int
}

// maxPreferences bounds the entries of one header.
const maxPreferences = 64

// ParseAcceptPayment reads an Accept-Payment value: method/intent, each with an optional q of at most
// three decimals. An empty header or one bad entry makes it [ErrMalformed].
func ParseAcceptPayment(s string) ([]Preference, error) {
	entries := strings.SplitN(s, ",", maxPreferences+1)
	if len(entries) > maxPreferences {
		return nil, fmt.Errorf("%w: more than %d payment preferences", ErrMalformed, maxPreferences)
	}
	prefs := make([]Preference, 0, len(entries))
	for _, entry := range entries {
		name, parameter, weighted := strings.Cut(entry, ";")
		p := Preference{Quality: 1000}
		p.Method, p.Intent, _ = strings.Cut(strings.Trim(name, " \t"), "/")
		ok := isPreferred(p.Method) && isPreferred(p.Intent)
		if weighted && ok {
			p.Quality, ok = parseQuality(strings.Trim(parameter, " \t"))
		}
		if !ok {
			return nil, fmt.Errorf("%w: payment preference %s", ErrMalformed, shown(entry))
		}
		prefs = append(prefs, p)
	}
	return prefs, nil
}

// FormatAcceptPayment writes an Accept-Payment value. No preference, a bad name and a quality outside 0
// to 1000 are [ErrMalformed].
func FormatAcceptPayment(prefs ...Preference) (string, error) {
	if len(prefs) == 0 {
		return "", fmt.Errorf("%w: no payment preference", ErrMalformed)
	}
	var dst []byte
	for i, p := range prefs {
		if !isPreferred(p.Method) || !isPreferred(p.Intent) || p.Quality < 0 || p.Quality > 1000 {
			return "", fmt.Errorf("%w: payment preference %+v", ErrMalformed, p)
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = fmt.Appendf(dst, "%s/%s", p.Method, p.Intent)
		if p.Quality < 1000 {
			q := strings.TrimRight(fmt.Sprintf("0.%03d", p.Quality), "0")
			dst = fmt.Appendf(dst, ";q=%s", strings.TrimSuffix(q, "."))
		}
	}
	return string(dst), nil
}

// Rank returns the challenges that are wanted, the most wanted first and otherwise in their order. The
// most specific entry that matches decides for a challenge, among equal ones that of the higher quality; a
// challenge that none matches, or whose entry has quality 0, is left out.
func Rank(prefs []Preference, challenges []Challenge) []Challenge {
	quality := func(c Challenge) int {
		best, specific := 0, -1
		for _, p := range prefs {
			if n := p.match(c); n > specific || n == specific && n >= 0 && p.Quality > best {
				best, specific = p.Quality, n
			}
		}
		return best
	}
	wanted := make([]Challenge, 0, len(challenges))
	for _, c := range challenges {
		if quality(c) > 0 {
			wanted = append(wanted, c)
		}
	}
	slices.SortStableFunc(wanted, func(a, b Challenge) int { return quality(b) - quality(a) })
	return wanted
}

// match is how specifically the entry matches: 2 for both names, -1 for not at all.
func (p Preference) match(c Challenge) int {
	n := 0
	for _, side := range [2][2]string{{p.Method, c.Method}, {p.Intent, c.Intent}} {
		switch side[0] {
		case side[1]:
			n++
		case "*":
		default:
			return -1
		}
	}
	return n
}

// isPreferred matches * and [a-z0-9-]+.
func isPreferred(s string) bool {
	for i := range len(s) {
		if !isLower(s[i]) && !isDigit(s[i]) && s[i] != '-' {
			return s == "*"
		}
	}
	return s != ""
}

// parseQuality reads q=0 to q=1 with at most three decimals (RFC 9110 12.4.2).
func parseQuality(s string) (int, bool) {
	name, number, _ := strings.Cut(s, "=")
	whole, decimals, _ := strings.Cut(strings.Trim(number, " \t"), ".")
	if !strings.EqualFold(strings.Trim(name, " \t"), "q") || len(decimals) > 3 || whole != "0" && whole != "1" {
		return 0, false
	}
	q := int(whole[0] - '0')
	for _, c := range []byte((decimals + "000")[:3]) {
		if !isDigit(c) {
			return 0, false
		}
		q = q*10 + int(c-'0')
	}
	return q, q <= 1000
}
