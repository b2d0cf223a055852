package nodefaults

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/node"
)

// Faults of HTTP, and of gateways between the client and the node.
const (
	// Reset closes the connection of every request.
	Reset Fault = "reset"
	// Hangs never answers.
	Hangs Fault = "hangs"
	// Slow answers every request after three seconds.
	Slow Fault = "slow"
	// Dribble sends each answer byte by byte, a hundredth of a second apart.
	Dribble Fault = "dribble"
	// Truncated ends the JSON of every answer in the middle.
	Truncated Fault = "truncated"
	// Cut closes the connection in the middle of every answer.
	Cut Fault = "cut"
	// Huge sends eight megabytes of blanks before each answer.
	Huge Fault = "huge"
	// Endless sends blanks without end.
	Endless Fault = "endless"
	// HugeHeader sends eleven megabytes of header with each answer.
	HugeHeader Fault = "huge-header"
	// EmptyBody answers HTTP 200 with nothing.
	EmptyBody Fault = "empty-body"
	// NullBody answers HTTP 200 with null.
	NullBody Fault = "null-body"
	// Words answers HTTP 200 with a sentence.
	Words Fault = "words"
	// Page200 answers with a page of HTML and HTTP 200.
	Page200 Fault = "page-200"
	// Page502 answers with the page of a gateway and HTTP 502.
	Page502 Fault = "page-502"
	// Page503 answers with the page of a gateway and HTTP 503.
	Page503 Fault = "page-503"
	// Page504 answers with the page of a gateway and HTTP 504, after passing the request on.
	Page504 Fault = "page-504"
	// Unauthorized answers HTTP 401.
	Unauthorized Fault = "unauthorized"
	// TooLarge answers HTTP 413.
	TooLarge Fault = "too-large"
	// Redirected sends every request to the same URL again with HTTP 307.
	Redirected Fault = "redirected"
)

var transportTable = table{
	Reset:     {Instead: (*node.Exchange).Reset},
	Hangs:     {Instead: (*node.Exchange).Hang},
	Slow:      {Before: func(x *node.Exchange) { x.Sleep(3 * time.Second) }},
	Dribble:   {Body: dribble},
	Truncated: {Body: func(x *node.Exchange, body []byte) { _, _ = x.Writer().Write(body[:len(body)/2]) }},
	Cut: {Body: func(x *node.Exchange, body []byte) {
		x.Writer().Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = x.Writer().Write(body[:len(body)/2])
		x.Flush()
		x.Reset()
	}},
	Huge: {Body: func(x *node.Exchange, body []byte) {
		for range 128 {
			if _, err := x.Writer().Write(blanks); err != nil {
				return
			}
		}
		_, _ = x.Writer().Write(body)
	}},
	Endless: {Instead: func(x *node.Exchange) {
		for x.Request().Context().Err() == nil {
			if _, err := x.Writer().Write(blanks); err != nil {
				return
			}
		}
	}},
	HugeHeader: {Body: func(x *node.Exchange, body []byte) {
		x.Writer().Header().Set("X-Huge", hugeHeader())
		_, _ = x.Writer().Write(body)
	}},
	EmptyBody: status(http.StatusOK, "", ""),
	NullBody:  status(http.StatusOK, "", "null"),
	Words:     status(http.StatusOK, "", "All systems operational."),
	Page200:   status(http.StatusOK, "", page("Checking your browser")),
	Page502:   status(http.StatusBadGateway, "", page("502 Bad Gateway")),
	Page503:   status(http.StatusServiceUnavailable, "", page("503 Service Temporarily Unavailable")),
	Page504: {Body: func(x *node.Exchange, _ []byte) {
		x.Writer().Header().Set("Content-Type", "text/html")
		x.Writer().WriteHeader(http.StatusGatewayTimeout)
		_, _ = x.Writer().Write([]byte(page("504 Gateway Time-out")))
	}},
	Unauthorized: status(http.StatusUnauthorized, "", `{"error":"invalid API key"}`),
	TooLarge:     status(http.StatusRequestEntityTooLarge, "", "Payload Too Large"),
	Redirected: {Instead: func(x *node.Exchange) {
		http.Redirect(x.Writer(), x.Request(), x.Request().URL.Path, http.StatusTemporaryRedirect)
	}},
}

// blanks are 64 kilobytes of JSON that says nothing.
var blanks = []byte(strings.Repeat(" ", 64<<10))

// hugeHeader is longer than a header that net/http reads.
var hugeHeader = sync.OnceValue(func() string { return strings.Repeat("x", 11<<20) })

// page is a page of a gateway.
func page(title string) string {
	return "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
}

// dribble writes the body byte by byte, as long as the client listens.
func dribble(x *node.Exchange, body []byte) {
	for i := range body {
		if !x.Sleep(10 * time.Millisecond) {
			return
		}
		if _, err := x.Writer().Write(body[i : i+1]); err != nil {
			return
		}
		x.Flush()
	}
}
