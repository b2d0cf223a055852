package client

import "net/http"

// Transport is an [http.RoundTripper] that answers 402 challenges. It may be copied before its first
// use and is safe for concurrent use. To a request that costs nothing it adds an Accept-Payment header,
// and a Payment-Session header if the session used a channel at that origin.
type Transport struct {
	// Session pays. Required.
	Session *Session
	// Base sends. Nil means the session's Config.Base.
	Base http.RoundTripper
}
