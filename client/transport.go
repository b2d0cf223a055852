package client

import (
	"errors"
	"net/http"
)

// Transport is an [http.RoundTripper] that answers 402 challenges. It may be copied before its first
// use and is safe for concurrent use. To a request that costs nothing it adds an Accept-Payment header,
// and a Payment-Session header if the session used a channel at that origin.
type Transport struct {
	// Session pays. Required.
	Session *Session
	// Base sends. Nil means the session's Config.Base.
	Base http.RoundTripper
}

// RoundTrip sends the request, pays if the answer is a challenge that the session can and may pay, and
// returns the paid response. It does not change the caller's request. A 402 that this session cannot
// pay is returned as it is; [PaymentOf] then has the reason. An error about payment is an [*Error].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Session == nil {
		closeBody(req)
		return nil, errors.New("client: Transport.Session is nil: set it to a session from client.New")
	}
	base := t.Base
	if base == nil {
		base = t.Session.cfg.Base
	}
	return t.Session.roundTrip(req, base)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
