package wire

import (
	"fmt"
	"slices"
	"strings"
)

// Preference is one entry of an Accept-Payment header. Method and Intent are lower-case names or *.
// Quality is the weight in thousandths, from 0 (never) to 1000.
type Preference struct {
	Method, Intent string
	Quality        int
}

// maxPreferences bounds the entries of one header.
const maxPreferences = 64

// ParseAcceptPayment reads an Accept-Payment value: a list of method/intent, each with an optional
// q of at most three decimals. The error is [ErrMalformed] if the list is empty or an entry is
// malformed.
func ParseAcceptPayment(s string) ([]Preference, error) {
	entries := strings.SplitN(s, ",", maxPreferences+1)
	if len(entries) > maxPreferences {
		return nil, malformed("more than %d payment preferences", maxPreferences)
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
			return nil, malformed("payment preference %s", shown(entry))
		}
		prefs = append(prefs, p)
	}
	return prefs, nil
}

// FormatAcceptPayment writes an Accept-Payment value. The error is [ErrMalformed] if there is no
// preference, a name is invalid, or a quality is not between 0 and 1000.
func FormatAcceptPayment(prefs ...Preference) (string, error) {
	if len(prefs) == 0 {
		return "", malformed("no payment preference")
	}
	var dst []byte
	for i, p := range prefs {
		if !isPreferred(p.Method) || !isPreferred(p.Intent) || p.Quality < 0 || p.Quality > 1000 {
			return "", malformed("payment preference %+v", p)
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

// Rank returns the challenges that match a preference, those with the highest quality first and
// otherwise in their order. If several entries match a challenge, the most specific one counts, and
// among these the one with the highest quality. Challenges with quality 0 are omitted.
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

// match returns how many names match without a *, or -1 if the entry does not match.
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
	if !strings.EqualFold(strings.Trim(name, " \t"), "q") || len(decimals) > 3 ||
		whole != "0" && whole != "1" {
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
