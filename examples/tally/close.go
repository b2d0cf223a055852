package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	headers                       []string
	origin                        string
	idle                          time.Duration
}

func closeCommand(w *world) *cobra.Command {
	c := &closing{world: w}
	cmd := &cobra.Command{
		Use:   "close [ID | --all | --idle TIME]",
		Short: "Close channels and get the rest of the deposit back",
		Long: `Close ends a channel with the payee's help, for what was really used. ID is what tally channels
shows, or any part of the id that begins one channel only; it may be left out where there is but one. --idle 24h
closes all that nothing was paid from for a day.

With --header the payee's gateway gets what it wants to see: a key, a cookie. Requests that were paid are
not remembered. A header goes to one origin only: of channels of several, --origin chooses.

If the payee does not help, --force asks the chain to close the channel, and --withdraw brings the
rest back 15 minutes later; tally keep waits for that time. Both send a transaction and need --rpc-url.`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeChannels(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store"); err != nil {
				return err
			}
			return c.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&c.all, "all", "a", false, "all channels that hold money")
	flags.DurationVar(&c.idle, "idle", 0, "all channels that nothing was paid from for this `TIME`: 90m, 24h")
	flags.StringVar(&c.origin, "origin", "", "only channels of the origin `URL`")
	flags.StringArrayVarP(&c.headers, "header", "H", nil, "send the header `LINE` to the payee: \"Name: value\"")
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
	case c.idle < 0:
		return fail(exitUsage, errors.New("--idle is a time that has passed: 90m, 24h"))
	case (c.all || c.idle > 0) && len(args) > 0:
		return fail(exitUsage, errors.New("give an ID, or --all or --idle, not both"))
	case len(c.headers) > 0 && (c.force || c.withdraw):
		return fail(exitUsage, errors.New("--header is for the payee, who has no part in --force and --withdraw"))
	}
	if c.origin != "" {
		if c.origin, err = channel.ParseOrigin(c.origin); err != nil {
			return fail(exitUsage, fmt.Errorf("--origin: %w", err))
		}
	}
	if err := c.wallet.open(ctx, c.world, c.event); err != nil {
		return err
	}
	if c.wallet.session == nil {
		return fail(exitKey, errors.New("closing needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, c.wallet.close(ctx)) }()
	chosen, unread, err := c.choose(ctx, args)
	if err != nil {
		return err
	}
	if len(chosen) == 0 && unread == nil {
		fmt.Fprintln(c.stderr, "tally: there is nothing to close: no channel"+c.filter()+" holds money")
		return nil
	}
	var places []string
	for _, s := range chosen {
		places = append(places, s.Scope.Origin)
	}
	if ctx, err = withHeaders(ctx, c.headers, places); err != nil {
		return err
	}
	err = c.each(ctx, chosen)
	if unread != nil && err == nil && len(chosen) > 0 {
		return fail(exitPart, unread)
	}
	return errors.Join(err, unread)
}

// closesAtOnce is how many channels are closed side by side.
const closesAtOnce = 8

// each closes the channels side by side, so that a payee or node that does not answer holds up no
// other, and prints what became of them in their order.
func (c *closing) each(ctx context.Context, chosen []channel.Info) error {
	ended := make([]chan error, len(chosen))
	slots := make(chan struct{}, closesAtOnce)
	for i := range chosen {
		ended[i] = make(chan error, 1)
	}
	go func() {
		for i, s := range chosen {
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				ended[i] <- c.one(ctx, s)
			}()
		}
	}()
	var errs []error
	done := 0
	for i, s := range chosen {
		if !c.verbose {
			c.progress.say("closing channel %d of %d", i+1, len(chosen))
		}
		err := <-ended[i]
		c.progress.hide()
		if err == nil {
			done++
			after, _ := c.wallet.channel(context.WithoutCancel(ctx), s.ID)
			if _, err := fmt.Fprintln(c.stdout, inline(c.result(after))); err != nil {
				errs = append(errs, fail(exitWrite, err))
			}
			continue
		}
		errs = append(errs, fmt.Errorf("channel %s: %w", short(s.ID), err))
	}
	if done > 0 && done < len(chosen) {
		return fail(exitPart, errors.Join(errs...))
	}
	return errors.Join(errs...)
}

// withHeaders returns a context in which closes and questions to payees send the given headers. They go
// to one origin: that of all places, of which those that are no URL are left out.
func withHeaders(ctx context.Context, lines, places []string) (context.Context, error) {
	req := &http.Request{Header: http.Header{}}
	if err := (&request{headers: lines}).setHeaders(req); err != nil || len(lines) == 0 {
		return ctx, err
	}
	if req.Host != "" {
		req.Header.Set("Host", req.Host)
	}
	origin := ""
	for _, place := range places {
		o, err := channel.ParseOrigin(place)
		switch {
		case err != nil: // it was found again, and has no place to close at
		case origin != "" && o != origin:
			return ctx, fail(exitUsage, fmt.Errorf("--header would go to %s and to %s: choose one with --origin", origin, o))
		default:
			origin = o
		}
	}
	if origin == "" {
		return ctx, nil
	}
	return client.WithHeader(ctx, origin, req.Header), nil
}

// choose finds the channels that are meant. unread is the error about records that cannot be read: a channel that is
// meant may be one of them, unless another one was named.
func (c *closing) choose(ctx context.Context, args []string) (found []channel.Info, unread, err error) {
	for s, err := range c.wallet.session.Channels().Live(ctx) {
		switch {
		case err != nil:
			unread = errors.Join(unread, fail(exitState, fmt.Errorf("a channel that may hold money was passed over: %w", err)))
		case !s.HoldsMoney(), c.origin != "" && !sameOrigin(s.Scope.Origin, c.origin):
		case c.idle > 0 && time.Since(s.PaidAt) < c.idle:
		case len(args) == 0, strings.HasPrefix(s.ID.Hex(), strings.ToLower(args[0])):
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 0 && len(args) > 0 && unread != nil:
		return nil, nil, unread
	case len(found) == 0 && len(args) > 0:
		return nil, nil, fail(exitUsage, fmt.Errorf("no channel that holds money begins with %q (tally channels lists them)", args[0]))
	case len(found) > 1 && !c.all && c.idle == 0:
		return nil, nil, fail(exitUsage, fmt.Errorf("%d channels fit; give more of the ID, or --all (tally channels lists them)", len(found)))
	case len(args) > 0:
		return found, nil, nil
	}
	return found, unread, nil
}

// filter says which channels were looked at.
func (c *closing) filter() (text string) {
	if c.origin != "" {
		text += " of " + c.origin
	}
	if c.idle > 0 {
		text += " that nothing was paid from for " + c.idle.String()
	}
	return text
}

// one closes a channel in the way that was asked for.
func (c *closing) one(ctx context.Context, s channel.Info) error {
	channels := c.wallet.session.Channels()
	switch {
	case c.force:
		return channels.RequestClose(ctx, s.ID)
	case c.withdraw:
		return channels.Withdraw(ctx, s.ID)
	}
	err := channels.Close(ctx, s.ID)
	if errors.Is(err, client.ErrRejected) {
		return fmt.Errorf("%w; to close without the payee: tally close %s --force", err, short(s.ID))
	}
	return err
}

// result is what became of a channel, in one line.
func (w *world) result(s channel.Info) string {
	in := w.in(s)
	switch s.Phase {
	case channel.Closed:
		if !s.CloseSent {
			return fmt.Sprintf("%s closed: what the payee did not take of %s is back", short(s.ID), written(in, s.Deposit))
		}
		return fmt.Sprintf("%s closed: %s paid, %s back", short(s.ID), written(in, s.CloseAmount), written(in, s.Deposit.SubFloor(s.CloseAmount)))
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
		fmt.Fprintln(c.stderr, "*", c.describe(e))
	}
}
