package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// lines keeps the lines that this program writes into the journal: they say what was paid.
type lines struct {
	next journal.Appender // nil: no journal can be kept

	mu  sync.Mutex // guards all
	all []journal.Entry
}

// Append implements journal.Appender.
func (l *lines) Append(ctx context.Context, e journal.Entry) error {
	l.mu.Lock()
	l.all = append(l.all, e)
	l.mu.Unlock()
	if l.next == nil {
		return nil
	}
	return l.next.Append(ctx, e)
}

func (l *lines) list() []journal.Entry {
	if l == nil {
		return nil // no session was made
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// facts are what is known of a transfer when it has ended, for -w and --json-report.
type facts struct {
	start, first, end time.Time
	method            string
	url               string // the last one
	origin            string
	resp              *http.Response
	received, sent    int64
	redirects, tries  int
	answered          bool // and all of it was read
	remote            string
	file              string

	mu      sync.Mutex // guards first and remote
	payment *client.Payment
	channel channel.Info // as it is afterwards
	found   bool
}

func (k *facts) setRemote(address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.remote = address
}

func (k *facts) setFirst(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.first = at
}

// connected returns where the last connection led to, and when the first byte came.
func (k *facts) connected() (address string, first time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.remote, k.first
}

// money is what --json-report writes. Amounts are in base units, as decimal strings.
type money struct {
	Origin   string         `json:"origin,omitempty"`
	Method   string         `json:"method,omitempty"`
	Status   int            `json:"status,omitempty"`
	Exit     int            `json:"exit"`
	Outcome  client.Outcome `json:"outcome"`
	Amount   voucher.Amount `json:"amount"`
	Raised   voucher.Amount `json:"authorized"`
	Deposit  voucher.Amount `json:"deposited"`
	Token    string         `json:"token,omitempty"`
	Symbol   string         `json:"symbol,omitempty"`
	Decimals int            `json:"decimals"`
	ChainID  uint64         `json:"chainId,omitempty"`
	Attempts int            `json:"attempts"`
	Fees     []feeMoney     `json:"fees"`

	Channel    *channelMoney `json:"channel,omitempty"`
	Operations []operation   `json:"operations"`
	Error      *moneyError   `json:"error,omitempty"`

	currency channel.Currency // what was paid with, once that is known
	totals   journal.Totals   // of all channels that were used, for the fees
}

// feeMoney is what a transaction cost, in base units of its token: at most Max, if it is not known yet.
type feeMoney struct {
	journal.Fee
	Transaction common.Hash `json:"transaction"`
	Symbol      string      `json:"symbol,omitempty"` // empty if the token is not known, as is what follows
	Decimals    uint8       `json:"decimals,omitempty"`

	currency channel.Currency
}

// channelMoney is the channel that paid, as it is afterwards.
type channelMoney struct {
	ID      common.Hash    `json:"id"`
	Phase   string         `json:"phase"`
	Deposit voucher.Amount `json:"deposit"`
	Used    voucher.Amount `json:"used"`
	Signed  voucher.Amount `json:"signed"`
	Left    voucher.Amount `json:"left"`
}

// operation is a line of the journal without the receipt.
type operation struct {
	Operation   string         `json:"operation"`
	Kind        journal.Kind   `json:"kind"`
	Outcome     string         `json:"outcome"`
	ChannelID   common.Hash    `json:"channelId"`
	Price       voucher.Amount `json:"price"`
	Raised      voucher.Amount `json:"authorized"`
	Amount      voucher.Amount `json:"amount,omitzero"`
	Transaction common.Hash    `json:"transaction,omitzero"`
	Status      int            `json:"status,omitempty"`
	Problem     string         `json:"problem,omitempty"`
	Fee         journal.Fee    `json:"fee,omitzero"`
}

// moneyError is why it failed. Limit and what follows are set where a limit refused.
type moneyError struct {
	Message string         `json:"message"`
	Limit   string         `json:"limit,omitempty"`
	Flag    string         `json:"flag,omitempty"`
	Wanted  voucher.Amount `json:"wanted,omitzero"`
	Allowed voucher.Amount `json:"allowed,omitzero"`
	Left    voucher.Amount `json:"left,omitzero"`
}

// decimals is how many decimals a TIP-20 token has.
const decimals = 6

// money returns what became of the money.
func (f *fetch) money(err error) money {
	k := &f.known
	m := money{
		Origin: k.origin, Method: k.method, Exit: exitOf(err), Outcome: client.OutcomeNone, Decimals: decimals,
		Attempts: k.tries, Operations: []operation{}, Fees: []feeMoney{},
	}
	if k.resp != nil {
		m.Status = k.resp.StatusCode
	}
	if k.payment != nil && k.payment.Outcome != "" {
		m.Outcome = k.payment.Outcome
	}
	var e *client.Error
	if errors.As(err, &e) {
		m.Outcome = e.Outcome
	}
	if m.Outcome == client.OutcomeNone {
		m.Outcome = cmp.Or(client.Outcome(f.lastPayment().Outcome), m.Outcome) // of an earlier try, or before a redirect
	}
	for _, one := range f.wallet.lines.list() {
		m.add(one)
	}
	for tx, fee := range m.totals.Fees() {
		in := f.currencyOf(k.channel.ChainID, fee.Token)
		m.Fees = append(m.Fees, feeMoney{fee, tx, in.Symbol, in.Decimals, in})
	}
	if k.found {
		c := k.channel
		m.currency = f.currencyOf(c.ChainID, c.Scope.Token)
		m.Token, m.Symbol, m.ChainID = c.Scope.Token.Hex(), symbol(m.currency), c.ChainID
		if m.currency.Symbol != "" {
			m.Decimals = int(m.currency.Decimals)
		}
		m.Channel = &channelMoney{c.ID, c.Phase.String(), c.Deposit, c.Claimed, c.Signed, c.Deposit.SubFloor(c.Claimed)}
	}
	if err != nil {
		m.Error = &moneyError{Message: escaped(f.explain(err))}
		var limit *channel.LimitError
		if errors.As(err, &limit) {
			m.Error.Limit, m.Error.Flag = limit.Limit, flagOf[limit.Limit]
			m.Error.Wanted, m.Error.Allowed, m.Error.Left = limit.Wanted, limit.Allowed, limit.Left
		}
	}
	return m
}

// add adds a line of the journal.
func (m *money) add(e journal.Entry) {
	m.Operations = append(m.Operations, operation{
		e.Operation, e.Kind, e.Outcome, e.ChannelID, e.Price, e.Raised, e.Amount, e.Transaction, e.Status, e.Problem,
		e.Fee,
	})
	m.totals.Add(e)
	m.Raised = m.Raised.AddCapped(e.Raised)
	again := e.Raised.IsZero() && slices.ContainsFunc(m.Operations[:len(m.Operations)-1], func(o operation) bool {
		return o.Operation == e.Operation && o.Kind == e.Kind && o.Outcome == e.Outcome
	})
	switch {
	case !e.Accepted(), again: // a retry presents what an earlier try was paid with
	case e.Kind == journal.KindPay, e.Kind == journal.KindStream:
		m.Amount = m.Amount.AddCapped(e.Price)
	case e.Kind == journal.KindOpen, e.Kind == journal.KindTopUp:
		m.Deposit = m.Deposit.AddCapped(e.Amount)
	}
}

// exitOf is the exit status with an error, or without one.
func exitOf(err error) int {
	if err == nil {
		return 0
	}
	return status(err)
}

// after writes what --write-out and --json-report ask for. It returns the error of the transfer, or else of writing.
func (f *fetch) after(err error) error {
	if f.writeOut == "" && f.report == "" {
		return err
	}
	m := f.money(err)
	var bad error
	if f.report != "" {
		bad = f.writeReport(m)
	}
	if f.writeOut != "" {
		bad = errors.Join(bad, f.writeFormat(m))
	}
	if err != nil || bad == nil {
		return err
	}
	return fail(exitWrite, bad)
}

// writeReport writes the report as one object.
func (f *fetch) writeReport(m money) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if f.report == "-" {
		_, err = f.stdout.Write(text)
		return err
	}
	if f.reader != nil {
		if _, err := f.reader.Write(text); err != nil {
			return fmt.Errorf("--json-report: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(f.report, text, 0o600); err != nil {
		return fmt.Errorf("--json-report: %w", err)
	}
	return nil
}

// maxFormat bounds a file of --write-out, in bytes.
const maxFormat = 1 << 20

// readFormat replaces @FILE by what the file has.
func (f *fetch) readFormat() error {
	name, isFile := strings.CutPrefix(f.writeOut, "@")
	if !isFile {
		return nil
	}
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(io.LimitReader(f.stdin, maxFormat))
	} else {
		text, err = readSmall(name, maxFormat)
	}
	if err != nil {
		return fail(exitRead, fmt.Errorf("--write-out: %w", err))
	}
	f.writeOut = string(text)
	return nil
}

// writeFormat writes the format of --write-out with its variables.
func (f *fetch) writeFormat(m money) error {
	to, b := f.stdout, strings.Builder{}
	flush := func() error {
		_, err := io.WriteString(to, b.String())
		b.Reset()
		return err
	}
	for s := f.writeOut; s != ""; {
		var name string
		switch {
		case strings.HasPrefix(s, "%%"):
			b.WriteByte('%')
			s = s[2:]
		case strings.HasPrefix(s, "%{") && strings.Contains(s, "}"):
			name, s, _ = strings.Cut(s[2:], "}")
			if name == "stdout" || name == "stderr" {
				if err := flush(); err != nil {
					return err
				}
				to = map[string]io.Writer{"stdout": f.stdout, "stderr": f.stderr}[name]
				continue
			}
			f.writeVariable(&b, name, m)
		case strings.HasPrefix(s, "%header{") && strings.Contains(s, "}"):
			name, s, _ = strings.Cut(strings.TrimPrefix(s, "%header{"), "}")
			b.WriteString(f.headerOf(name))
		case s[0] == '\\' && len(s) > 1:
			if at := strings.IndexByte("nrt", s[1]); at >= 0 {
				b.WriteByte("\n\r\t"[at])
			} else {
				b.WriteString(s[:2])
			}
			s = s[2:]
		default:
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return flush()
}

func (f *fetch) writeVariable(b *strings.Builder, name string, m money) {
	value, ok := variables[name]
	if !ok {
		fmt.Fprintf(f.stderr, "tally: --write-out: there is no variable %q\n", inline(name))
		return
	}
	b.WriteString(value(f, m))
}

// variables are those of --write-out. Those that curl has too mean the same.
var variables = map[string]func(*fetch, money) string{
	"content_type":       func(f *fetch, _ money) string { return f.headerOf("Content-Type") },
	"errormsg":           func(_ *fetch, m money) string { return strings.ReplaceAll(m.message(), "\n", "; ") },
	"exitcode":           func(_ *fetch, m money) string { return strconv.Itoa(m.Exit) },
	"filename_effective": func(f *fetch, _ money) string { return f.known.file },
	"http_code":          func(_ *fetch, m money) string { return fmt.Sprintf("%03d", m.Status) },
	"http_version":       func(f *fetch, _ money) string { return f.httpVersion() },
	"json":               func(_ *fetch, m money) string { text, _ := json.Marshal(m); return string(text) },
	"method":             func(f *fetch, _ money) string { return f.known.method },
	"num_redirects":      func(f *fetch, _ money) string { return strconv.Itoa(f.known.redirects) },
	"num_retries":        func(_ *fetch, m money) string { return strconv.Itoa(max(0, m.Attempts-1)) },
	"redirect_url":       func(f *fetch, _ money) string { return f.redirect() },
	"remote_ip":          func(f *fetch, _ money) string { a, _ := f.known.connected(); return hostOf(a) },
	"remote_port":        func(f *fetch, _ money) string { a, _ := f.known.connected(); return portOf(a) },
	"response_code":      func(_ *fetch, m money) string { return fmt.Sprintf("%03d", m.Status) },
	"scheme":             func(f *fetch, _ money) string { s, _, _ := strings.Cut(f.known.url, ":"); return s },
	"size_download":      func(f *fetch, _ money) string { return strconv.FormatInt(f.known.received, 10) },
	"size_upload":        func(f *fetch, _ money) string { return strconv.FormatInt(f.known.sent, 10) },
	"speed_download":     func(f *fetch, _ money) string { return f.speed() },
	"time_starttransfer": func(f *fetch, _ money) string { _, at := f.known.connected(); return elapsed(f.known.start, at) },
	"time_total":         func(f *fetch, _ money) string { return elapsed(f.known.start, f.known.end) },
	"url":                func(f *fetch, _ money) string { return withoutUser(f.asked) },
	"url_effective":      func(f *fetch, _ money) string { return f.known.url },

	"payment_amount":     func(_ *fetch, m money) string { return m.number(m.Amount) },
	"payment_authorized": func(_ *fetch, m money) string { return m.number(m.Raised) },
	"payment_base_units": func(_ *fetch, m money) string { return m.Amount.String() },
	"payment_chain":      func(_ *fetch, m money) string { return nonzero(m.ChainID) },
	"payment_channel": func(_ *fetch, m money) string {
		return m.channelText(func(c *channelMoney) string { return c.ID.Hex() })
	},
	"payment_currency":  func(_ *fetch, m money) string { return m.Symbol },
	"payment_deposited": func(_ *fetch, m money) string { return m.number(m.Deposit) },
	"payment_fees": func(_ *fetch, m money) string {
		return cmp.Or(m.feeText(func(f feeMoney) string { return number(f.currency, f.Counted()) }), "0")
	},
	"payment_fees_currency": func(_ *fetch, m money) string {
		return m.feeText(func(f feeMoney) string { return symbol(f.currency) })
	},
	"payment_fees_known": func(_ *fetch, m money) string {
		return strconv.FormatBool(!slices.ContainsFunc(m.Fees, func(f feeMoney) bool { return !f.Known && !f.Sponsored }))
	},
	"payment_left": func(_ *fetch, m money) string {
		return m.channelText(func(c *channelMoney) string { return m.number(c.Left) })
	},
	"payment_operation": func(f *fetch, _ money) string { return f.operation() },
	"payment_outcome":   func(_ *fetch, m money) string { return string(m.Outcome) },
	"payment_token":     func(_ *fetch, m money) string { return m.Token },
	"payment_used": func(_ *fetch, m money) string {
		return m.channelText(func(c *channelMoney) string { return m.number(c.Used) })
	},
}

func (m *money) channelText(text func(*channelMoney) string) string {
	if m.Channel == nil {
		return ""
	}
	return text(m.Channel)
}

// feeText returns a text about what the transactions cost, for each token that fees were paid in; empty if there
// was no fee.
func (m *money) feeText(text func(feeMoney) string) string {
	var sums []feeMoney
	for _, f := range m.Fees {
		if f.Sponsored {
			continue
		}
		f.Charged, f.Known = f.Counted(), true
		i := slices.IndexFunc(sums, func(s feeMoney) bool { return s.Token == f.Token })
		if i < 0 {
			sums = append(sums, f)
			continue
		}
		sums[i].Charged = sums[i].Charged.AddCapped(f.Charged)
	}
	var parts []string
	for _, s := range sums {
		parts = append(parts, text(s))
	}
	return strings.Join(parts, " ")
}

// number is an amount in tokens.
func (m *money) number(a voucher.Amount) string { return speaker{m.currency}.number(a) }

func (m *money) message() string {
	if m.Error == nil {
		return ""
	}
	return m.Error.Message
}

func nonzero(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

// elapsed is a time in seconds, as curl writes it.
func elapsed(from, to time.Time) string {
	if from.IsZero() || to.Before(from) {
		return "0.000000"
	}
	return strconv.FormatFloat(to.Sub(from).Seconds(), 'f', 6, 64)
}

func (f *fetch) headerOf(name string) string {
	switch {
	case f.known.resp == nil:
		return ""
	case slices.Contains(secret, http.CanonicalHeaderKey(name)) && f.known.resp.Header.Get(name) != "":
		return "(not shown)"
	}
	return f.known.resp.Header.Get(name)
}

// httpVersion is the HTTP version, 0 without an answer.
func (f *fetch) httpVersion() string {
	r := f.known.resp
	switch {
	case r == nil:
		return "0"
	case r.ProtoMajor >= 2:
		return strconv.Itoa(r.ProtoMajor)
	}
	return fmt.Sprintf("%d.%d", r.ProtoMajor, r.ProtoMinor)
}

// redirect is where a redirect that was not followed leads to.
func (f *fetch) redirect() string {
	if f.known.resp == nil || f.follow {
		return ""
	}
	to, err := f.known.resp.Location()
	if err != nil {
		return ""
	}
	return withoutUser(to.String())
}

// withoutUser is a URL without the name and the password in it.
func withoutUser(rawurl string) string {
	at := 0
	if i := strings.Index(rawurl, "://"); i >= 0 {
		at = i + len("://")
	}
	host := rawurl[at:]
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	return rawurl[:at] + rawurl[at+strings.LastIndexByte(host, '@')+1:]
}

// speed is bytes a second.
func (f *fetch) speed() string {
	d := f.known.end.Sub(f.known.start).Seconds()
	if d <= 0 {
		return "0"
	}
	return strconv.FormatInt(int64(float64(f.known.received)/d), 10)
}

func (f *fetch) operation() string {
	if f.known.payment == nil {
		return ""
	}
	return f.known.payment.Operation
}
