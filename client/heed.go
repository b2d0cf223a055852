package client

import "net/http"

// heed keeps what an answer on the way to the price sets: cookies, which go with the request from
// now on, and, if it answers a proof, the channel that it names. It reports whether an answer
// without content leads on.
func (a *attempt) heed(resp *http.Response, proved bool) (leads bool) {
	who, req := a.who, a.out.req
	set := resp.Header["Set-Cookie"] // with those of the answers before
	if now := a.cookies.now(a.out.at); len(now) > 0 {
		a.out.req = withHeader(req, "Cookie", cookieLine(who.plain, now))
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
