package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// quote is `tally quote`, and what `tally trust accept` asks a server.
type quote struct {
	*world
	wallet wallet
	request
}

func quoteCommand(w *world) *cobra.Command {
	q := &quote{world: w}
	cmd := &cobra.Command{
		Use:   "quote URL",
		Short: "Show what a request would cost, and whether it would be paid",
		Long: `Quote sends the request unpaid and prints what it would cost, who would be paid, what would be put into a channel
for it at which fee, and what limits and policy decide:
allow, ask (a person first), or deny, which ends with status 110. Without limits and policy it prints the price and
decides nothing. Nothing is signed, and no key is needed.
With a key, an open channel of the key is taken into account.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, settings...); err != nil {
				return err
			}
			ctx, err := w.rules.lower(cmd.Context(), w.env, cmd.Flags(), &q.wallet)
			if err != nil {
				return err
			}
			return q.run(ctx, args[0])
		},
	}
	cmd.Flags().SortFlags = false
	q.requestFlags(cmd.Flags())
	q.wallet.connection.flags(cmd.Flags())
	q.wallet.keyFlags(cmd.Flags())
	q.wallet.limitFlags(cmd.Flags())
	return cmd
}

func (q *quote) run(ctx context.Context, rawurl string) (err error) {
	got, status, err := q.ask(ctx, rawurl)
	defer func() { err = errors.Join(err, q.wallet.close(ctx)) }()
	switch {
	case err != nil:
		return err
	case got == nil && status == http.StatusPaymentRequired:
		return fail(exitNothing, errNothing)
	case got == nil:
		return q.print([][2]string{{"price", fmt.Sprintf("nothing: the answer has status %d", status)}})
	}
	o, d := got.Offer, got.Decision
	refusal := q.rules.consents(ctx, got.Proposal, q.wallet.files)
	if err := q.wallet.connection.policy(agreed)(ctx, got.Proposal); err != nil {
		refusal = err
	}
	unset := q.unset()
	if d.Verdict == channel.Deny && !unset {
		refusal = &channel.LimitError{Limit: d.Rule, Wanted: d.Wanted, Allowed: d.Allowed, Left: d.Left, Currency: d.Currency}
	}
	rows := [][2]string{
		{"price", o.Currency.Format(o.Price) + unit(o)},
		{"payee", o.Payee.Hex()},
		{"token", o.Token.Hex()},
		{"escrow", fmt.Sprintf("%s on chain %d (%s)", o.Escrow.Hex(), o.ChainID, o.Protocol)},
		{"decision", decision(d, refusal)},
	}
	if unset && refusal == nil {
		rows[len(rows)-1][1] = fmt.Sprintf(
			"none: no limit is set; --max-price %s --max-deposit AMOUNT pay it", number(o.Currency, o.Price))
	}
	if !got.Locked.IsZero() {
		rows = append(rows, [2]string{"deposit", q.deposit(got)})
	}
	if err := q.print(rows); err != nil {
		return err
	}
	if refusal != nil {
		return fail(exitRefused, refusal)
	}
	return nil
}

// unset reports whether nobody has set a limit yet: the price was asked for only.
func (q *quote) unset() bool { return q.rules.file == nil && q.wallet.limits.Price.IsZero() }

// agreed is a policy that agrees.
func agreed(context.Context, client.Proposal) error { return nil }

// ask sends the request unpaid. The wallet is to be closed afterwards, in any case.
func (q *quote) ask(ctx context.Context, rawurl string) (*client.Quote, int, error) {
	defer q.end()
	req, err := q.build(ctx, rawurl, q.world)
	if err != nil {
		return nil, 0, err
	}
	if err := q.wallet.look(ctx, q.world); err != nil {
		return nil, 0, err
	}
	return q.wallet.session.Quote(req)
}

// unit is what the price is for, in the server's words.
func unit(o channel.Offer) string {
	if o.UnitType == "" {
		return ""
	}
	return fmt.Sprintf(" per %q", o.UnitType)
}

// mostFee is the most that escrow.Client signs for, in base units of a dollar token. Limits allow less as a rule.
const mostFee = 50_000

// deposit is what would be put into a channel first, in words.
func (w *world) deposit(q *client.Quote) string {
	c := q.Offer.Currency
	in := w.currencyOf(q.Offer.ChainID, cmp.Or(q.Offer.FeeToken, q.Offer.Token))
	most := written(in, q.MaxFee.Min(voucher.Units(mostFee)))
	fee := fmt.Sprintf("; its fee is about %s, at most %s", number(in, q.Fee), most)
	switch {
	case q.Offer.FeePayer:
		fee = "; the payee pays its fee"
	case q.Fee.IsZero():
		fee = "; its fee is at most " + most // it is not estimated
	case q.MaxFee.Less(q.Fee):
		fee = fmt.Sprintf("; its fee is about %s, and the limits allow %s: see fees", number(in, q.Fee), most)
	}
	requests := "requests"
	if q.Requests == 1 {
		requests = "request"
	}
	return fmt.Sprintf("%s is put into a channel first, for %d %s; the rest comes back when it is closed%s",
		written(c, q.Locked), q.Requests, requests, fee)
}

// decision is a decision in words.
func decision(d channel.Decision, refusal error) string {
	switch {
	case d.Verdict == channel.Deny:
		return fmt.Sprintf("deny: %s allows %s", d.Rule, d.Currency.Format(d.Allowed))
	case refusal != nil:
		return "deny: not with them, or not on these terms"
	case d.Verdict == channel.Ask:
		return fmt.Sprintf("ask: the price is above %s", d.Currency.Format(d.Allowed))
	}
	return fmt.Sprintf("allow: %s leaves %s of %s", d.Rule, d.Currency.Format(d.Left), d.Currency.Format(d.Allowed))
}

func (q *quote) print(rows [][2]string) error {
	t := newTable(q.stdout)
	for _, row := range rows {
		t.row(row[0], row[1])
	}
	if err := t.end(); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// look makes a session that is not to sign: with the key where one is given and may sign, or else with one that
// nobody has.
func (p *wallet) look(ctx context.Context, w *world) error {
	if err := p.transport(); err != nil {
		return err
	}
	if err := w.rules.load(w.env); err != nil {
		return err
	}
	if !w.rules.readOnly() && !p.keyless {
		key, err := w.key(ctx, p.keyFile)
		if err != nil {
			return err
		}
		if key != nil {
			return p.start(ctx, w, key, nil)
		}
	}
	secret, err := crypto.GenerateKey()
	if err != nil {
		return err
	}
	key, err := voucher.NewKeySigner(secret)
	if err != nil {
		return err
	}
	return p.start(ctx, w, key, nil)
}
