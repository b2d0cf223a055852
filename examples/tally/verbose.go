package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// event tells what is paid, with -v.
func (f *fetch) event(e client.Event) {
	f.waitsFor(e)
	switch {
	case f.verbose:
		fmt.Fprintln(f.stderr, "*", f.describe(e))
	case e.Kind == client.EventCostly && !f.quiet: // it is told once
		fmt.Fprintln(f.stderr, "tally: note:", explain(e.Err))
	}
}

// describe is an event in one line: amounts and the channel, no credentials.
func (w *world) describe(e client.Event) string {
	var b strings.Builder
	b.WriteString(string(e.Kind))
	if e.ChannelID != (common.Hash{}) {
		fmt.Fprintf(&b, " %s", short(e.ChannelID))
	}
	price := "price"
	if e.Kind == client.EventVoucher || e.Kind == client.EventReceipt {
		price = "cost so far" // of the stream
	}
	for _, one := range []struct {
		name   string
		amount voucher.Amount
	}{{price, e.Price}, {"voucher", e.Cumulative}, {"deposit", e.Deposit}} {
		if !one.amount.IsZero() {
			fmt.Fprintf(&b, ", %s %s", one.name, speaker{e.Currency}.amount(one.amount))
		}
	}
	if e.Fee != (journal.Fee{}) {
		b.WriteString(", fee " + feeOf(e.Fee, w.currencyOf(e.Currency.ChainID, e.Fee.Token)))
	}
	if r := e.Receipt; r != nil && r.Session {
		fmt.Fprintf(&b, ", the server says %s of %s spent", speaker{e.Currency}.number(r.Spent), speaker{e.Currency}.amount(r.Accepted))
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, ", status %d", e.Status)
	}
	if e.Outcome != "" {
		fmt.Fprintf(&b, ", %s", e.Outcome)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %s", speaker{e.Currency}.explain(e.Err).joined("; "))
	}
	return b.String()
}

// hidden are the headers whose values are not shown.
var hidden = append([]string{
	"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "Payment-Authorization",
}, secret...)

// showHeaders shows headers, but for the values of secret ones.
func (f *fetch) showHeaders(lead string, h http.Header) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			if slices.Contains(hidden, http.CanonicalHeaderKey(name)) {
				value = "(not shown)"
			}
			if value != "" || name != "User-Agent" {
				fmt.Fprintf(f.stderr, "%s %s: %s\n", lead, name, inline(value))
			}
		}
	}
}

// note notes what became of the transfer.
func (f *fetch) note(ctx context.Context, resp *http.Response) {
	k := &f.known
	k.resp, k.payment = resp, client.PaymentOf(resp)
	if k.payment != nil {
		f.noteChannel(ctx, k.payment.ChannelID)
	}
}

// noteChannel notes the channel that pays, as it is now.
func (f *fetch) noteChannel(ctx context.Context, id common.Hash) {
	if id == (common.Hash{}) || f.wallet.session == nil {
		return
	}
	k := &f.known
	if k.channel, k.found = f.wallet.channel(context.WithoutCancel(ctx), id); k.found {
		f.currency = f.currencyOf(k.channel.ChainID, k.channel.Scope.Token)
	}
}

// summary says in one line what the transfer did to the channel, and what stays in it.
func (f *fetch) summary() {
	paid, s := f.known.payment, f.known.channel
	if f.quiet || paid == nil || !f.known.found {
		return
	}
	stays, say := "", speaker{f.currency}
	if rest := s.Rest(); !rest.IsZero() {
		stays = fmt.Sprintf("; %s stays in it: tally close %s brings it back", say.amount(rest), short(s.ID))
	}
	switch paid.Outcome {
	case client.OutcomeAccepted, client.OutcomeAcceptedNoContent:
		fmt.Fprintf(f.stderr, "tally: paid %s (channel %s: %s of %s used%s)%s\n", say.amount(paid.Cost()),
			short(s.ID), say.number(s.Claimed), say.amount(s.Deposit), stays, f.feesPaid(paid))
	}
}

// feesPaid says what the transactions cost that were made for a payment, if any were.
func (f *fetch) feesPaid(paid *client.Payment) string {
	var parts []string
	for _, fee := range paid.Fees() {
		parts = append(parts, feeOf(fee, f.currencyOf(f.known.channel.ChainID, fee.Token)))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; fees: " + strings.Join(parts, ", ")
}
