package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func channelTopUpCommand(w *world) *cobra.Command {
	m := &managing{world: w}
	cmd := &cobra.Command{
		Use:   "top-up ID AMOUNT",
		Short: "Put more into a channel, before requests need it",
		Long: `Top-up raises the deposit of an open channel by AMOUNT, in tokens or, with a u at the end, in base units (2.5,
2500000u). ID is what tally channels shows, or any part of the id that begins one channel only. What the channel holds
then must be within --max-deposit; a policy's deposit and total bind as well. Nothing is paid by it: what is not used
comes back when the channel is closed.

If no answer comes, the same command again completes what was begun and adds nothing to it.`,
		Args:              arguments(cobra.ExactArgs(2)),
		ValidArgsFunction: completeChannels(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store", "escrow", "max-deposit")
			if err != nil {
				return err
			}
			ctx, err := w.rules.lower(cmd.Context(), w.env, cmd.Flags(), &m.wallet)
			if err != nil {
				return err
			}
			return m.topUp(ctx, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(amount{&m.wallet.limits.Deposit}, "max-deposit", "the most that the channel may hold (default 0: put in nothing)")
	flags.StringArrayVarP(&m.headers, "header", "H", nil, "send the header `LINE` to the payee: \"Name: value\"")
	flags.BoolVarP(&m.verbose, "verbose", "v", false, "tell on stderr what happens")
	m.wallet.escrowFlag(flags)
	m.wallet.keyFlags(flags)
	return cmd
}

func (m *managing) topUp(ctx context.Context, id, text string) (err error) {
	if err := m.wallet.open(ctx, m.world, m.tell); err != nil {
		return err
	}
	if m.wallet.session == nil {
		return fail(exitKey, errors.New("topping up needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, m.wallet.close(ctx)) }()
	if _, err := m.wallet.nodes(); err != nil {
		return err
	}
	s, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	m.currency = m.currencyOf(s.ChainID, s.Scope.Token)
	add, err := parseAmount(m.currency, text)
	if err != nil {
		return fail(exitUsage, fmt.Errorf("AMOUNT: %w", err))
	}
	if ctx, err = withHeaders(ctx, m.headers, []string{s.Scope.Origin}); err != nil {
		return err
	}
	after, err := m.wallet.session.Channels().TopUp(ctx, s.ID, add)
	m.progress.hide()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(m.stdout, "%s holds %s now, %s of it used\n",
		short(s.ID), written(m.currency, after.Deposit), number(m.currency, after.Claimed)); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// parseAmount reads an amount of a currency that a person wrote. Without known decimals it has to be in base units.
func parseAmount(c channel.Currency, text string) (voucher.Amount, error) {
	decimals := int(c.Decimals)
	if c.Symbol == "" {
		decimals = 0
		if !strings.HasSuffix(text, "u") {
			return voucher.Amount{}, fmt.Errorf("tally does not know the decimals of %s: write base units, 250000u", symbol(c))
		}
	}
	a, err := voucher.ParseTokens(text, decimals)
	switch {
	case err != nil:
		return a, fmt.Errorf("%w: write %s", err, policyfile.AmountSyntax)
	case a.IsZero():
		return a, errors.New("it is zero, which adds nothing")
	}
	return a, nil
}

// tell tells what happens, with -v, and otherwise shows what is waited for.
func (m *managing) tell(e client.Event) {
	switch {
	case m.verbose:
		fmt.Fprintln(m.stderr, "*", m.describe(e))
	case e.Kind == client.EventToppingUp:
		m.progress.say("topping up the channel to %s", written(m.currency, e.Deposit))
	}
}
