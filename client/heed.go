package client

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
)

// maxCookieText bounds what a payee may set that goes with the request, in bytes.
const maxCookieText = 8 << 10

// heed keeps what an answer on the way to the price sets: cookies, which go with the request from
// now on, and, if it answers a proof, the channel that it names. It reports whether an answer
// without content leads on.
func (a *attempt) heed(resp *http.Response, proved bool) (leads bool) {
	who, req := a.who, a.out.req
	if who.jar == nil {
		who.jar, _ = cookiejar.New(nil) // never fails
	}
	set := resp.Header["Set-Cookie"] // with those of the answers before
	if size := len(strings.Join(set, "")); size > 0 && size <= maxCookieText && len(set) <= maxCookies {
		who.jar.SetCookies(req.URL, resp.Cookies())
		a.out.req = withCookies(req, who.plain, who.jar.Cookies(req.URL))
	}
	if !proved {
		return false
	}
	safe := req.Method == "" || req.Method == http.MethodGet || req.Method == http.MethodHead
	leads = resp.StatusCode == http.StatusNoContent && safe && len(set) > 0
	if id := channelIn(resp.Header); id != zeroHash {
		who.channel, a.hint = id, id.Hex()
		leads = resp.StatusCode == http.StatusNoContent
	}
	if snap, err := snapshotOf(resp.Header); err == nil && snap != nil {
		who.snap = snap
	}
	return leads
}

// withHeader returns a copy of a request with a header in the place of the caller's.
func withHeader(req *http.Request, name, value string) *http.Request {
	out := *req
	if out.Header = req.Header.Clone(); out.Header == nil {
		out.Header = http.Header{}
	}
	replace(out.Header, name, value)
	return &out
}

// withCookies returns a copy of a request with cookies beside those of the caller's header, which stay
// as they are written, or in place of those of the same name.
func withCookies(req *http.Request, plain http.Header, set []*http.Cookie) *http.Request {
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
	return withHeader(req, "Cookie", strings.Join(all, "; "))
}
