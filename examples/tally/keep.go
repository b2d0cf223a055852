package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/client"
)

// keeping is `tally keep`.
type keeping struct {
	*world
	wallet        wallet
	once, verbose bool
}

func keepCommand(w *world) *cobra.Command {
	k := &keeping{world: w}
	cmd := &cobra.Command{
		Use:   "keep",
		Short: "Finish what was begun: withdraw what closes have left",
		Long: `Keep looks after channels until nothing is left to be done: it withdraws what a requested close has left as
soon as its 15 minutes are over, looks up openings, top-ups and closes whose result is not known, and notices
what the payees did. It signs no vouchers. With --once it looks once and says how much is left: for cron.

Open channels with nothing under way are left alone; see tally close.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store"); err != nil {
				return err
			}
			return k.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&k.once, "once", false, "look once and do not wait")
	flags.BoolVarP(&k.verbose, "verbose", "v", false, "tell on stderr what happens")
	k.wallet.keyFlags(flags)
	return cmd
}

func (k *keeping) run(ctx context.Context) (err error) {
	if err := k.wallet.open(ctx, k.world, k.event); err != nil {
		return err
	}
	if k.wallet.session == nil {
		return fail(exitKey, errors.New("keeping needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, k.wallet.close(ctx)) }()
	if k.wallet.chain == nil {
		return fail(exitUsage, errors.New("keeping needs a node of the chain: set --rpc-url"))
	}
	if !k.once {
		return k.wallet.session.Channels().SweepUntilDone(ctx)
	}
	left, wait, err := k.wallet.session.Channels().Sweep(ctx)
	if err == nil && left > 0 {
		_, err = fmt.Fprintf(k.stdout, "%d left; look again in %s\n", left, wait.Round(time.Second))
		if err != nil {
			return fail(exitWrite, err)
		}
	}
	return err
}

// event tells what the keeper did: what closed on stdout, what went wrong on stderr.
func (k *keeping) event(e client.Event) {
	switch {
	case e.Kind == client.EventClosed:
		fmt.Fprintf(k.stdout, "%s closed\n", short(e.ChannelID))
	case e.Kind == client.EventReopened:
		fmt.Fprintf(k.stdout, "%s open again: a top-up took the close request back\n", short(e.ChannelID))
	case k.verbose || e.Kind == client.EventDelayed:
		fmt.Fprintln(k.stderr, "*", k.describe(e))
	}
}
