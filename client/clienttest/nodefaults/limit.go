package nodefaults

import (
	"net/http"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Limits of the rate, in the ways in which providers say so. Nothing is passed on to the chain.
const (
	// LimitHTTP answers HTTP 429 without a Retry-After.
	LimitHTTP Fault = "limit-http"
	// LimitHTTPRetryAfter answers HTTP 429 with a Retry-After of one second.
	LimitHTTPRetryAfter Fault = "limit-http-retry-after"
	// LimitHTTPYears answers HTTP 429 with a Retry-After of thirty years.
	LimitHTTPYears Fault = "limit-http-years"
	// LimitHTTPCode answers HTTP 429 with a JSON-RPC error in the body.
	LimitHTTPCode Fault = "limit-http-code"
	// Limit32005 answers every call with error -32005 in HTTP 200.
	Limit32005 Fault = "limit-32005"
	// Limit429 answers every call with error 429 in HTTP 200.
	Limit429 Fault = "limit-429"
	// Limit32016 answers every call with error -32016 in HTTP 200.
	Limit32016 Fault = "limit-32016"
	// LimitCalls answers the first call of each request, and refuses the others with error -32005.
	LimitCalls Fault = "limit-calls"
	// LimitBatch answers a batch with one error 429 for all of it.
	LimitBatch Fault = "limit-batch"
	// LimitLogs answers eth_getLogs with error -32005, and everything else correctly.
	LimitLogs Fault = "limit-logs"
)

var limitTable = table{
	LimitHTTP:           status(http.StatusTooManyRequests, "", "Too Many Requests"),
	LimitHTTPRetryAfter: status(http.StatusTooManyRequests, "1", "Too Many Requests"),
	LimitHTTPYears:      status(http.StatusTooManyRequests, "946080000", "Too Many Requests"),
	LimitHTTPCode: status(http.StatusTooManyRequests, "",
		`{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"rate limited"}}`),
	Limit32005: failsAll(-32005, "daily request count exceeded, request rate limited"),
	Limit429:   failsAll(429, "Your app has exceeded its compute units per second capacity"),
	Limit32016: failsAll(-32016, "over rate limit"),
	LimitCalls: {Answer: func(x *node.Exchange, c node.Call, a *node.Answer) bool {
		if c.Seq == x.Calls[0].Seq || c.Sends() {
			return false
		}
		a.Fail(-32005, "limit exceeded")
		return true
	}},
	LimitBatch: {Batch: func([]node.Answer) any { return refusal(429, "too many requests in a batch") }},
	LimitLogs:  fails("eth_getLogs", -32005, "limit exceeded"),
}

// refusal is one answer for a whole batch.
func refusal(code int, message string) node.Answer {
	a := node.Answer{Version: "2.0", ID: []byte("null")}
	a.Fail(code, message)
	return a
}

// status answers every request with an HTTP status.
func status(code int, retryAfter, body string) node.Fault {
	return node.Fault{Instead: func(x *node.Exchange) {
		if retryAfter != "" {
			x.Writer().Header().Set("Retry-After", retryAfter)
		}
		x.Writer().WriteHeader(code)
		_, _ = x.Writer().Write([]byte(body))
	}}
}
