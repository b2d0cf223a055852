package lies

import (
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/hook"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
)

// Lies about the time of day and how long a challenge lives.
const (
	// Expired sends challenges that expired years ago.
	Expired Lie = "expired"
	// ExpiryWords sends challenges whose expiry is no time.
	ExpiryWords Lie = "expiry-words"
	// ExpiryFar sends challenges that live for seven thousand years.
	ExpiryFar Lie = "expiry-far"
	// ExpirySoon sends challenges that live for one second.
	ExpirySoon Lie = "expiry-soon"
	// DatePast sets the Date of every answer to ten minutes ago.
	DatePast Lie = "date-past"
	// DateFuture sets the Date of every answer to ten minutes from now.
	DateFuture Lie = "date-future"
	// DateFar sets the Date of every answer to a century from now.
	DateFar Lie = "date-far"
	// DateWords sets the Date of every answer to what is no date.
	DateWords Lie = "date-words"
)

var expiryTable = table{
	Expired:     expires("2020-01-01T00:00:00Z"),
	ExpiryWords: expires("tomorrow"),
	ExpiryFar:   expires("9999-12-31T23:59:59Z"),
	ExpirySoon: {Challenge: func(r hook.Request, c *message.Challenge) {
		c.Expires = r.Server().Now.Add(time.Second).UTC().Format("2006-01-02T15:04:05.000Z")
	}},
	DatePast:   shifted(func(now time.Time) time.Time { return now.Add(-10 * time.Minute) }),
	DateFuture: shifted(func(now time.Time) time.Time { return now.Add(10 * time.Minute) }),
	DateFar:    shifted(func(now time.Time) time.Time { return now.AddDate(100, 0, 0) }),
	DateWords:  dated(func(time.Time) string { return "today" }),
}

// expires replaces the expiry of every challenge.
func expires(at string) hook.Hooks {
	return hook.Hooks{Challenge: func(_ hook.Request, c *message.Challenge) { c.Expires = at }}
}

// shifted moves the Date of every answer.
func shifted(shift func(now time.Time) time.Time) hook.Hooks {
	return dated(func(now time.Time) string { return shift(now).Format(http.TimeFormat) })
}

// dated replaces the Date of every answer.
func dated(date func(now time.Time) string) hook.Hooks {
	return hook.Hooks{Answer: func(r hook.Request, status int, h http.Header) int {
		h.Set("Date", date(r.Server().Now.UTC()))
		return status
	}}
}
