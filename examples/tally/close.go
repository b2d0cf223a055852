package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
)

// closing is `tally close`.
type closing struct {
	*world
	wallet                        wallet
	all, force, withdraw, verbose bool
}

func closeCommand(w *world) *cobra.Command {
	c := &closing{world: w}
	cmd := &cobra.Command{
		Use:   "close [ID | --all]",
		Short: "Close channels and get the rest of the deposit back",
		Long: `Close ends a channel with the payee's help, for what was really used. ID is what tally channels
shows, or any part of the id that begins one channel only; it may be left out where there is but one.

Where the payee does not help, --force asks the chain to close the channel, and --withdraw brings the
rest back 15 minutes later; tally keep waits for that time. Both send a transaction and need --rpc-url.`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "store"); err != nil {
				return err
			}
			return c.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&c.all, "all", "a", false, "all channels that hold money")
	flags.BoolVar(&c.force, "force", false, "request the close on chain, without the payee")
	flags.BoolVar(&c.withdraw, "withdraw", false, "withdraw what a requested close has left")
	flags.BoolVarP(&c.verbose, "verbose", "v", false, "tell on stderr what happens")
	c.wallet.keyFlags(flags)
	return cmd
}

func (c *closing) run(ctx context.Context, args []string) (err error) {
	switch {
	case c.force && c.withdraw:
		return fail(exitUsage, errors.New("--force and --withdraw are two steps, 15 minutes apart"))
	case c.all && len(args) > 0:
		return fail(exitUsage, errors.New("give an ID or --all, not both"))
	}
	if err := c.wallet.open(ctx, c.world, c.event); err != nil {
		return err
	}
	if c.wallet.session == nil {
		return fail(exitUsage, errors.New("closing needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, c.wallet.close(ctx)) }()
	chosen, err := c.choose(ctx, args)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range chosen {
		if err := c.one(ctx, s); err != nil {
			errs = append(errs, fmt.Errorf("channel %s: %w", short(s.ID), err))
		}
	}
	return errors.Join(errs...)
}

// choose finds the channels that are meant.
func (c *closing) choose(ctx context.Context, args []string) ([]channel.Info, error) {
	var found []channel.Info
	for s, err := range c.wallet.session.Channels().All(ctx) {
		switch {
		case err != nil:
			fmt.Fprintln(c.stderr, "tally: a record was passed over:", err)
		case !s.HoldsMoney():
		case len(args) == 0, strings.HasPrefix(s.ID.Hex(), strings.ToLower(args[0])):
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0 && len(args) > 0:
		return nil, fail(exitUsage, fmt.Errorf("no channel that holds money begins with %q", args[0]))
	case len(found) > 1 && !c.all:
		return nil, fail(exitUsage, fmt.Errorf("%d channels fit; give more of the ID, or --all (tally channels lists them)", len(found)))
	}
	return found, nil
}

// one closes a channel in the way that was asked for, and says what became of it.
func (c *closing) one(ctx context.Context, s channel.Info) error {
	session := c.wallet.session
	switch {
	case c.force:
		if err := session.Channels().RequestClose(ctx, s.ID); err != nil {
			return err
		}
	case c.withdraw:
		if err := session.Channels().Withdraw(ctx, s.ID); err != nil {
			return err
		}
	default:
		if err := session.Channels().Close(ctx, s.ID); err != nil {
			if errors.Is(err, client.ErrRejected) {
				return fmt.Errorf("%w; to close without the payee: tally close %s --force", err, short(s.ID))
			}
			return err
		}
	}
	after, _ := c.wallet.channel(ctx, s.ID)
	_, err := fmt.Fprintln(c.stdout, result(after))
	if err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// result is what became of a channel, in one line.
func result(s channel.Info) string {
	switch s.Phase {
	case channel.Closed:
		if !s.CloseSent {
			return fmt.Sprintf("%s closed: what the payee did not take of %s is back", short(s.ID), tokens(s.Deposit))
		}
		return fmt.Sprintf("%s closed: %s paid, %s back", short(s.ID), tokens(s.CloseAmount), tokens(s.Deposit.SubFloor(s.CloseAmount)))
	case channel.Closing:
		if s.CloseRequestedAt != 0 {
			ready := time.Unix(int64(s.CloseRequestedAt), 0).Add(escrow.GracePeriod)
			return fmt.Sprintf("%s close requested: run tally close %s --withdraw after %s, or tally keep, which waits for it", short(s.ID), short(s.ID), ready.Local().Format(time.DateTime))
		}
		return fmt.Sprintf("%s closing: the payee says so, the chain was not asked (--rpc-url)", short(s.ID))
	}
	return fmt.Sprintf("%s %s", short(s.ID), s.Phase)
}

func (c *closing) event(e client.Event) {
	if c.verbose {
		fmt.Fprintln(c.stderr, "*", describe(e))
	}
}
