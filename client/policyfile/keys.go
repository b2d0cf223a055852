package policyfile

import (
	"slices"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// key is one amount of the limits as the file writes it.
type key struct {
	// sub is the table below [limits] or [raise], empty for none.
	sub, name string
	// limit is the field of [channel.Limits].
	limit string
	field func(*channel.Limits) *voucher.Amount
	// means and unset are comments for people.
	means, unset string
}

// String is the key below its section.
func (k key) String() string {
	if k.sub == "" {
		return k.name
	}
	return k.sub + "." + k.name
}

const (
	anHour = "may be authorized in any 60 minutes"
	aDay   = "may be authorized in any 24 hours"
	aMonth = "may be authorized in any 30 days"
)

// keys are all amounts, in the order in which they are printed.
var keys = slices.Concat([]key{
	{"", "price", "Price", func(l *channel.Limits) *voucher.Amount { return &l.Price }, "the most that one request, or one piece of a stream, may cost", "nothing is paid"},
	{"", "deposit", "Deposit", func(l *channel.Limits) *voucher.Amount { return &l.Deposit }, "the most that one channel may hold", "nothing is opened or signed"},
	{"", "total", "Total", func(l *channel.Limits) *voucher.Amount { return &l.Total }, "the most that one session puts into channels", "as deposit"},
	{"", "fund", "Fund", func(l *channel.Limits) *voucher.Amount { return &l.Fund }, "what an open or a top-up puts in", "what the server suggests, or the bare need"},
	{"", "stream", "Stream", func(l *channel.Limits) *voucher.Amount { return &l.Stream }, "the most that one streamed answer may cost", "its first piece only"},
	{"", "step", "Step", func(l *channel.Limits) *voucher.Amount { return &l.Step }, "the most that a stream may ask for at once", "the price of one piece"},
	{"", "ahead", "Ahead", func(l *channel.Limits) *voucher.Amount { return &l.Ahead }, "signed ahead of what is owed; a dishonest payee can keep it", "nothing"},
	{"", "ask", "Ask", func(l *channel.Limits) *voucher.Amount { return &l.Ask }, "above this price the owner is asked first", "never"},
},
	windows("", "All", func(l *channel.Limits) *channel.Windows { return &l.All }, "as total"),
	windows("origin", "Origin", func(l *channel.Limits) *channel.Windows { return &l.Origin }, "as the month of all"),
	windows("payee", "Payee", func(l *channel.Limits) *channel.Windows { return &l.Payee }, "as the month of all"),
)

func windows(sub, scope string, of func(*channel.Limits) *channel.Windows, month string) []key {
	return []key{
		{sub, "hour", scope + ".Hour", func(l *channel.Limits) *voucher.Amount { return &of(l).Hour }, anHour, "as day"},
		{sub, "day", scope + ".Day", func(l *channel.Limits) *voucher.Amount { return &of(l).Day }, aDay, "as month"},
		{sub, "month", scope + ".Month", func(l *channel.Limits) *voucher.Amount { return &of(l).Month }, aMonth, month},
	}
}

// below are the keys of [limits] and [raise] (sub is empty), or of a table in them.
func below(sub string) (out []key) {
	for _, k := range keys {
		if k.sub == sub {
			out = append(out, k)
		}
	}
	return out
}

// ofOrigin are the keys of an [origin."…"]: total is for all origins together, and hour, day and month are its own.
var ofOrigin = slices.Concat(slices.DeleteFunc(below(""), func(k key) bool {
	return k.limit == "Total" || strings.HasPrefix(k.limit, "All.")
}), below("origin"))

func names(of []key) (out []string) {
	for _, k := range of {
		out = append(out, k.name)
	}
	return out
}

// Key is the key below [limits] that sets a field of [channel.Limits], for example "origin.day" for "Origin.Day"; it is empty
// where there is none. It is for messages.
func Key(limit string) string {
	for _, k := range keys {
		if k.limit == limit {
			return k.String()
		}
	}
	return ""
}
