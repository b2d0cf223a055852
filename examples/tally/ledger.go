package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

// books is `tally ledger`.
type books struct {
	*world
	wallet                wallet
	asCSV, asJSON, checks bool
	html                  string // the file of the page
	shows, output         string // the operation to show evidence of, and the file of it
	checkFile, body       string // the file of evidence to verify, and that of a body
}

func ledgerCommand(w *world) *cobra.Command {
	b := &books{world: w}
	cmd := &cobra.Command{
		Use:   "ledger",
		Short: "Show and check the account of what was paid",
		Long: `Ledger shows the journal: one line for every operation that could cost money, the oldest first. RAISED is by how
much the operation raised what may be signed, AMOUNT what it moved on chain, FEE what its transaction cost: the most that it
can be charged (<=) as long as that is not known, which a line of the kind fee says then. It sends nothing and needs no key.

With --html it writes one page with charts to FILE, which a browser shows without a network: spending over time, by origin
and by payee, what is locked in channels, and the newest operations. The budgets on it are those of the policy and of the
environment. The page has no key, voucher or receipt in it.

With --evidence it writes what OPERATION paid for to a file that others can check: the challenge, the voucher, the receipt
and the digest of the body. The file has no key and no credential in it, but it has the voucher, so it is refused as long
as somebody could be served for that: until the channel is closed, or all that was authorized on it is charged. --verify
checks such a file and needs nothing else; with --body it also compares the request's body with the digest.

With --check it adds the lines up per channel and compares them with the channels' records, and with the chain where
--rpc-url is set. It names what differs and ends with status 117 then: most often an operation that was killed before
its line was written.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store", "rpc-url", "insecure-rpc"); err != nil {
				return err
			}
			given := cmd.Flags().Changed
			forms := 0
			for _, form := range []bool{b.asCSV, b.asJSON, b.checks, given("html"), given("evidence"), given("verify")} {
				if form {
					forms++
				}
			}
			switch {
			case forms > 1:
				return fail(exitUsage, errors.New("--csv, --json, --html, --evidence, --verify and --check are six things: give one"))
			case given("output") && !given("evidence"), given("body") && !given("verify"):
				return fail(exitUsage, errors.New("--output is for --evidence, and --body for --verify"))
			case given("html"):
				return b.page(cmd.Context())
			case given("evidence"):
				return b.evidence(cmd.Context())
			case given("verify"):
				return b.verify()
			}
			return b.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&b.asCSV, "csv", false, "write CSV, with whole ids, receipts, and amounts in base units of the token that it names")
	flags.BoolVar(&b.asJSON, "json", false, "write a JSON array with the same")
	flags.StringVar(&b.html, "html", "", "write a page with charts to `FILE`, - for stdout")
	flags.StringVar(&b.shows, "evidence", "", "write evidence of `OPERATION`, or of the only one that begins so")
	flags.StringVarP(&b.output, "output", "o", "-", "the `FILE` of --evidence, - for stdout")
	flags.StringVar(&b.checkFile, "verify", "", "check the evidence in `FILE`, - for stdin")
	flags.StringVar(&b.body, "body", "", "the `FILE` with the request's body, for --verify")
	flags.BoolVar(&b.checks, "check", false, "compare the journal with the records and the chain")
	b.wallet.storeFlag(flags)
	b.wallet.rpcFlag(flags, "for --check")
	return cmd
}

func (b *books) run(ctx context.Context) error {
	if err := b.wallet.openStore(b.world); err != nil {
		return err
	}
	defer b.wallet.files.Close()
	if err := b.rules.load(b.env); err != nil {
		return err
	}
	if b.checks {
		return b.check(ctx)
	}
	of, unread := b.currencies(ctx)
	var out interface {
		entry(entry) error
		end() error
	} = &tableBook{t: newTable(b.stdout)}
	switch {
	case b.asCSV:
		out = &csvBook{w: csv.NewWriter(b.stdout)}
	case b.asJSON:
		out = &jsonBook{w: b.stdout}
	}
	err := b.each(ctx, func(e journal.Entry) error {
		c := of[e.ChannelID]
		return out.entry(entry{e, c, b.currencyOf(c.ChainID, e.Fee.Token)})
	})
	if endErr := out.end(); endErr != nil && err == nil {
		err = fail(exitWrite, endErr)
	}
	return errors.Join(err, unread)
}

// entry is a line with what its amounts and its fee are in. Both are zero if there is no record of the channel.
type entry struct {
	journal.Entry
	currency, feeCurrency channel.Currency
}

// currencies returns what each channel on record pays in. The error is of those that cannot be read.
func (b *books) currencies(ctx context.Context) (of map[common.Hash]channel.Currency, unread error) {
	of = map[common.Hash]channel.Currency{}
	for s, err := range records.Channels(ctx, b.wallet.files) {
		if err != nil {
			unread = errors.Join(unread, fail(exitState, err))
			continue
		}
		of[s.ID] = b.currencyOf(s.ChainID, s.Descriptor.Token)
	}
	return of, unread
}

// each hands every line over. Fragments are told and hide nothing; a line of a newer version is an error at the end.
func (b *books) each(ctx context.Context, hand func(journal.Entry) error) error {
	var bad error
	for e, err := range journal.Read(ctx, journalDir(b.wallet.dir)) {
		var line *journal.LineError
		switch {
		case errors.Is(err, journal.ErrFragment):
			fmt.Fprintln(b.stderr, "tally: a line is not whole and was passed over:", err)
		case errors.As(err, &line):
			bad = errors.Join(bad, err)
		case err != nil:
			return fail(exitState, err)
		default:
			if err := hand(e); err != nil {
				return fail(exitWrite, err)
			}
		}
	}
	if bad != nil {
		return fail(exitState, bad)
	}
	return nil
}

// journalDir is where the journal of a store is.
func journalDir(store string) string { return filepath.Join(store, "journal") }

// columns are the names of an entry's columns: those of its JSON. New ones come last. Amounts are in base units of token,
// and fees of feeToken. The symbols are empty if nobody knows them.
var columns = []string{
	"operation", "kind", "origin", "channelId", "price", "authorizedBefore", "authorizedAfter", "raised", "cumulative", "amount",
	"transaction", "outcome", "status", "problem", "receipt", "start", "end", "route", "run",
	"maxFee", "fee", "feeKnown", "sponsored", "feeToken", "feeSymbol", "chainId", "token", "symbol", "decimals",
}

type csvBook struct {
	w      *csv.Writer
	headed bool
}

func (b *csvBook) entry(e entry) error {
	if !b.headed {
		b.headed = true
		if err := b.w.Write(columns); err != nil {
			return err
		}
	}
	return b.w.Write([]string{
		cell(e.Operation), string(e.Kind), cell(e.Origin), e.ChannelID.Hex(), e.Price.String(), e.Before.String(), e.After.String(), e.Raised.String(),
		e.Cumulative.String(), e.Amount.String(), e.Transaction.Hex(), cell(e.Outcome), strconv.Itoa(e.Status), cell(e.Problem), e.Receipt,
		e.Start.Format(time.RFC3339Nano), e.End.Format(time.RFC3339Nano), cell(e.Route), cell(e.Run),
		e.Fee.Max.String(), e.Fee.Charged.String(), strconv.FormatBool(e.Fee.Known), strconv.FormatBool(e.Fee.Sponsored),
		addressCell(e.Fee.Token), cell(e.feeCurrency.Symbol), nonzero(e.currency.ChainID), addressCell(e.currency.Token),
		cell(e.currency.Symbol), nonzero(uint64(e.currency.Decimals)),
	})
}

func (b *csvBook) end() error {
	b.w.Flush()
	return b.w.Error()
}

// addressCell is an address, empty for the zero one.
func addressCell(a common.Address) string {
	if a == (common.Address{}) {
		return ""
	}
	return a.Hex()
}

// cell is a text as a cell that no spreadsheet takes for a formula. What a server chose must not calculate.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

type jsonBook struct {
	w io.Writer
	n int
}

func (b *jsonBook) entry(e entry) error {
	e.Evidence = "" // it has a voucher: --evidence shows it
	text, err := json.Marshal(struct {
		journal.Entry
		ChainID   uint64         `json:"chainId,omitempty"`
		Token     common.Address `json:"token,omitzero"`
		Symbol    string         `json:"symbol,omitempty"`
		Decimals  uint8          `json:"decimals,omitempty"`
		FeeSymbol string         `json:"feeSymbol,omitempty"`
	}{e.Entry, e.currency.ChainID, e.currency.Token, e.currency.Symbol, e.currency.Decimals, e.feeCurrency.Symbol})
	if err != nil {
		return err
	}
	lead := ",\n"
	if b.n++; b.n == 1 {
		lead = "[\n"
	}
	_, err = fmt.Fprintf(b.w, "%s%s", lead, text)
	return err
}

func (b *jsonBook) end() error {
	text := "\n]\n"
	if b.n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(b.w, text)
	return err
}

type tableBook struct {
	t      *table
	headed bool
}

func (b *tableBook) entry(e entry) error {
	if !b.headed {
		b.headed = true
		b.t.row("TIME", "OPERATION", "KIND", "CHANNEL", "ORIGIN", "PRICE", "RAISED", "AMOUNT", "TOKEN", "FEE", "OUTCOME")
	}
	c := e.currency
	b.t.row(e.End.Local().Format(time.DateTime), fmt.Sprintf("%.8s", e.Operation), e.Kind, short(e.ChannelID),
		e.Origin, number(c, e.Price), number(c, e.Raised), number(c, e.Amount), cmp.Or(symbol(c), "?"),
		feeOf(e.Fee, e.feeCurrency), e.Outcome)
	return nil
}

// feeOf is the fee of a line for a person.
func feeOf(f journal.Fee, in channel.Currency) string {
	switch {
	case f == journal.Fee{}:
		return "-"
	case f.Sponsored:
		return "sponsored"
	case f.Known:
		return written(in, f.Charged)
	}
	return "<= " + written(in, f.Max)
}

func (b *tableBook) end() error { return b.t.end() }
