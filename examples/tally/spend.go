package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// spending is `tally spend`.
type spending struct {
	*world
	wallet    wallet
	by, since string
	asJSON    bool
}

// groups are what spending is added up by.
var groups = []string{"origin", "payee", "day"}

func spendCommand(w *world) *cobra.Command {
	s := &spending{world: w}
	cmd := &cobra.Command{
		Use:   "spend",
		Short: "Add up what was spent, by origin, payee or day",
		Long: `Spend adds up the journal: by origin, by payee or by day. An amount is spent when it is authorized, because the
payee can take it from then on. FEES is what transactions cost beside that: what they were charged, or the most that they
can be as long as that is not known. It sends nothing and needs no key.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store"); err != nil {
				return err
			}
			return s.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&s.by, "by", "origin", "add up by `WHAT`: "+strings.Join(groups, ", "))
	flags.StringVar(&s.since, "since", "", "only from the day `DATE` on: 2026-01-31, or a number of days such as 30")
	flags.BoolVar(&s.asJSON, "json", false, "write JSON, with amounts in base units")
	s.wallet.storeFlag(flags)
	_ = cmd.RegisterFlagCompletionFunc("by", cobra.FixedCompletions(groups, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// spent is what was spent in one token under one name.
type spent struct {
	Name    string         `json:"name"`
	Amount  voucher.Amount `json:"amount"`
	Fees    voucher.Amount `json:"fees"`
	Most    voucher.Amount `json:"feesReserved,omitzero"` // what of them is not known yet, in the total
	ChainID uint64         `json:"chainId"`
	Token   common.Address `json:"token"`
	Symbol  string         `json:"symbol,omitempty"` // empty if the token is not known, as is what follows
	Digits  uint8          `json:"decimals,omitempty"`
}

func (s *spending) run(ctx context.Context) (err error) {
	if !slices.Contains(groups, s.by) {
		return fail(exitUsage, fmt.Errorf("--by: %q is not one of %s", s.by, strings.Join(groups, ", ")))
	}
	from, err := since(s.since, time.Now())
	if err != nil {
		return fail(exitUsage, fmt.Errorf("--since: %w", err))
	}
	if err := s.rules.load(s.env); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.wallet.close(ctx)) }()
	if err := s.wallet.look(ctx, s.keyless()); err != nil {
		return err
	}
	all, unread := s.wallet.session.Spending(ctx, s.lines(ctx, from))
	var rows, totals []spent
	for _, one := range all {
		rows = append(rows, s.group(one)...)
		total := s.spent(one, "total", one.Total, one.Fees.Total)
		total.Most = one.Fees.Reserved
		totals = append(totals, total)
	}
	if err := s.print(rows, totals); err != nil {
		return fail(exitWrite, err)
	}
	if unread != nil {
		return fail(exitState, unread)
	}
	return nil
}

// since reads the flag of that name. The zero time is the beginning.
func since(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return day, nil
	}
	days, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a date such as 2026-01-31 nor a number of days", text)
	}
	return now.AddDate(0, 0, -int(days)), nil
}

// lines are those of the journal from a time on, with the local time, which decides whose day it is.
func (s *spending) lines(ctx context.Context, from time.Time) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for e, err := range journal.Read(ctx, journalDir(s.wallet.dir)) {
			if errors.Is(err, journal.ErrFragment) {
				fmt.Fprintln(s.stderr, "tally: a line is not whole and was passed over:", err)
				continue
			}
			if e.End = e.End.Local(); err == nil && e.End.Before(from) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// group returns what was spent in one token by name: the most first, or in the order of the days.
func (s *spending) group(one channel.Spending) (rows []spent) {
	by, fees := one.Origins, one.Fees.Origins
	switch s.by {
	case "payee":
		by, fees = byName(one.Payees), byName(one.Fees.Payees)
	case "day":
		by, fees = one.Days, one.Fees.Days
	}
	names := maps.Clone(by)
	maps.Copy(names, fees)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		rows = append(rows, s.spent(one, name, by[name], fees[name]))
	}
	if s.by == "day" {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b spent) int {
		return b.Amount.AddCapped(b.Fees).Cmp(a.Amount.AddCapped(a.Fees))
	})
	return rows
}

func byName(of map[common.Address]voucher.Amount) map[string]voucher.Amount {
	named := map[string]voucher.Amount{}
	for payee, a := range of {
		named[payee.Hex()] = a
	}
	return named
}

func (s *spending) spent(one channel.Spending, name string, a, fees voucher.Amount) spent {
	c := s.currencyOf(one.Asset.ChainID, one.Asset.Token)
	return spent{
		Name: name, Amount: a, Fees: fees, ChainID: c.ChainID, Token: c.Token, Symbol: c.Symbol, Digits: c.Decimals,
	}
}

func (s *spending) print(rows, totals []spent) error {
	if s.asJSON {
		doc := map[string][]spent{s.by: append([]spent{}, rows...), "total": append([]spent{}, totals...)} // [], not null
		text, err := json.MarshalIndent(doc, "", "  ")
		if err == nil {
			_, err = s.stdout.Write(append(text, '\n'))
		}
		return err
	}
	var text bytes.Buffer
	t := newTable(&text)
	t.row(strings.ToUpper(s.by), "SPENT", "FEES", "TOKEN")
	for _, row := range append(rows, totals...) {
		c := row.currency()
		token := row.Symbol
		switch {
		case row.Token == common.Address{}:
			token = "? (no record of the channel)"
		case token == "":
			token = c.Asset.String()
		}
		t.row(row.Name, number(c, row.Amount), number(c, row.Fees), token)
	}
	err := t.end()
	for _, row := range totals {
		if !row.Most.IsZero() {
			fmt.Fprintf(&text, "%s of the fees are the most that can be charged: what was is not known yet\n",
				written(row.currency(), row.Most))
		}
	}
	if err == nil {
		_, err = s.stdout.Write(text.Bytes())
	}
	return err
}

func (s spent) currency() channel.Currency {
	return channel.Currency{Asset: channel.Asset{ChainID: s.ChainID, Token: s.Token}, Symbol: s.Symbol, Decimals: s.Digits}
}
