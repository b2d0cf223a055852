package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/client"
)

func trustCommand(w *world) *cobra.Command {
	var p wallet
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "List what origins asked for at first, and accept a change",
		Long: `Trust lists the terms that are remembered of origins: what each asked for first, or what was accepted since. An origin
that asks for another payee, token, chain, escrow or unit is refused until that is accepted. It asks nobody and
needs no key.`,
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

// pins prints what is remembered. A record that cannot be read does not hide the others.
func (p *wallet) pins(ctx context.Context, w *world) error {
	if err := p.openStore(w); err != nil {
		return err
	}
	defer p.files.Close()
	var bad error
	t := tabwriter.NewWriter(w.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ORIGIN\tPROTOCOL\tCHAIN\tPAYEE\tTOKEN\tESCROW\tSINCE")
	for pin, err := range client.Pins(ctx, p.files) {
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		m := pin.Terms
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", pin.Origin, pin.Protocol, m.ChainID, m.Payee, m.Token, m.Escrow, pin.Since.Local().Format(time.DateOnly))
	}
	if err := t.Flush(); err != nil {
		return fail(exitWrite, err)
	}
	if bad != nil {
		return fail(exitRead, bad)
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
		Short: "Show what a URL asks for now, and accept it",
		Long: `Accept sends the request unpaid, shows the terms that are remembered and those that are asked for, and remembers the new
ones where the answer is yes. Nothing is paid or signed. Find out first, in another way than from the server,
that the change is right.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "rpc-url", "store", "escrow"); err != nil {
				return err
			}
			return a.run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	a.requestFlags(flags)
	a.wallet.storeFlag(flags)
	flags.StringVar(&a.wallet.rpcURL, "rpc-url", "", "a node of the chain, where the server names none, at `URL`")
	a.wallet.escrowFlag(flags)
	flags.BoolVarP(&a.yes, "yes", "y", false, "accept without asking")
	return cmd
}

func (a *accepting) run(ctx context.Context, rawurl string) (err error) {
	got, status, err := a.ask(ctx, rawurl)
	defer func() { err = errors.Join(err, a.wallet.close(ctx)) }()
	switch {
	case err != nil:
		return err
	case got == nil && status == http.StatusPaymentRequired:
		return fail(exitPayment, errors.New("payment is required, and in no way that tally can pay"))
	case got == nil:
		return fail(exitUsage, fmt.Errorf("no payment is asked for there: the answer has status %d", status))
	}
	known, err := a.known(ctx, got)
	if err != nil {
		return err
	}
	trust := func() error { return client.PinFirstUse(a.wallet.files)(ctx, got.Proposal) }
	o := got.Offer
	offered := client.Terms{Payee: o.Payee, Operator: o.Operator, Token: o.Token, Escrow: o.Escrow, ChainID: o.ChainID}
	if !known {
		fmt.Fprintf(a.stderr, "tally: nothing is remembered of %s; it asks for %s; by the %q\n", got.Origin, offered, o.UnitType)
		if err := a.sure(ctx); err != nil {
			return err
		}
		return a.done(got, trust())
	}
	err = trust()
	var changed *client.TermsError
	if !errors.As(err, &changed) {
		return a.done(got, err)
	}
	p := changed.Pinned
	fmt.Fprintf(a.stderr, "tally: %s, %s\n  since %s: %s; by the %q\n  now: %s; by the %q\n", p.Origin, changed.Route,
		p.Since.Local().Format(time.DateTime), p.Terms, p.Units[changed.Route], changed.Offered, changed.Unit)
	if err := a.sure(ctx); err != nil {
		return err
	}
	return a.done(got, client.Accept(ctx, a.wallet.files, changed))
}

// known reports whether anything is remembered of the origin.
func (a *accepting) known(ctx context.Context, q *client.Quote) (bool, error) {
	for pin, err := range client.Pins(ctx, a.wallet.files) {
		if err != nil {
			return false, fail(exitRead, err)
		}
		if pin.Origin == q.Origin && pin.Protocol == q.Offer.Protocol {
			return true, nil
		}
	}
	return false, nil
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
	if err != nil {
		return fail(exitRefused, fmt.Errorf("not accepted: %w", err))
	}
	return nil
}

func (a *accepting) done(q *client.Quote, err error) error {
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.stdout, "%s: payee %s is trusted\n", q.Origin, q.Offer.Payee); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}
