package wire

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ParseChallenges reads the Payment challenges of all WWW-Authenticate values, in order. Challenges of
// other schemes are passed over. A challenge that is malformed does not hide the others: the good ones are
// returned together with an error that joins what was wrong with the rest. Nil and nil mean that there is
// none.
//
// The grammar is RFC 9110 11.6.1: schemes and parameters are separated by commas outside quoted strings. Bytes
// are Latin-1. Beyond the grammar, an unquoted value may hold any characters up to the comma, and what follows the
// closing quote of a description is passed over, since servers forget to escape quotes in it.
func ParseChallenges(h http.Header) ([]Challenge, error) {
	p := parser{}
	left := MaxChallengeBytes
	for _, line := range h.Values(HeaderWWWAuthenticate) {
		if left -= len(line); left < 0 {
			p.errs = append(p.errs, fmt.Errorf("%w: more than %d bytes of challenges", ErrMalformed, MaxChallengeBytes))
			break
		}
		p.line(line)
	}
	return p.good, errors.Join(p.errs...)
}

// parser reads header values; it holds the challenge that is being read.
type parser struct {
	good []Challenge
	errs []error

	in     bool // a Payment challenge is being read
	cur    Challenge
	err    error    // the first thing wrong with cur
	seen   uint16   // the known parameters that cur has, by their place in params
	others []string // the unknown ones
}

// line reads one header value: elements between commas, each of which begins a challenge or goes on with
// one.
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

// scheme begins a challenge; next is where its first parameter would be.
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
			p.fail("a quoted string without end", key)
			return i
		}
		if i = skipBlank(s, i); i < len(s) && s[i] != ',' && key != "description" {
			p.fail("text after the quoted string", key)
		}
		i = skipElement(s, i)
	} else {
		end := skipElement(s, i)
		value = latin1(strings.TrimRight(s[i:end], " \t"))
		if strings.Contains(value, `"`) {
			p.fail("a quote in the value", key)
		}
		i = end
	}
	if p.in && p.err == nil {
		p.set(key, value)
	}
	return i
}

// realmSeen is the bit of realm in seen, by its place in params.
const realmSeen = 1 << 1

// set books a parameter. One that comes twice spoils the challenge: readers differ in which they take.
func (p *parser) set(key, value string) {
	for i, param := range p.cur.params() {
		if param.name != key {
			continue
		}
		bit := uint16(1) << i
		if p.seen&bit != 0 {
			p.fail("a parameter that comes twice", key)
			return
		}
		p.seen |= bit
		*param.value = value
		if value == "" && key != "realm" && key != "description" && key != "opaque" {
			p.fail("an empty parameter", key)
		}
		return
	}
	for _, other := range p.others {
		if other == key {
			p.fail("a parameter that comes twice", key)
			return
		}
	}
	if len(p.others) == MaxParams {
		p.fail("too many parameters, the last", key)
		return
	}
	p.others = append(p.others, key)
}

// fail books what is wrong with the challenge, and where.
func (p *parser) fail(what, where string) {
	if p.in && p.err == nil {
		p.err = fmt.Errorf("%w: %s: %s", ErrMalformed, what, shown(where))
	}
}

// finish books the challenge that was being read.
func (p *parser) finish() {
	if !p.in {
		return
	}
	if p.seen&realmSeen == 0 {
		p.fail("a parameter is missing", "realm")
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
		p.errs = append(p.errs, fmt.Errorf("%w: more than %d challenges", ErrMalformed, MaxChallenges))
	case err != nil:
		p.errs = append(p.errs, fmt.Errorf("challenge %s: %w", shown(p.cur.ID), err))
	default:
		// The parameters are parts of the header line; a challenge that is kept must not keep all of it.
		for _, param := range p.cur.params() {
			*param.value = strings.Clone(*param.value)
		}
		p.good = append(p.good, p.cur)
	}
	p.in, p.cur, p.err, p.seen, p.others = false, Challenge{}, nil, 0, p.others[:0]
}
