package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// check compares the journal with the records, and with the chain where there is a node. It prints a line for every
// channel and one for everything that differs.
func (b *books) check(ctx context.Context) error {
	totals := map[common.Hash]*journal.Totals{}
	unread := b.each(ctx, func(e journal.Entry) error {
		if totals[e.ChannelID] == nil {
			totals[e.ChannelID] = &journal.Totals{}
		}
		totals[e.ChannelID].Add(e)
		return nil
	})
	if unread != nil {
		return unread
	}
	var chain *escrow.Client
	if len(b.wallet.rpcURLs) > 0 {
		var err error
		if chain, err = b.wallet.dial(ctx); err != nil {
			return err
		}
		defer chain.Close()
	}
	differs := 0
	err := b.wallet.list(ctx, b.world, true, func(s channel.Info) error {
		t := totals[s.ID]
		if t == nil {
			t = &journal.Totals{}
		}
		delete(totals, s.ID)
		n, err := b.compare(ctx, s, t, chain)
		differs += n
		return err
	})
	if err != nil {
		return err
	}
	for id, t := range totals {
		differs++
		if err := b.say("%s differs: %d lines, and no record: the store was lost or is another one (tally find)", short(id), t.Lines); err != nil {
			return err
		}
	}
	if differs > 0 {
		return fail(exitState, fmt.Errorf("the journal does not explain everything: %d differences", differs))
	}
	return nil
}

// compare prints a line for a channel and one for everything that differs, and returns how many do.
func (b *books) compare(
	ctx context.Context, s channel.Info, t *journal.Totals, chain *escrow.Client,
) (differs int, err error) {
	in := b.in(s)
	found := append(compare(s, t, in), b.compareFees(s, t)...)
	if chain != nil {
		fees, err := b.compareReceipts(ctx, s, t, chain)
		if err != nil {
			return 0, err
		}
		found = append(found, fees...)
	}
	if chain != nil && s.HoldsMoney() {
		c, err := chain.State(ctx, escrow.Ref{Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ChannelID: s.ID})
		switch {
		case ctx.Err() != nil:
			return 0, err
		case err != nil:
			found = append(found, "the chain was not read: "+err.Error())
		default:
			found = append(found, compareChain(s, t, c, in)...)
		}
	}
	verdict := "agrees"
	if len(found) > 0 {
		verdict = "differs"
	}
	fees := ""
	if text := b.feesOf(s); text != "-" {
		fees = ", fees " + text
	}
	if err := b.say("%s %s: %d lines, %s authorized, %s put in%s, %s", short(s.ID), verdict, t.Lines, written(in, s.Authorized), written(in, t.Funded), fees, s.Phase); err != nil {
		return 0, err
	}
	for _, f := range found {
		if err := b.say("  %s", f); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

func (b *books) say(format string, args ...any) error {
	if _, err := fmt.Fprintf(b.stdout, format+"\n", args...); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// compare says what a record has that the lines do not explain, and the other way round.
func compare(s channel.Info, t *journal.Totals, in channel.Currency) (found []string) {
	switch {
	case t.Lines == 0 && neverSent(s):
		return nil
	case t.Lines == 0:
		return []string{"it has no line: it was opened before there was a journal, by another program, or by one that was killed"}
	case t.Raised.Less(s.Authorized):
		found = append(found, fmt.Sprintf("%s were authorized that no line explains", written(in, s.Authorized.SubFloor(t.Raised))))
		for _, g := range t.Gaps(s.Authorized) {
			found = append(found, "between "+number(in, g.From)+" and "+written(in, g.To)+", "+when(g)+": an operation that was killed, or canceled, before its line was written")
		}
	case s.Authorized.Less(t.Raised):
		found = append(found, fmt.Sprintf("the lines say that %s more were authorized than the record: the store is an old copy", written(in, t.Raised.SubFloor(s.Authorized))))
	}
	if s.Authorized.Less(t.Presented) {
		found = append(found, fmt.Sprintf("a voucher of %s was presented, above what the record authorizes: the store is an old copy", written(in, t.Presented)))
	}
	lapsed := s.Phase == channel.NotSeen && !s.Confirmed
	if s.Phase != channel.Closed && s.Phase != channel.Opening && !lapsed {
		found = append(found, fundings("the record", s.Deposit, t, in)...)
	}
	if s.Phase == channel.Closed && s.CloseSent && t.Closed != nil && *t.Closed != s.CloseAmount {
		found = append(found, fmt.Sprintf("the record was closed at %s, the line says %s", written(in, s.CloseAmount), written(in, *t.Closed)))
	}
	return found
}

// neverSent reports whether there is nothing that a line could explain: another program opened a channel for the same
// first, so this one was not sent.
func neverSent(s channel.Info) bool {
	return s.Phase == channel.Closed && !s.Confirmed && s.Authorized.IsZero() && s.Deposit.IsZero() &&
		len(s.Fees)+len(s.FeesReserved) == 0
}

// fundings compares what the lines put in with a deposit.
func fundings(whose string, deposit voucher.Amount, t *journal.Totals, in channel.Currency) []string {
	switch {
	case deposit == t.Funded, deposit == t.Funded.AddCapped(t.Pending):
		return nil
	case t.Funded.Less(deposit):
		return []string{fmt.Sprintf("%s holds a deposit of %s, the lines explain %s: a funding that was killed before its line, or another program's", whose, written(in, deposit), written(in, t.Funded))}
	}
	return []string{fmt.Sprintf("the lines put in %s, %s holds %s: ask the chain (tally keep --once)", written(in, t.Funded), whose, written(in, deposit))}
}

// compareChain says where the chain has more than the record and the lines.
func compareChain(s channel.Info, t *journal.Totals, c escrow.State, in channel.Currency) (found []string) {
	if !c.Exists || c.Finalized {
		if s.Phase == channel.Opening {
			return nil
		}
		return []string{"the chain says that it is closed (tally keep --once writes that down)"}
	}
	if t.Lines > 0 {
		found = fundings("the chain", c.Deposit, t, in)
	}
	if s.Authorized.Less(c.Settled) {
		found = append(found, fmt.Sprintf("the payee settled %s, above what the record authorizes: the store is an old copy", written(in, c.Settled)))
	}
	if c.CloseRequestedAt != 0 && s.CloseRequestedAt == 0 {
		found = append(found, "the chain has a close request that the record does not know (tally keep --once)")
	}
	return found
}

// compareFees says where the record and the lines differ about what transactions cost, by fee token. What is not known
// yet counts with the most that it can be.
func (b *books) compareFees(s channel.Info, t *journal.Totals) (found []string) {
	recorded := map[common.Address]voucher.Amount{}
	for _, of := range []map[common.Address]voucher.Amount{s.Fees, s.FeesReserved} {
		for token, a := range of {
			recorded[token] = recorded[token].AddCapped(a)
		}
	}
	lines := map[common.Address]voucher.Amount{}
	for _, fee := range t.Fees() {
		if !fee.Counted().IsZero() {
			lines[fee.Token] = lines[fee.Token].AddCapped(fee.Counted())
		}
	}
	tokens := maps.Clone(lines)
	maps.Copy(tokens, recorded)
	for _, token := range slices.SortedFunc(maps.Keys(tokens), common.Address.Cmp) {
		in, explained, cost := b.currencyOf(s.ChainID, token), lines[token], recorded[token]
		switch {
		case t.Lines == 0, explained == cost:
		case explained.Less(cost):
			found = append(found, fmt.Sprintf("the record has fees of %s, the lines explain %s: a transaction whose line was killed, or another program's",
				written(in, cost), written(in, explained)))
		default:
			found = append(found, fmt.Sprintf("the lines say that transactions cost %s, the record %s: what was charged was known before its line was written, or the store is an old copy",
				written(in, explained), written(in, cost)))
		}
	}
	return found
}

// compareReceipts says where the lines and the chain's receipts differ about what a transaction was charged, to the unit.
func (b *books) compareReceipts(
	ctx context.Context, s channel.Info, t *journal.Totals, chain *escrow.Client,
) (found []string, err error) {
	for tx, fee := range t.Fees() {
		if fee.Sponsored {
			continue
		}
		in := b.currencyOf(s.ChainID, fee.Token)
		r, mined, err := chain.Confirm(ctx, tx)
		of := "transaction " + tx.Hex() + ": "
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			found = append(found, of+"the chain was not read: "+err.Error())
		case !mined && fee.Known && !fee.Charged.IsZero():
			found = append(found, of+"the line says that it cost "+written(in, fee.Charged)+", and the node has no receipt of it")
		case !mined: // it cost nothing, or is not known to anybody
		case !r.FeeKnown, r.FeePayer != s.Scope.Payer:
			found = append(found, of+"the node does not tell what it was charged")
		case !fee.Known:
			found = append(found, of+"the chain charged "+written(in, r.Fee)+", the line says at most "+written(in, fee.Max)+
				" (tally keep --once writes that down)")
		case r.Fee != fee.Charged:
			found = append(found, of+"the chain charged "+written(in, r.Fee)+", the line says "+written(in, fee.Charged))
		}
	}
	return found, nil
}

// when is the time of a gap, as far as its neighbors tell.
func when(g journal.Gap) string {
	switch {
	case g.After.IsZero() && g.Before.IsZero():
		return "at some time"
	case g.After.IsZero():
		return "before " + g.Before.Local().Format(time.DateTime)
	case g.Before.IsZero():
		return "after " + g.After.Local().Format(time.DateTime)
	}
	return "between " + g.After.Local().Format(time.DateTime) + " and " + g.Before.Local().Format(time.DateTime)
}
