package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
)

// finding is `tally find`.
type finding struct {
	*world
	wallet wallet
	again  bool
}

func findCommand(w *world) *cobra.Command {
	f := &finding{world: w}
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Find lost channels in the logs of the chain",
		Long: `Find looks through the logs of the chain for every channel that the key ever funded, checks what each
still holds, and writes down those that are not in the store: after the store was lost or restored from a
backup. It prints what it found, and on stderr how far it is. Interrupted, it goes on there the next time.

Nothing is paid from a channel that was found until its server proves what was signed on it (--bootstrap, with
tally URL). To get the money back: tally close ID --force, and then tally keep.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store", "escrow"); err != nil {
				return err
			}
			return f.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.again, "again", false, "begin at the chain's first block, whatever was searched before")
	f.wallet.escrowFlag(flags)
	f.wallet.keyFlags(flags)
	return cmd
}

func (f *finding) run(ctx context.Context) (err error) {
	if err := f.wallet.open(ctx, f.world, nil); err != nil {
		return err
	}
	if f.wallet.session == nil {
		return fail(exitKey, errors.New("finding channels needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, f.wallet.close(ctx)) }()
	if f.wallet.chain == nil {
		return fail(exitUsage, errors.New("finding channels needs a node of the chain: set --rpc-url"))
	}
	var bad error
	var told time.Time
	missed, strange := 0, 0
	for one, err := range f.wallet.session.Channels().Find(ctx, f.again) {
		if err != nil {
			return errors.Join(err, bad)
		}
		switch one.Found {
		case channel.FoundNothing:
			strange += one.Strange
			f.progress.say("searched up to block %d of %d", one.Next-min(one.Next, 1), one.Newest)
			if last := one.Next > one.Newest; last || !f.progress.on && time.Since(told) > time.Second {
				told = time.Now()
				fmt.Fprintf(f.stderr, "tally: searched up to block %d of %d\n", one.Next-min(one.Next, 1), one.Newest)
			}
			continue
		case channel.FoundNotSeen:
			missed++
		case channel.FoundUnreadable:
			bad = errors.Join(bad, fmt.Errorf("channel %s: %w", short(one.Channel.ID), one.Err))
		}
		f.progress.hide()
		if _, err := fmt.Fprintln(f.stdout, inline(f.line(one))); err != nil {
			return fail(exitWrite, err)
		}
	}
	f.progress.hide()
	if strange > 0 {
		fmt.Fprintf(f.stderr, "tally: %d logs describe no channel: the node may have damaged them; the next search begins before them\n", strange)
	}
	if bad != nil {
		return fail(exitState, errors.Join(bad, left(missed), f.wallet.elsewhere(ctx)))
	}
	return errors.Join(left(missed), f.wallet.elsewhere(ctx))
}

// left is the error about channels that were found, and that the chain does not show.
func left(missed int) error {
	if missed == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of those found; they are kept on record: look again, or ask another node",
		client.ErrNotSeen, missed)
}

// line says what became of a channel that was found.
func (w *world) line(f channel.Finding) string {
	s := f.Channel
	in := w.in(s)
	id := short(s.ID)
	switch f.Found {
	case channel.FoundAdded:
		return fmt.Sprintf("%s found: holds %s (payee %s)", id, written(in, s.Deposit.SubFloor(s.Settled)), s.Descriptor.Payee)
	case channel.FoundForeign:
		return fmt.Sprintf("%s found, with the vouchers of another key (%s): holds %s (payee %s); it can only be closed", id, s.Scope.Signer, written(in, s.Deposit.SubFloor(s.Settled)), s.Descriptor.Payee)
	case channel.FoundClosed:
		return fmt.Sprintf("%s closed", id)
	case channel.FoundNotSeen:
		return fmt.Sprintf("%s not seen: it was opened with %s (payee %s), and the chain shows neither it nor its close", id, written(in, s.Deposit), s.Descriptor.Payee)
	case channel.FoundUnreadable:
		return fmt.Sprintf("%s on record, but the record cannot be read", id)
	default:
		return fmt.Sprintf("%s known, %s", id, phase(s))
	}
}
