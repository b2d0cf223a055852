package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// message is an error for a person at a terminal, in three lines at most: what happened, what became of the money, and
// what to do. Amounts are in tokens.
type message struct{ what, money, todo string }

// lines is the message as it is printed.
func (m message) lines() string { return m.joined("\n") }

func (m message) joined(by string) string {
	var all []string
	for _, one := range []string{m.what, m.money, m.todo} {
		if one != "" {
			all = append(all, one)
		}
	}
	return strings.Join(all, by)
}

// Error returns the message, so that it can be an error of its own.
func (m message) Error() string { return m.lines() }

const unsigned = "nothing was signed for it"

// explain is an error on one line.
func explain(err error) string { return speaker{}.explain(err).joined("; ") }

// speaker writes errors. It knows what is paid with, or not yet: amounts are in tokens of 6 decimals then, as those of
// flags are.
type speaker struct{ currency channel.Currency }

// amount is an amount with its token.
func (s speaker) amount(a voucher.Amount) string {
	if s.currency == (channel.Currency{}) {
		return tokens(a) + " tokens"
	}
	return written(s.currency, a)
}

// number is an amount in tokens, beside another one that names them.
func (s speaker) number(a voucher.Amount) string {
	if s.currency == (channel.Currency{}) {
		return tokens(a)
	}
	return number(s.currency, a)
}

// explain returns the message of an error.
func (s speaker) explain(err error) message {
	var (
		ready   message
		own     *exitError
		limit   *channel.LimitError
		desync  *channel.DesyncError
		balance *escrow.BalanceError
		terms   *client.TermsError
		payment *client.Error
	)
	switch {
	case errors.As(err, &ready) && !several(err):
		return ready
	case several(err):
		return message{what: s.plain(err)}
	case errors.As(err, &limit):
		if limit.Currency != (channel.Currency{}) {
			s.currency = limit.Currency
		}
		m := s.limit(limit)
		m.money = s.before(err, m.money)
		return m
	case errors.As(err, &desync):
		return message{
			fmt.Sprintf("refused: the server asks for a voucher of %s in one step, we agreed to %s",
				s.number(desync.Required), s.amount(desync.Ours)),
			s.before(err, unsigned), "to allow it: --ahead " + s.number(desync.Required.SubFloor(desync.Ours)),
		}
	case errors.As(err, &balance):
		if s.currency.Token != balance.Token {
			s.currency = onAnyChain(balance.Token)
		}
		return message{
			fmt.Sprintf("the balance is too low: %s holds %s and needs %s",
				balance.Owner, s.number(balance.Have), s.amount(balance.Want)),
			s.before(err, unsigned), "send it more, or put less into the channel: --fund, or a lower --max-deposit",
		}
	case errors.As(err, &terms):
		return message{
			fmt.Sprintf("refused: %s names terms that are not accepted: %s", terms.Origin, terms.Offered),
			s.before(err, unsigned), "if that is right: tally trust accept URL, which shows what was accepted before",
		}
	case errors.Is(err, client.ErrNoChain):
		return message{
			"refused: a channel has to be opened, topped up or checked on chain",
			s.before(err, unsigned), "set --rpc-url to a node of that chain",
		}
	case errors.As(err, &own) && !errors.As(own.err, &payment):
		return message{what: s.plain(err)}
	case errors.As(err, &payment):
		return s.payment(payment)
	}
	return message{what: s.plain(err)}
}

// before returns what became of the money if something was signed before an error that refused more, and else what is
// said of what was refused.
func (s speaker) before(err error, refused string) string {
	var e *client.Error
	if !errors.As(err, &e) {
		return refused
	}
	switch e.Outcome {
	case client.OutcomeNone, client.OutcomeRefused, client.OutcomeNotSent:
		return refused
	}
	if e.Op == "stream" {
		return refused + "; what came before it was paid" + s.price(e)
	}
	return refused + "; before that " + s.payment(e).money
}

// several reports whether an error is of several things, which are told line by line.
func several(err error) bool {
	for err != nil {
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			return len(many.Unwrap()) > 1 && strings.Contains(err.Error(), "\n")
		}
		err = errors.Unwrap(err)
	}
	return false
}

// limit is what a limit refused.
func (s speaker) limit(e *channel.LimitError) message {
	flag := flagOf[e.Limit]
	if flag == "" {
		return message{
			fmt.Sprintf("refused: the limit %s is %s and this needs %s",
				strings.ToLower(e.Limit), s.number(e.Allowed), s.amount(e.Wanted)),
			unsigned, "",
		}
	}
	if !e.Fee.IsZero() {
		sum := ""
		if e.Fee != e.Wanted {
			sum = ", " + s.number(e.Wanted) + " with what was spent"
		}
		return message{
			fmt.Sprintf("refused: a transaction for it can cost %s%s, and %s is %s", s.number(e.Fee), sum, flag, s.amount(e.Allowed)),
			unsigned, "to allow it: " + flag + " " + s.number(e.Wanted.Max(e.Enough)),
		}
	}
	return message{
		fmt.Sprintf("refused: %s is %s and this needs %s", flag, s.number(e.Allowed), s.amount(e.Wanted)),
		unsigned, "to allow it: " + flag + " " + s.number(e.Wanted.Max(e.Enough)),
	}
}

// operations are the operations of a [client.Error], as a person would say.
var operations = map[string]string{
	"pay": "the payment", "open": "opening a channel", "top up": "topping up the channel", "stream": "the paid stream",
	"close": "closing", "withdraw": "the withdrawal", "request close": "requesting the close",
}

// payment is what became of an operation that failed.
func (s speaker) payment(e *client.Error) message {
	at := ""
	if e.Origin != "" {
		at = " at " + e.Origin
	}
	m := message{what: cmp.Or(operations[e.Op], e.Op) + at + " failed: " + s.plain(e.Err)}
	id := short(e.ChannelID)
	if e.ChannelID == (common.Hash{}) {
		id = ""
	}
	switch e.Outcome {
	case client.OutcomeNone, client.OutcomeRefused:
		m.money = unsigned
	case client.OutcomeNotSent:
		m.money = "nothing was sent, so nothing was paid"
	case client.OutcomeUnknown:
		m.money = "it is not known whether it was taken, so it counts as spent" + s.price(e)
		m.todo = "a new request may pay again; with --retry all tries are one payment"
	case client.OutcomeRejected:
		m.money = "the payee rejected it, and can take what was signed until the channel is closed" + s.price(e)
	case client.OutcomeAccepted, client.OutcomeAcceptedNoContent:
		m.money = "it was paid" + s.price(e)
	}
	if e.Op == "top up" {
		m.money, m.todo = topUpMoney(e, s.price(e)), ""
	}
	switch {
	case errors.Is(e.Err, client.ErrPending) && e.Op == "top up":
		m.todo = "the same command again completes it, and adds nothing to it"
	case errors.Is(e.Err, client.ErrPending):
		m.todo = "try again in a moment; tally keep --once reads the chain"
	case errors.Is(e.Err, client.ErrEscrow):
		m.todo = "if you know that escrow: --escrow ADDRESS"
	case errors.Is(e.Err, escrow.ErrRPC):
		m.todo = "try again, or name another node: --rpc-url"
	case errors.Is(e.Err, client.ErrBehind) && id != "", errors.Is(e.Err, channel.ErrSpent) && id != "":
		m.todo = "tally close " + id + " --force, then tally keep, gets the rest of the deposit back"
	}
	return m
}

// topUpMoney is what became of a top-up by hand that failed.
func topUpMoney(e *client.Error, price string) string {
	switch e.Outcome {
	case client.OutcomeUnknown:
		return "it left, and it is not known whether it is in the channel" + price
	case client.OutcomeAccepted:
		return "the payee accepted it" + price
	}
	return unsigned
}

// price is what the operation would have cost, in brackets.
func (s speaker) price(e *client.Error) string {
	if e.Price.IsZero() {
		return ""
	}
	return " (" + s.amount(e.Price) + ")"
}

var (
	baseUnits = regexp.MustCompile(`\b([0-9]+) base units`)
	prefixes  = regexp.MustCompile(`(^|: |\n)(?:client|channel|escrow|filestore|journal|voucher|store): `)
)

// plain is the text of an error, with amounts in tokens, and without the names of packages. A URL is left out: its
// query may have secrets.
func (s speaker) plain(err error) string {
	text := err.Error()
	if at := (*url.Error)(nil); errors.As(err, &at) {
		text = at.Err.Error()
	}
	if e := (*client.Error)(nil); errors.As(err, &e) && strings.Contains(text, e.Error()) {
		text = strings.ReplaceAll(text, e.Error(), s.payment(e).joined("; "))
	}
	text = baseUnits.ReplaceAllStringFunc(text, func(m string) string {
		digits, _, _ := strings.Cut(m, " ")
		a, err := voucher.ParseAmount(digits)
		if err != nil {
			return m
		}
		return s.amount(a)
	})
	return flagNames.Replace(prefixes.ReplaceAllString(text, "$1"))
}

// flagNames replaces the fields of the library by the flags that set them.
var flagNames = strings.NewReplacer(
	"Limits.Price", "--max-price", "Limits.Deposit", "--max-deposit", "Limits.Fund", "--fund",
	"Limits.Stream", "--max-stream", "Limits.Ahead", "--ahead", "Limits.Total, or Deposit", "--max-deposit",
	"Limits.Total", "the policy's total", "Limits.All", "--per-hour, --per-day and --per-month",
	"Limits.Fees.Transaction", "--max-fee", "Config.Chain", "the node of --rpc-url",
)
