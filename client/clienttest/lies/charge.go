package lies

import (
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies of a server that takes the money and gives something else.
const (
	// RefuseAfterCharge charges a request and answers 402.
	RefuseAfterCharge Lie = "refuse-after-charge"
	// RefuseAfterService refuses every second voucher as if there were no payment.
	RefuseAfterService Lie = "refuse-after-service"
	// HangAfterCharge charges a request and never answers.
	HangAfterCharge Lie = "hang-after-charge"
	// CutAfterCharge charges a request and cuts the connection.
	CutAfterCharge Lie = "cut-after-charge"
	// GoneAfterCharge charges a request and answers that its channel is gone.
	GoneAfterCharge Lie = "gone-after-charge"
	// ErrorAfterCharge charges a request and answers 503 without a receipt.
	ErrorAfterCharge Lie = "error-after-charge"
	// ErrorWithReceipt charges a request and answers 500 with a receipt.
	ErrorWithReceipt Lie = "error-with-receipt"
	// NotModified charges a request and answers 304.
	NotModified Lie = "not-modified"
	// NoContent charges a request and answers 204.
	NoContent Lie = "no-content"
	// ShortBody ends the content before its Content-Length.
	ShortBody Lie = "short-body"
	// StreamForData declares content to be an event stream that is none.
	StreamForData Lie = "stream-for-data"
)

var chargeTable = table{
	RefuseAfterCharge: afterCharge(func(x hook.Payment) error {
		return message.InsufficientBalance("charged, and not enough").On(x.ChannelID())
	}),
	RefuseAfterService: takes("voucher", func(x hook.Payment, p *message.Payload) (bool, error) {
		if x.Count("services")%2 == 1 {
			return x.Do(p)
		}
		// Challenges of one millisecond are one challenge, and this must be another.
		time.Sleep(2 * time.Millisecond)
		return false, message.PaymentRequired("pay first").On(p.ChannelID)
	}),
	HangAfterCharge: afterCharge(func(x hook.Payment) error {
		x.Hang()
		return nil
	}),
	CutAfterCharge: afterCharge(func(x hook.Payment) error {
		x.Cut()
		return nil
	}),
	GoneAfterCharge: afterCharge(func(x hook.Payment) error {
		return message.ChannelFinalized("no such channel").On(x.ChannelID())
	}),
	ErrorAfterCharge: paidAnswer(func(_ hook.Request, h http.Header) int {
		h.Del("Payment-Receipt")
		return http.StatusServiceUnavailable
	}),
	ErrorWithReceipt: paidStatus(http.StatusInternalServerError),
	NotModified:      paidStatus(http.StatusNotModified),
	NoContent: {
		Answer: paidStatus(http.StatusNoContent).Answer,
		Stream: func(hook.Stream) error { return hook.ErrEnd },
	},
	ShortBody: paidAnswer(func(_ hook.Request, h http.Header) int {
		h.Set("Content-Length", "1000000")
		return http.StatusOK
	}),
	StreamForData: paidAnswer(func(_ hook.Request, h http.Header) int {
		h.Set("Content-Type", "text/event-stream")
		return http.StatusOK
	}),
}

// afterCharge lets the server do everything and then something else than to send the content.
func afterCharge(then func(hook.Payment) error) hook.Hooks {
	return hook.Hooks{Take: func(x hook.Payment, p *message.Payload) (bool, bool, error) {
		content, err := x.Do(p)
		if err == nil && content {
			content, err = false, then(x)
		}
		return true, content, err
	}}
}

// paidAnswer changes the answer that has the content.
func paidAnswer(change func(hook.Request, http.Header) int) hook.Hooks {
	return hook.Hooks{Answer: func(r hook.Request, status int, h http.Header) int {
		if status != http.StatusOK || !r.Paying() {
			return status
		}
		return change(r, h)
	}}
}

// paidStatus changes the status of the answer that has the content.
func paidStatus(status int) hook.Hooks {
	return paidAnswer(func(hook.Request, http.Header) int { return status })
}
