package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

func trustCommand(w *world) *cobra.Command {
	var p wallet
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "List the accepted terms of origins, and accept others",
		Long: `Trust lists the accepted terms of each origin: the first ones that it named, and
those that were accepted since. An origin that names another payee, operator, token, chain or escrow, or
charges a route by another unit, is refused until that is accepted. Trust sends nothing and needs
no key.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store"); err != nil {
				return err
			}
			return p.pins(cmd.Context(), w)
		},
	}
	p.storeFlag(cmd.Flags())
	cmd.AddCommand(acceptCommand(w))
	return cmd
}

// pins prints the accepted terms. A record that cannot be read does not hide the others.
func (p *wallet) pins(ctx context.Context, w *world) error {
	if err := p.openStore(w); err != nil {
		return err
	}
	defer p.files.Close()
	var bad error
	t := newTable(w.stdout)
	t.row("ORIGIN", "PROTOCOL", "CHAIN", "PAYEE", "TOKEN", "ESCROW", "SINCE")
	for pin, err := range records.Pins(ctx, p.files) {
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		m := pin.Terms
		t.row(pin.Origin, m.Protocol, m.ChainID, m.Payee, m.Token, m.Escrow, pin.Since.Local().Format(time.DateOnly))
	}
	if err := t.end(); err != nil {
		return fail(exitWrite, err)
	}
	if bad != nil {
		return fail(exitState, bad)
	}
	return nil
}

// accepting is `tally trust accept`.
type accepting struct {
	quote
	yes bool
}

func acceptCommand(w *world) *cobra.Command {
	a := &accepting{quote: quote{world: w}}
	cmd := &cobra.Command{
		Use:   "accept URL",
		Short: "Show the terms of a URL, and accept them",
		Long: `Accept sends the request unpaid, shows the terms that are accepted of the origin and
those that the URL names now, and accepts these too if the answer is yes. What was accepted before stays
accepted. Nothing is paid or signed. Make sure first that the change is right, in another way than
from the server. Under a policy a person has to answer, and there is no --yes.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "rpc-url", "insecure-rpc", "store", "escrow"); err != nil {
				return err
			}
			return a.run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.requestFlags(flags)
	a.wallet.connection.flags(flags)
	a.wallet.storeFlag(flags)
	a.wallet.rpcFlag(flags, "where the server names none")
	a.wallet.escrowFlag(flags)
	flags.BoolVarP(&a.yes, "yes", "y", false, "accept without asking")
	return cmd
}

// errPolicyAsks means that --yes was given under a policy.
var errPolicyAsks = errors.New(
	"a policy is set, so a person accepts other terms at a terminal: leave out --yes",
)

func (a *accepting) run(ctx context.Context, rawurl string) (err error) {
	if err := a.rules.load(a.env); err != nil {
		return err
	}
	if a.yes && a.rules.file != nil {
		return fail(exitApproval, fmt.Errorf("not accepted: %w", errPolicyAsks))
	}
	got, status, err := a.ask(ctx, rawurl)
	defer func() { err = errors.Join(err, a.wallet.close(ctx)) }()
	switch {
	case err != nil:
		return err
	case got == nil && status == http.StatusPaymentRequired:
		return fail(exitNothing, errNothing)
	case got == nil:
		return fail(exitUsage, fmt.Errorf("no payment is asked for there: the answer has status %d",
			status))
	}
	if err := a.wallet.connection.policy(agreed)(ctx, got.Proposal); err != nil { // who names these terms could be anybody
		return fail(exitRefused, fmt.Errorf("not accepted: %w", err))
	}
	accepted, err := a.accepted(ctx, got.Origin)
	if err != nil {
		return err
	}
	check := func() error { return client.PinFirstUse(a.wallet.files)(ctx, got.Proposal) }
	if len(accepted) == 0 {
		fmt.Fprintf(a.stderr, "tally: no terms of %s are accepted yet\n  named now: %s\n",
			got.Origin, got.Terms)
		if err := a.sure(ctx); err != nil {
			return err
		}
		return a.done(got, check())
	}
	err = check()
	var changed *client.TermsError
	if !errors.As(err, &changed) {
		return a.done(got, err)
	}
	a.show(changed)
	if err := a.sure(ctx); err != nil {
		return err
	}
	return a.done(got, changed.Accept(ctx, a.wallet.files))
}

// show prints the accepted terms and the new ones.
func (a *accepting) show(e *client.TermsError) {
	fmt.Fprintf(a.stderr, "tally: %s, %s\n", e.Origin, inline(e.Route))
	for _, p := range e.Pinned {
		fmt.Fprintf(a.stderr, "  accepted since %s: %s\n", p.Since.Local().Format(time.DateTime), p)
	}
	for _, unit := range e.Units {
		fmt.Fprintf(a.stderr, "  accepted for this route: charged by the %q\n", unit)
	}
	fmt.Fprintf(a.stderr, "  named now: %s\n", e.Offered)
}

// accepted returns the accepted terms of an origin.
func (a *accepting) accepted(ctx context.Context, origin string) (all []channel.Pin, err error) {
	for pin, err := range records.Pins(ctx, a.wallet.files) {
		if err != nil {
			return nil, fail(exitState, err)
		}
		if pin.Origin == origin {
			all = append(all, pin)
		}
	}
	return all, nil
}

// sure asks whether to go on, unless --yes has said so.
func (a *accepting) sure(ctx context.Context) error {
	if a.yes {
		return nil
	}
	yes, err := a.confirm(ctx, "Accept that?")
	if err == nil && !yes {
		err = errors.New("the answer was no")
	}
	if errors.Is(err, errNoTerminal) {
		err = fmt.Errorf("%w: run it at one, or give --yes", err)
	}
	if err != nil {
		return fail(exitApproval, fmt.Errorf("not accepted: %w", err))
	}
	return nil
}

func (a *accepting) done(q *client.Quote, err error) error {
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "%s: payee %s is trusted\n", q.Origin,
		q.Offer.Payee); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}
