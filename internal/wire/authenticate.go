package wire

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ParseChallenges reads the Payment challenges of all WWW-Authenticate values, in order. It skips
// challenges of other schemes. If some challenges are malformed, it returns the others together
// with an error that joins the errors of the malformed ones. It returns nil and nil if there is no
// Payment challenge.
//
// The grammar is that of RFC 9110 section 11.6.1: schemes and parameters are separated by commas
// outside quoted strings. Bytes are Latin-1. Two things are accepted beyond the grammar: an
// unquoted value may contain any characters up to the comma, and text after the closing quote of a
// description is ignored, because servers forget to escape quotes in it.
func ParseChallenges(h http.Header) ([]Challenge, error) {
	p := parser{}
	left := MaxChallengeBytes
	for _, line := range h.Values(HeaderWWWAuthenticate) {
		if left -= len(line); left < 0 {
			p.errs = append(
				p.errs, malformed("more than %d bytes of challenges", MaxChallengeBytes),
			)
			break
		}
		p.line(line)
	}
	return p.good, errors.Join(p.errs...)
}

// parser holds the state of ParseChallenges: the results and the current challenge.
type parser struct {
	good []Challenge
	errs []error

	in     bool // cur is a Payment challenge
	cur    Challenge
	err    error    // the first error of cur
	seen   uint16   // the known parameters of cur, by their index in params
	others []string // the unknown parameters of cur
}

// line reads one header value. Each element between commas begins a challenge or continues one.
func (p *parser) line(s string) {
	for i := 0; i < len(s) && len(p.good)+len(p.errs) <= MaxChallenges; {
		if i = skipBlank(s, i); i < len(s) && s[i] == ',' {
			i++
			continue
		}
		end := tokenEnd(s, i)
		next := skipBlank(s, end)
		switch {
		case end > i && next < len(s) && s[next] == '=':
			i = p.param(s, i, end, next+1)
		case end > i && (next > end || next == len(s) || s[next] == ','):
			i = p.scheme(s, s[i:end], next)
		default:
			p.fail("no parameter", s[i:])
			i = skipElement(s, i)
		}
	}
	p.finish()
}

// scheme begins a challenge. The index of its first parameter, if any, is next.
func (p *parser) scheme(s, name string, next int) int {
	p.finish()
	if !strings.EqualFold(name, "Payment") {
		return skipElement(s, next)
	}
	p.in = true
	end := tokenEnd(s, next)
	if eq := skipBlank(s, end); end > next && eq < len(s) && s[eq] == '=' {
		return p.param(s, next, end, eq+1)
	}
	if rest := skipElement(s, next); rest > next {
		p.fail("no parameter", s[next:rest])
		return rest
	}
	return next
}

// param reads the value at i of the parameter whose name is s[name:nameEnd].
func (p *parser) param(s string, name, nameEnd, i int) int {
	key := strings.ToLower(s[name:nameEnd])
	var value string
	if i = skipBlank(s, i); i < len(s) && s[i] == '"' {
		var ok bool
		if value, i, ok = unquote(s, i); !ok {
			p.fail("unterminated quoted string", key)
			return i
		}
		if i = skipBlank(s, i); i < len(s) && s[i] != ',' && key != "description" {
			p.fail("text after the quoted string", key)
		}
		i = skipElement(s, i)
	} else {
		end := skipElement(s, i)
		value = text(strings.TrimRight(s[i:end], " \t"))
		if strings.Contains(value, `"`) {
			p.fail("quote in the value", key)
		}
		i = end
	}
	if p.in && p.err == nil {
		p.set(key, value)
	}
	return i
}

// realmSeen is the bit of realm in seen.
const realmSeen = 1 << 1

// set stores a parameter. A duplicate parameter is an error, because implementations differ in
// which one they use.
func (p *parser) set(key, value string) {
	for i, param := range p.cur.params() {
		if param.name != key {
			continue
		}
		bit := uint16(1) << i
		if p.seen&bit != 0 {
			p.fail("duplicate parameter", key)
			return
		}
		p.seen |= bit
		*param.value = value
		if value == "" && key != "realm" && key != "description" && key != "opaque" {
			p.fail("empty parameter", key)
		}
		return
	}
	for _, other := range p.others {
		if other == key {
			p.fail("duplicate parameter", key)
			return
		}
	}
	if len(p.others) == MaxParams {
		p.fail("too many parameters at", key)
		return
	}
	p.others = append(p.others, key)
}

// fail stores the first error of the challenge.
func (p *parser) fail(what, where string) {
	if p.in && p.err == nil {
		p.err = malformed("%s: %s", what, shown(where))
	}
}

// finish stores the current challenge or its error.
func (p *parser) finish() {
	if !p.in {
		return
	}
	if p.seen&realmSeen == 0 {
		p.fail("missing parameter", "realm")
	}
	err := p.err
	if err == nil {
		err = p.cur.validate()
	}
	if err == nil {
		_, err = p.cur.requestObject()
	}
	switch n := len(p.good) + len(p.errs); {
	case n > MaxChallenges:
	case n == MaxChallenges:
		p.errs = append(p.errs, malformed("more than %d challenges", MaxChallenges))
	case err != nil:
		p.errs = append(p.errs, fmt.Errorf("challenge %s: %w", shown(p.cur.ID), err))
	default:
		// The parameters are substrings of the header line. Copies let the line be freed.
		for _, param := range p.cur.params() {
			*param.value = strings.Clone(*param.value)
		}
		p.good = append(p.good, p.cur)
	}
	p.in, p.cur, p.err, p.seen, p.others = false, Challenge{}, nil, 0, p.others[:0]
}
