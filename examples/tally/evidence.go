package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/evidence"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

// evidence is `tally ledger --evidence`. It writes nothing unless the whole file can be given away.
func (b *books) evidence(ctx context.Context) error {
	if err := b.wallet.openStore(b.world); err != nil {
		return err
	}
	defer b.wallet.files.Close()
	operation, err := b.operation(ctx)
	if err != nil {
		return err
	}
	f, err := evidence.Of(b.entries(ctx), operation)
	if err != nil {
		return fail(exitState, err)
	}
	if err := b.harmless(ctx, f); err != nil {
		return fail(exitState, err)
	}
	var text bytes.Buffer
	if err := f.Write(&text); err != nil {
		return err
	}
	if b.output == "-" {
		_, err = b.stdout.Write(text.Bytes())
	} else {
		err = replace(b.output, b.wallet.dir, text.Bytes())
	}
	if err != nil {
		return fail(exitWrite, fmt.Errorf("--output: %w", err))
	}
	return nil
}

// entries are the lines of the journal. Fragments are told, as everywhere.
func (b *books) entries(ctx context.Context) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		ended := errors.New("ended")
		err := b.each(ctx, func(e journal.Entry) error {
			if !yield(e, nil) {
				return ended
			}
			return nil
		})
		if err != nil && !errors.Is(err, ended) {
			yield(journal.Entry{}, err)
		}
	}
}

// operation returns the one operation whose name begins as it was given: the table shows the beginnings.
func (b *books) operation(ctx context.Context) (string, error) {
	found := map[string]bool{}
	for e, err := range b.entries(ctx) {
		if err != nil {
			return "", err
		}
		if e.Operation == b.shows {
			return b.shows, nil
		}
		if strings.HasPrefix(e.Operation, b.shows) {
			found[e.Operation] = true
		}
	}
	for one := range found {
		if len(found) == 1 {
			return one, nil
		}
	}
	if len(found) > 1 {
		return "", fail(exitUsage, fmt.Errorf("--evidence: %d operations begin with %q: give more of it", len(found), b.shows))
	}
	return "", fail(exitState, fmt.Errorf("%w: %q", evidence.ErrNone, b.shows))
}

// harmless reports whether nobody can be served for the vouchers of a file: their channels are closed, or what was
// authorized on them is used up.
func (b *books) harmless(ctx context.Context, f evidence.File) error {
	for _, p := range f.Payments {
		c, err := records.Channel(ctx, b.wallet.files, p.ChannelID)
		switch {
		case err != nil:
			return fmt.Errorf("whether the voucher of channel %s can still be used is not known: %w", short(p.ChannelID), err)
		case c.Phase != channel.Closed && c.Spent.Less(c.Signed):
			return fmt.Errorf("whoever has the file could be served for %s that are authorized on channel %s and that the payee does not report as charged: "+
				"close it first (tally close)", written(b.currencyOf(p.ChainID, p.Descriptor.Token), c.Signed.SubFloor(c.Spent)), short(p.ChannelID))
		}
	}
	return nil
}

// verify is `tally ledger --verify`. It needs no store, key or node.
func (b *books) verify() error {
	if err := b.rules.load(b.env); err != nil {
		return err
	}
	f, err := b.readEvidence()
	if err != nil {
		return fail(exitRead, fmt.Errorf("--verify: %w", err))
	}
	found, err := f.Verify()
	if err != nil {
		return fail(exitState, err)
	}
	if b.body != "" && len(f.Payments) != 1 {
		return fail(exitUsage, errors.New("--body is for a file with one payment"))
	}
	for i, p := range f.Payments {
		if err := b.show(p, found[i]); err != nil {
			return err
		}
	}
	if b.body == "" {
		return nil
	}
	body, err := os.Open(b.body)
	if err != nil {
		return fail(exitRead, fmt.Errorf("--body: %w", err))
	}
	defer body.Close()
	if err := f.Payments[0].CheckBody(body); err != nil {
		return fail(exitState, fmt.Errorf("--body: %w", err))
	}
	return b.say("  body       it is the one of the digest")
}

func (b *books) readEvidence() (evidence.File, error) {
	if b.checkFile == "-" {
		return evidence.Parse(b.stdin)
	}
	file, err := os.Open(b.checkFile)
	if err != nil {
		return evidence.File{}, err
	}
	defer file.Close()
	return evidence.Parse(file)
}

// show prints what a payment proves, and what it only says.
func (b *books) show(p evidence.Payment, found evidence.Finding) error {
	in, says := b.currencyOf(p.ChainID, p.Descriptor.Token), "none"
	if r := found.Receipt; r != nil && r.Session {
		says = fmt.Sprintf("%s accepted, %s charged (not signed)", written(in, r.Accepted), written(in, r.Spent))
		if !found.Acknowledged {
			says += ", which does not acknowledge this voucher"
		}
	} else if r != nil {
		says = "without amounts (not signed)"
	}
	digest := "not bound by the challenge"
	if found.BindsBody {
		digest = "bound by the challenge"
	}
	unit := inline(found.Offer.UnitType) // whoever made the file chose it
	if unit == "" {
		unit = "request"
	}
	payer := "signed this itself"
	if found.Signer != p.Descriptor.Payer {
		payer = "did not sign this itself: only the chain says whether it opened the channel and named that key"
	}
	for _, line := range []string{
		fmt.Sprintf("%s by %s to %s: holds", p.Kind, p.Descriptor.Payer, p.Descriptor.Payee),
		fmt.Sprintf("  voucher    %s in all on channel %s, signed by %s", written(in, p.Cumulative), p.ChannelID, found.Signer),
		"  payer      " + payer,
		fmt.Sprintf("  channel    in the escrow %s on chain %d, which says whether it is there and what it holds", p.Escrow, p.ChainID),
		fmt.Sprintf("  challenge  %s for one %s, token %s on chain %d", written(in, found.Offer.Price), unit, p.Descriptor.Token, p.ChainID),
		fmt.Sprintf("  price      %s (the payer's record)", written(in, p.Price)),
		"  receipt    " + says,
		fmt.Sprintf("  digest     %x, %s", []byte(p.Body), digest),
	} {
		if err := b.say("%s", line); err != nil {
			return err
		}
	}
	return nil
}
