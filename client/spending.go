package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// maxUnread bounds how many lines that cannot be read an error of [Session.Spending] names.
const maxUnread = 8

// Spending adds up the lines of a journal, for example those of [journal.Read], by asset. The store's
// records say in which asset and to which payee each channel pays. If no line is missing
// ([journal.Totals]), the sums are what the records authorize. The fees of transactions are in
// [channel.Spending.Fees], each once: as soon as a line says what was charged, that replaces the most that
// could be.
//
// It reads every line and every record once, those of closed channels too, and keeps one number for each
// name and one line for each transaction: give it the lines of a month to get that month. It signs nothing
// and reads nothing of the chain.
// The error joins those of lines and records that could not be read; the sums are of the rest then.
func (s *Session) Spending(ctx context.Context, lines iter.Seq2[journal.Entry, error]) ([]channel.Spending, error) {
	var unread []error
	note := func(err error) {
		if len(unread) < maxUnread {
			unread = append(unread, err)
		}
	}
	channels := map[common.Hash]channel.Scope{}
	for c, err := range s.Channels().All(ctx) {
		if err != nil {
			note(err)
			continue
		}
		channels[c.ID] = channel.Scope{ChainID: c.ChainID, Token: c.Descriptor.Token, Payee: c.Descriptor.Payee}
	}
	sums, fees := spendings{}, fees{}
	for e, err := range lines {
		if err != nil {
			note(err)
			continue
		}
		fees.add(e)
		if !e.Raised.IsZero() {
			of := channels[e.ChannelID]
			spend(sums.in(of.ChainID, of.Token), e, of.Payee, e.Raised)
		}
	}
	for _, e := range fees {
		of, counted := channels[e.ChannelID], e.Fee.Counted()
		if counted.IsZero() {
			continue
		}
		sum := sums.in(of.ChainID, e.Fee.Token).Fees
		if spend(sum, e, of.Payee, counted); !e.Fee.Known {
			sum.Reserved = sum.Reserved.AddCapped(counted)
		}
	}
	out := make([]channel.Spending, 0, len(sums))
	for _, sum := range sums {
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(a, b channel.Spending) int { return byAsset(a.Asset, b.Asset) })
	if len(unread) > 0 {
		return out, fmt.Errorf("client: not everything that was spent could be read: %w", errors.Join(unread...))
	}
	return out, nil
}

// byAsset is the order of assets in lists.
func byAsset(a, b channel.Asset) int {
	return cmp.Or(cmp.Compare(a.ChainID, b.ChainID), a.Token.Cmp(b.Token))
}

// spendings are the sums of each asset.
type spendings map[channel.Asset]*channel.Spending

// in returns the sums of a token. Lines without a record of the channel have no chain.
func (s spendings) in(chainID uint64, token common.Address) *channel.Spending {
	asset := channel.Asset{ChainID: chainID, Token: token}
	if s[asset] == nil {
		s[asset] = newSpending(asset)
		s[asset].Fees = newSpending(asset)
	}
	return s[asset]
}

// fees are the first lines about transactions, with what the lines after them say of the fees: a fee counts
// for the day on which it was signed.
type fees map[common.Hash]journal.Entry

func (f fees) add(e journal.Entry) {
	first, ok := f[e.Transaction]
	switch {
	case e.Fee == journal.Fee{}, first.Fee.Known:
		return
	case !ok:
		e.Receipt, e.Evidence = "", "" // these are most of a line
		first = e
	}
	first.Fee = e.Fee
	f[e.Transaction] = first
}

func newSpending(asset channel.Asset) *channel.Spending {
	named := func() map[string]voucher.Amount { return map[string]voucher.Amount{} }
	return &channel.Spending{
		Asset: asset, Payees: map[common.Address]voucher.Amount{},
		Origins: named(), Routes: named(), Runs: named(), Days: named(),
	}
}

// spend adds an amount of a line, for a payee.
func spend(s *channel.Spending, e journal.Entry, payee common.Address, amount voucher.Amount) {
	s.Total = s.Total.AddCapped(amount)
	s.Payees[payee] = s.Payees[payee].AddCapped(amount)
	for _, one := range []struct {
		by   map[string]voucher.Amount
		name string
	}{
		{s.Origins, e.Origin}, {s.Routes, e.Route}, {s.Runs, e.Run}, {s.Days, e.End.Format("2006-01-02")},
	} {
		one.by[one.name] = one.by[one.name].AddCapped(amount)
	}
}

// routeOf names the route of a request for the journal. A Config.Route that panics names none and stops
// no payment.
func (s *Session) routeOf(req *http.Request) (name string) {
	if s.cfg.Route == nil {
		return ""
	}
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("Config.Route panicked", "panic", r)
			name = ""
		}
	}()
	return label(s.cfg.Route(req))
}

// maxLabel bounds the names of routes and runs in the journal, in bytes.
const maxLabel = 256

// label returns a name as the journal stores it.
func label(name string) string {
	if len(name) > maxLabel {
		name = name[:maxLabel]
	}
	return strings.ToValidUTF8(name, "")
}
