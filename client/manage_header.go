package client

import (
	"net/http"
	"slices"
	"strings"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// ofOneMessage are the headers that describe one message or its connection, and those that are set
// anew for a management request. It has no body, its answer is not the caller's, and a server that
// keeps answers by key must not answer it with that of the request that it pays for.
var ofOneMessage = []string{
	"Accept-Encoding", "Accept-Payment", "Connection", "Digest", "Expect", "Host", "Http2-Settings",
	"Idempotency-Key", "If", "Keep-Alive", "Payment-Session", "Proxy-Connection", "Range",
	"Repr-Digest", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Idempotency-Key",
}

// managementHeader returns the headers of the caller's that a request without content carries to the
// same URL: keys, cookies, gateway ids and all else that whoever stands before the payee may want with
// every request, without those of one message. The names are canonical, so that a name that the caller
// wrote in lower case is not sent twice. A Proxy-Authorization stays: the next proxy is the same.
func managementHeader(own http.Header) http.Header {
	h := make(http.Header, len(own)+2)
	for name, values := range own {
		key := http.CanonicalHeaderKey(name)
		h[key] = append(h[key], values...)
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for name := range h {
		if strings.HasPrefix(name, "Content-") || strings.HasPrefix(name, "If-") || slices.Contains(ofOneMessage, name) {
			delete(h, name)
		}
	}
	if wantsStream(h) {
		h.Set("Accept", "*/*") // servers take what accepts events for content
	}
	return h
}

// managementRequestHeader returns the headers of a management request: those of the payment's request,
// the cookies that answers to it set, and the credential.
func (a *attempt) managementRequestHeader(accept string, credential header) http.Header {
	h := managementHeader(a.out.req.Header)
	a.addCookies(h)
	h[wire.HeaderAcceptPayment] = []string{accept}
	if credential.value != "" {
		h.Set(credential.name, credential.value) // in place of what the caller has there
	}
	return h
}
