package policyfile

import (
	"slices"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// key is one key of the file that sets an amount.
type key struct {
	// sub is the table below [limits] or [raise], or empty.
	sub, name string
	// limit is the name of the field of [channel.Limits].
	limit string
	field func(*limits) *amount
	// means and unset are the comments that are printed if the key is set, and if it is not.
	means, unset string
}

// String returns the key below its section.
func (k key) String() string {
	if k.sub == "" {
		return k.name
	}
	return k.sub + "." + k.name
}

// pieceByPiece is the key of [channel.Limits.PieceByPiece]. [raise] does not have it: callers can
// set it and cannot clear it.
const pieceByPiece = "piece-by-piece"

const (
	anHour = "may be authorized, fees included, in any 60 minutes"
	aDay   = "may be authorized, fees included, in any 24 hours"
	aMonth = "may be authorized, fees included, in any 30 days"
)

type (
	limits = channel.Limits
	amount = voucher.Amount
)

// keys has all amounts in the order in which they are printed.
var keys = slices.Concat([]key{
	{
		"", "price", "Price", func(l *limits) *amount { return &l.Price },
		"the most that one request, or one piece of a stream, may cost", "nothing is paid",
	},
	{
		"", "deposit", "Deposit", func(l *limits) *amount { return &l.Deposit },
		"the most that one channel may hold", "nothing is opened or signed",
	},
	{
		"", "total", "Total", func(l *limits) *amount { return &l.Total },
		"the most that one session puts into channels", "as deposit",
	},
	{
		"", "fund", "Fund", func(l *limits) *amount { return &l.Fund },
		"what an open or a top-up puts in", "what the server suggests, or the bare need",
	},
	{
		"", "stream", "Stream", func(l *limits) *amount { return &l.Stream },
		"the most that one streamed answer may cost", "its first piece only",
	},
	{
		"", "step", "Step", func(l *limits) *amount { return &l.Step },
		"the most that a stream may request at once", "the price of one piece",
	},
	{
		"", "ahead", "Ahead", func(l *limits) *amount { return &l.Ahead },
		"signed ahead of what is owed; a dishonest payee can keep it", "nothing",
	},
	{
		"", "ask", "Ask", func(l *limits) *amount { return &l.Ask },
		"above this price the owner is asked first", "never",
	},
},
	windows("", "All", "as total", func(l *limits) *channel.Windows { return &l.All }),
	windows("origin", "Origin", "as the month of all",
		func(l *limits) *channel.Windows { return &l.Origin }),
	windows("payee", "Payee", "as the month of all",
		func(l *limits) *channel.Windows { return &l.Payee }),
	[]key{
		{
			"fees", "transaction", "Fees.Transaction", func(l *limits) *amount { return &l.Fees.Transaction },
			"the most that one open, top-up, close request or withdrawal may cost", "a tenth of deposit",
		},
		{
			"fees", "hour", "Fees.Hour", func(l *limits) *amount { return &l.Fees.Hour },
			"may go to fees in any 60 minutes", "as day, or a quarter of the hour of all",
		},
		{
			"fees", "day", "Fees.Day", func(l *limits) *amount { return &l.Fees.Day },
			"may go to fees in any 24 hours", "as month, or a quarter of the day of all",
		},
		{
			"fees", "month", "Fees.Month", func(l *limits) *amount { return &l.Fees.Month },
			"may go to fees in any 30 days", "a quarter of the month of all",
		},
	},
)

// windows returns the amounts over time of a scope. month describes what applies if the month is
// not set.
func windows(sub, scope, month string, of func(*limits) *channel.Windows) []key {
	return []key{
		{
			sub, "hour", scope + ".Hour", func(l *limits) *amount { return &of(l).Hour }, anHour,
			"as day",
		},
		{
			sub, "day", scope + ".Day", func(l *limits) *amount { return &of(l).Day }, aDay,
			"as month",
		},
		{
			sub, "month", scope + ".Month", func(l *limits) *amount { return &of(l).Month }, aMonth,
			month,
		},
	}
}

// subs are the tables below [limits] and [raise], themselves first, in the order in which they are printed.
var subs = []string{"", "origin", "payee", "fees"}

// below returns the keys of [limits] and [raise] if sub is empty, or else those of a table in them.
func below(sub string) (out []key) {
	for _, k := range keys {
		if k.sub == sub {
			out = append(out, k)
		}
	}
	return out
}

// ofOrigin has the keys of an [origin."…"]. It has no total, which is for all origins together, and
// hour, day and month are those of that origin.
var ofOrigin = slices.Concat(slices.DeleteFunc(below(""), func(k key) bool {
	return k.limit == "Total" || strings.HasPrefix(k.limit, "All.")
}), below("origin"))

func names(of []key) (out []string) {
	for _, k := range of {
		out = append(out, k.name)
	}
	return out
}

// Key returns the key below [limits] that sets a field of [channel.Limits], for example
// "origin.day" for "Origin.Day". It returns an empty string if there is none. It is for messages.
func Key(limit string) string {
	for _, k := range keys {
		if k.limit == limit {
			return k.String()
		}
	}
	return ""
}
