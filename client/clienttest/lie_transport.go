package clienttest

import (
	"net/http"
	"strings"
	"time"
)

// Lies about where to go.
var (
	RedirectAway = lie("redirect-away", "A request without payment is sent to another origin, which asks for the money.",
		redirect(func(v *visit) bool { return !v.paying() }, other))
	RedirectPaid = lie("redirect-paid", "A paid request is sent to another origin.",
		redirect((*visit).paying, func(v *visit) string { return v.s.OtherURL + "/free" }))
	RedirectPaidForMore = lie("redirect-paid-for-more", "A paid request is sent to another origin, which asks for money too.",
		redirect((*visit).paying, other))
	RedirectMoved = lie("redirect-moved", "A paid request has moved to another origin for good (301), which asks for money too.",
		redirectAs(http.StatusMovedPermanently, (*visit).paying, other))
	RedirectSeeOther = lie("redirect-see-other", "The answer to a paid request is to be fetched from another origin (303), which asks for money too.",
		redirectAs(http.StatusSeeOther, (*visit).paying, other))
	RedirectPermanent = lie("redirect-permanent", "A paid request is sent to another origin for good (308), which asks for money too.",
		redirectAs(http.StatusPermanentRedirect, (*visit).paying, other))
	RedirectSchemeless = lie("redirect-schemeless", "A paid request is sent to a location without a scheme, at another origin, which asks for money too.",
		redirect((*visit).paying, func(v *visit) string { return strings.TrimPrefix(other(v), "http:") }))
	RedirectDrip = lie("redirect-drip", "Each voucher is refused once as used up, and then sent to where it came from without a receipt.", deed{instead: func(v *visit) bool {
		if !v.paying() || v.nth("drips")%2 == 1 {
			return false
		}
		v.w.Header().Set("Location", itself(v))
		v.w.WriteHeader(http.StatusFound)
		return true
	}, take: func(*exchange, *payload) (bool, bool, error) { return true, false, insufficient("used up") }})
	RedirectVoucher = lie("redirect-voucher", "A voucher that goes beside a stream is sent to another origin.",
		redirect(func(v *visit) bool { return v.action() == "voucher" && v.beside() }, other))
	RedirectTopUp = lie("redirect-top-up", "A top-up is sent to another origin.",
		redirect(func(v *visit) bool { return v.action() == "topUp" }, other))
	RedirectClose = lie("redirect-close", "A close is sent to another origin.",
		redirect(func(v *visit) bool { return v.action() == "close" }, other))
	RedirectProof = lie("redirect-proof", "A zero-dollar proof is sent to another origin.",
		redirect(func(v *visit) bool { return v.action() == "proof" }, other))
	RedirectToPlain = lie("redirect-to-plain", "A request over TLS is sent to plain HTTP, which asks for the money.",
		redirect(func(v *visit) bool { return v.r.TLS != nil && !v.paying() }, plain))
	RedirectPaidToPlain = lie("redirect-paid-to-plain", "A paid request over TLS is sent to plain HTTP.",
		redirect(func(v *visit) bool { return v.r.TLS != nil && v.paying() }, plain))
	RedirectLoop = lie("redirect-loop", "A paid request is sent to itself, without end and without charge.",
		redirect((*visit).paying, itself))
	RedirectNowhere = lie("redirect-nowhere", "A paid request is sent to what is no URL.",
		redirect((*visit).paying, func(*visit) string { return "http://[::bad" }))
	RedirectToll = lie("redirect-toll", "A paid request is charged, receipt and all, and sent to itself to be charged again.", deed{
		answer: func(v *visit, status int, h http.Header) int {
			if status != http.StatusOK || !v.paying() {
				return status
			}
			h.Set("Location", itself(v))
			return http.StatusFound
		},
	})
)

func other(v *visit) string  { return v.s.OtherURL + v.r.URL.RequestURI() }
func plain(v *visit) string  { return v.s.URL + v.r.URL.RequestURI() }
func itself(v *visit) string { return v.r.URL.RequestURI() }

// redirect sends requests elsewhere, unless they are there already.
func redirect(when func(*visit) bool, to func(*visit) string) deed {
	return redirectAs(http.StatusTemporaryRedirect, when, to)
}

func redirectAs(status int, when func(*visit) bool, to func(*visit) string) deed {
	return deed{instead: func(v *visit) bool {
		if v.s.strayed(v.r) || !when(v) {
			return false
		}
		v.w.Header().Set("Location", to(v))
		v.w.WriteHeader(status)
		return true
	}}
}

// strayed reports whether the request came to the other origin.
func (s *Server) strayed(r *http.Request) bool { return "http://"+r.Host == s.OtherURL }

// beside reports whether the request can only be there for its credential.
func (v *visit) beside() bool {
	return v.r.Method == http.MethodHead || v.r.Method == http.MethodPost && v.r.ContentLength == 0
}

// Lies of a server that takes the money and gives something else.
var (
	RefuseAfterCharge = lie("refuse-after-charge", "A request is charged and then answered with a 402.",
		afterCharge(func(x *exchange) error {
			return insufficient("charged, and not enough").on(x.account.id)
		}))
	RefuseAfterService = lie("refuse-after-service", "After each payment that was served the next is refused as if there were none.", takes("voucher", func(x *exchange, p *payload) (bool, error) {
		if x.nth("services")%2 == 0 {
			time.Sleep(2 * time.Millisecond) // challenges of one millisecond are one challenge, and this is to be another
			return false, refuse(http.StatusPaymentRequired, "payment-required", "Payment Required")("pay first").on(p.channelID)
		}
		return x.do(p)
	}))
	HangAfterCharge = lie("hang-after-charge", "A request is charged and never answered.",
		afterCharge(func(x *exchange) error {
			x.hang()
			return nil
		}))
	CutAfterCharge = lie("cut-after-charge", "A request is charged, and the connection is cut.",
		afterCharge(func(x *exchange) error {
			x.cut()
			return nil
		}))
	GoneAfterCharge = lie("gone-after-charge", "A request is charged, and then its channel is said to be gone.",
		afterCharge(func(x *exchange) error { return channelUnavailable("no such channel").on(x.account.id) }))
	ErrorAfterCharge = lie("error-after-charge", "A request is charged and answered with a 503, without a receipt.", paidAnswer(func(_ *visit, h http.Header) int {
		h.Del("Payment-Receipt")
		return http.StatusServiceUnavailable
	}))
	ErrorWithReceipt = lie("error-with-receipt", "A request is charged and answered with a 500 and a receipt.",
		paidAnswer(func(*visit, http.Header) int { return http.StatusInternalServerError }))
	NotModified = lie("not-modified", "A request is charged and answered with a 304.",
		paidAnswer(func(*visit, http.Header) int { return http.StatusNotModified }))
	NoContent = lie("no-content", "A request is charged and answered with a 204, without content.", deed{
		answer: paidAnswer(func(*visit, http.Header) int { return http.StatusNoContent }).answer,
		stream: func(*Meter) error { return ErrUnpaid },
	})
	ShortBody = lie("short-body", "The content ends before its Content-Length.", paidAnswer(func(_ *visit, h http.Header) int {
		h.Set("Content-Length", "1000000")
		return http.StatusOK
	}))
	StreamForData = lie("stream-for-data", "Content that is no event stream says that it is one.", paidAnswer(func(_ *visit, h http.Header) int {
		h.Set("Content-Type", "text/event-stream")
		return http.StatusOK
	}))
)

// afterCharge lets the server do everything, and then something else than to answer with the content.
func afterCharge(then func(*exchange) error) deed {
	return deed{take: func(x *exchange, p *payload) (bool, bool, error) {
		content, err := x.do(p)
		if err == nil && content {
			content, err = false, then(x)
		}
		return true, content, err
	}}
}

// paidAnswer changes the answer that has the content.
func paidAnswer(change func(*visit, http.Header) int) deed {
	return deed{answer: func(v *visit, status int, h http.Header) int {
		if status != http.StatusOK || !v.paying() {
			return status
		}
		return change(v, h)
	}}
}

// Lies about the time of day.
var (
	DatePast   = lie("date-past", "The Date of every answer is ten minutes ago.", dated(func(now time.Time) string { return now.Add(-10 * time.Minute).Format(http.TimeFormat) }))
	DateFuture = lie("date-future", "The Date of every answer is in ten minutes.", dated(func(now time.Time) string { return now.Add(10 * time.Minute).Format(http.TimeFormat) }))
	DateFar    = lie("date-far", "The Date of every answer is in a century.", dated(func(now time.Time) string { return now.AddDate(100, 0, 0).Format(http.TimeFormat) }))
	DateWords  = lie("date-words", "The Date of every answer is no date.", dated(func(time.Time) string { return "today" }))
)

// dated changes the Date of every answer.
func dated(date func(now time.Time) string) deed {
	return deed{answer: func(v *visit, status int, h http.Header) int {
		h.Set("Date", date(v.s.cfg.Now().UTC()))
		return status
	}}
}

// Lies about size and time.
var (
	SlowHeader = lie("slow-header", "The answer to a paid request comes byte by byte, and its header never ends.", deed{instead: func(v *visit) bool {
		if !v.paying() {
			return false
		}
		v.raw("HTTP/1.1 200 OK\r\nX-Slow: ", func() string { return "z" })
		return true
	}})
	SlowBody = lie("slow-body", "After the content come single bytes, without end.", deed{after: func(v *visit) {
		if v.paying() && v.w.begun {
			v.dribble()
		}
	}})
	SlowRefusal = lie("slow-refusal", "The body of a 402 to a payment comes byte by byte, without end.", deed{
		take: func(*exchange, *payload) (bool, bool, error) { return true, false, unverified("wait for it") },
		after: func(v *visit) {
			if v.paying() {
				v.dribble()
			}
		},
	})
	EndlessRefusal = lie("endless-refusal", "The body of every 402 goes on without end, as fast as it can.", deed{after: func(v *visit) {
		junk := []byte(strings.Repeat("x", 64<<10))
		for v.w.Header().Get("Www-Authenticate") != "" && v.r.Context().Err() == nil {
			if _, err := v.w.Write(junk); err != nil {
				v.acted()
				return
			}
		}
	}})
	HugeHeader = lie("huge-header", "The answer to a paid request has eleven megabytes of header.", paidAnswer(func(_ *visit, h http.Header) int {
		h.Set("X-Huge", strings.Repeat("x", 11<<20))
		return http.StatusOK
	}))
	FoldedHeader = lie("folded-header", "The challenge is folded over several lines of the header, in the middle of a quoted string.", rawChallenge(func(text string) string {
		i := strings.Index(text, `request="`) + 20
		return text[:i] + "\r\n " + text[i:]
	}))
	BareReturn = lie("bare-return", "The challenge has a bare carriage return in it, and a header line after that.", rawChallenge(func(text string) string {
		return strings.Replace(text, "Payment ", "Payment \rPayment-Receipt: x\r", 1)
	}))
	Interim = lie("interim", "Before each answer come a hundred interim ones with challenges in them.", deed{instead: func(v *visit) bool {
		v.acted()
		for range 100 {
			v.w.Header().Set("Www-Authenticate", `Payment id="early", realm="r", method="tempo", intent="session", request="e30"`)
			v.w.ResponseWriter.WriteHeader(http.StatusEarlyHints)
		}
		v.w.Header().Del("Www-Authenticate")
		return false
	}})
	BusyForever = lie("busy-forever", "Every payment is answered with a 503 that asks to come back in thirty years.",
		busy((*visit).paying))
	BusyBeside = lie("busy-beside", "Every payment that goes beside the content is answered with a 503 that asks to come back in thirty years.",
		busy(func(v *visit) bool { return v.paying() && v.beside() }))
	HangBeside = lie("hang-beside", "Payments that go beside the content are never answered.", deed{instead: func(v *visit) bool {
		if !v.paying() || !v.beside() {
			return false
		}
		v.hang()
		return true
	}})
	ContentBeside = lie("content-beside", "Payments that go beside the content are answered with content without end.", deed{answer: func(v *visit, status int, _ http.Header) int {
		if v.paying() && v.beside() && v.r.Method == http.MethodPost && status == http.StatusNoContent {
			return http.StatusOK
		}
		return status
	}, after: func(v *visit) {
		junk := []byte(strings.Repeat("x", 64<<10))
		for v.paying() && v.r.Method == http.MethodPost && v.beside() && v.r.Context().Err() == nil {
			if _, err := v.w.Write(junk); err != nil {
				return
			}
		}
	}})
)

// dribble is the time between two bytes of something slow.
const dribble = 10 * time.Millisecond

// dribble writes single bytes until the client goes away.
func (v *visit) dribble() {
	for sleep(v.r.Context(), dribble) {
		if _, err := v.w.Write([]byte(" ")); err != nil {
			return // a HEAD, say
		}
		v.acted()
		v.w.Flush()
	}
}

// busy asks for patience.
func busy(when func(*visit) bool) deed {
	return deed{instead: func(v *visit) bool {
		if !when(v) {
			return false
		}
		v.w.Header().Set("Retry-After", "946080000")
		v.w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}}
}

// rawChallenge answers requests that do not pay with a challenge in a header that net/http would not write.
func rawChallenge(change func(string) string) deed {
	return deed{spell: func(v *visit, c *challenge) []string {
		if !v.paying() {
			v.raw("HTTP/1.1 402 Payment Required\r\nContent-Length: 0\r\nConnection: close\r\nWWW-Authenticate: "+change(c.String())+"\r\n\r\n", nil)
			v.cut()
		}
		return []string{c.String()}
	}}
}

// raw takes the connection over and writes to it, and then what more gives, until the client goes away.
func (v *visit) raw(text string, more func() string) {
	conn, _, err := http.NewResponseController(v.w.ResponseWriter).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	v.w.begun = true
	for {
		_ = conn.SetWriteDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Write([]byte(text)); err != nil || more == nil || !sleep(v.s.ctx, dribble) {
			return
		}
		text = more()
	}
}
