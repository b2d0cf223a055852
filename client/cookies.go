package client

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
)

const (
	// maxCookies bounds how many cookies of answers before the last one are kept.
	maxCookies = 64
	// maxCookieText bounds what they set, in bytes, and what of it goes with requests of ours.
	maxCookieText = 8 << 10
)

// cookies are those that the answers to one request of the caller, and to the requests that pay for
// it, set. They go with the management requests that follow, so that a load balancer that binds a
// client to a backend by a cookie brings a voucher to where its stream is, and to the caller with the
// answer. They end with the request: a jar of the caller's keeps them longer. The zero value has none.
type cookies struct {
	lines []string       // as they were set, for the answer that the caller gets
	here  int            // how many of them the answer at hand has
	text  int            // of lines, in bytes
	jar   *cookiejar.Jar // keeps them by the rules of domain, path, age and TLS
	sizes map[string]int // what the jar was given, in bytes, by name, domain and path
	total int            // of sizes
}

// setBy keeps what an answer from a URL sets. More than fits is left out; what was set before can be
// set anew.
func (c *cookies) setBy(at *url.URL, h http.Header) {
	if c.jar == nil {
		c.jar, _ = cookiejar.New(nil) // never fails
		c.sizes = map[string]int{}
	}
	for _, line := range h["Set-Cookie"] {
		if c.text += len(line); len(c.lines) == maxCookies || c.text > maxCookieText {
			break
		}
		c.lines = append(c.lines, line)
	}
	var kept []*http.Cookie
	for _, cookie := range (&http.Response{Header: h}).Cookies() {
		key := fmt.Sprintf("%q %q %q", cookie.Name, cookie.Domain, cookie.Path)
		had, known := c.sizes[key]
		now := c.total - had + len(cookie.Raw)
		if now > maxCookieText || (!known && len(c.sizes) == maxCookies) {
			continue
		}
		c.sizes[key], c.total = len(cookie.Raw), now
		kept = append(kept, cookie)
	}
	c.jar.SetCookies(at, kept)
}

// now returns the cookies for a request to a URL.
func (c *cookies) now(to *url.URL) []*http.Cookie {
	if c.jar == nil {
		return nil
	}
	return c.jar.Cookies(to)
}

// passOn puts the cookies of earlier answers before those of an answer, which replace them in a jar,
// and keeps those of the answer.
func (a *attempt) passOn(resp *http.Response) {
	earlier := a.cookies.lines
	a.keepCookies(resp.Header)
	if a.cookies.here = len(a.cookies.lines); len(earlier) > 0 {
		addCookieLines(resp, earlier, nil)
	}
}

// finish puts the cookies that were set after the answer that the caller gets, by the answers to a top-up
// or a proof that came to nothing, behind its own.
func (c *cookies) finish(resp *http.Response) {
	addCookieLines(resp, nil, c.lines[c.here:])
}

// addCookieLines puts cookies before and behind those of an answer.
func addCookieLines(resp *http.Response, before, behind []string) {
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	resp.Header["Set-Cookie"] = slices.Concat(before, resp.Header["Set-Cookie"], behind)
}

// keepCookies keeps the cookies of an answer of the origin that the caller does not see.
func (a *attempt) keepCookies(h http.Header) {
	if len(h["Set-Cookie"]) > 0 {
		a.cookies.setBy(a.out.at, h)
	}
}

// look sends the request unpaid and returns what its answer says without its body.
func (a *attempt) look(ctx context.Context, hint string) (status int, h http.Header, err error) {
	status, h, err = a.out.look(ctx, hint)
	a.keepCookies(h)
	return status, h, err
}

// addCookies sets the cookies that were set since the request was made in a header of a request of
// ours, which has the caller's.
func (a *attempt) addCookies(h http.Header) {
	if set := a.cookies.now(a.out.at); len(set) > 0 {
		replace(h, "Cookie", cookieLine(h, set))
	}
}

// cookieLine returns the value of a Cookie header with cookies beside those of the caller's header,
// which stay as they are written, or in place of those of the same name.
func cookieLine(plain http.Header, set []*http.Cookie) string {
	replaced := map[string]bool{}
	for _, c := range set {
		replaced[c.Name] = true
	}
	var all []string
	own, _ := valuesOf(plain, "Cookie")
	for pair := range strings.SplitSeq(strings.Join(own, ";"), ";") {
		pair = strings.TrimSpace(pair)
		name, _, _ := strings.Cut(pair, "=")
		if pair != "" && !replaced[strings.TrimSpace(name)] {
			all = append(all, pair)
		}
	}
	for _, c := range set {
		all = append(all, (&http.Cookie{Name: c.Name, Value: c.Value, Quoted: c.Quoted}).String())
	}
	return strings.Join(all, "; ")
}
