package lies

import (
	"net/http"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about size and time. "Beside the content" means a HEAD or a POST without a body.
const (
	// SlowHeader answers a paid request byte by byte with a header that never ends.
	SlowHeader Lie = "slow-header"
	// SlowBody sends single bytes without end after the content.
	SlowBody Lie = "slow-body"
	// SlowRefusal refuses payments with a 402 whose body comes byte by byte without end.
	SlowRefusal Lie = "slow-refusal"
	// SlowChallenge sends the body of the first 402, to a request without payment, in the same way.
	SlowChallenge Lie = "slow-challenge"
	// EndlessRefusal sends the body of every 402 without end, as fast as it can.
	EndlessRefusal Lie = "endless-refusal"
	// HugeHeader answers a paid request with eleven megabytes of header.
	HugeHeader Lie = "huge-header"
	// Interim sends a hundred interim answers with challenges before each answer.
	Interim Lie = "interim"
	// BusyForever answers every payment with a 503 and a Retry-After of thirty years.
	BusyForever Lie = "busy-forever"
	// BusyBeside does the same to payments that go beside the content.
	BusyBeside Lie = "busy-beside"
	// HangBeside never answers payments that go beside the content.
	HangBeside Lie = "hang-beside"
	// ContentBeside answers payments that go beside the content with content without end.
	ContentBeside Lie = "content-beside"
)

var transportTable = table{
	SlowHeader: {Instead: func(r hook.Request) bool {
		if !r.Paying() {
			return false
		}
		r.Raw("HTTP/1.1 200 OK\r\nX-Slow: ", func() string { return "z" })
		return true
	}},
	SlowBody: {After: func(r hook.Request) {
		if r.Paying() && r.Answered() {
			dribble(r)
		}
	}},
	SlowRefusal: {
		Take: refused(
			func(*message.Payload) error { return message.VerificationFailed("wait for it") },
		),
		After: func(r hook.Request) {
			if r.Paying() {
				dribble(r)
			}
		},
	},
	SlowChallenge: {After: func(r hook.Request) {
		if !r.Paying() && r.Header().Get("Www-Authenticate") != "" {
			dribble(r)
		}
	}},
	EndlessRefusal: {After: func(r hook.Request) {
		if r.Header().Get("Www-Authenticate") != "" {
			r.Acted() // before the client can be gone
			gush(r)
		}
	}},
	HugeHeader: paidAnswer(func(_ hook.Request, h http.Header) int {
		h.Set("X-Huge", strings.Repeat("x", 11<<20))
		return http.StatusOK
	}),
	Interim: {Instead: func(r hook.Request) bool {
		const early = `Payment id="early", realm="r", method="tempo", ` +
			`intent="session", request="e30"`
		r.Acted()
		for range 100 {
			r.Header().Set("Www-Authenticate", early)
			r.Interim(http.StatusEarlyHints)
		}
		r.Header().Del("Www-Authenticate")
		return false
	}},
	BusyForever: busy(hook.Request.Paying),
	BusyBeside:  busy(beside),
	HangBeside: {Instead: func(r hook.Request) bool {
		if beside(r) {
			r.Hang()
		}
		return false
	}},
	ContentBeside: {
		Answer: func(r hook.Request, status int, _ http.Header) int {
			if beside(r) && r.HTTP().Method == http.MethodPost && status == http.StatusNoContent {
				return http.StatusOK
			}
			return status
		},
		After: func(r hook.Request) {
			if beside(r) && r.HTTP().Method == http.MethodPost {
				gush(r)
			}
		},
	},
}

// beside matches payments that go beside the content.
func beside(r hook.Request) bool { return r.Paying() && r.Management() }

// dribble writes single bytes until the client goes away.
func dribble(r hook.Request) {
	for r.Sleep(10 * time.Millisecond) {
		if _, err := r.Write([]byte(" ")); err != nil {
			return // a HEAD, for example
		}
		r.Acted()
		r.Flush()
	}
}

// gush writes as fast as it can until the client goes away.
func gush(r hook.Request) {
	junk := []byte(strings.Repeat("x", 64<<10))
	for r.HTTP().Context().Err() == nil {
		if _, err := r.Write(junk); err != nil {
			return
		}
	}
}

// busy answers with a 503 that asks for patience.
func busy(when func(hook.Request) bool) hook.Hooks {
	return hook.Hooks{Instead: func(r hook.Request) bool {
		if !when(r) {
			return false
		}
		r.Header().Set("Retry-After", "946080000")
		r.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}
}
