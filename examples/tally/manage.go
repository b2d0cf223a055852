package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// managing is the commands below `tally channels`.
type managing struct {
	*world
	wallet  wallet
	headers []string

	asJSON, all, verbose bool
}

func channelShowCommand(w *world) *cobra.Command {
	m := &managing{world: w}
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show everything that is on record of one channel",
		Long: `Show prints the record of one channel, of a closed one, too. ID is what tally channels shows, or any part of
the id that begins one channel only. It sends nothing and needs no key.`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: completeChannels(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store"); err != nil {
				return err
			}
			return m.show(cmd.Context(), args[0])
		},
	}
	m.wallet.storeFlag(cmd.Flags())
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "write JSON, with amounts in base units")
	return cmd
}

func channelArchiveCommand(w *world) *cobra.Command {
	m := &managing{world: w}
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "List the channels that are closed",
		Long: `Archive lists the channels that are closed. Their records move to an archive in the store by themselves, where
they slow nothing down, and are never deleted. It sends nothing and needs no key.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store"); err != nil {
				return err
			}
			return m.write(cmd.Context(), func(s channel.Info) bool { return s.Phase == channel.Closed })
		},
	}
	m.wallet.storeFlag(cmd.Flags())
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "write JSON, with whole ids and amounts in base units")
	return cmd
}

func channelSyncCommand(w *world) *cobra.Command {
	m := &managing{world: w}
	cmd := &cobra.Command{
		Use:   "sync [ID | --all]",
		Short: "Read channels on chain, and write down what it shows",
		Long: `Sync reads a channel on chain and corrects its record: deposit, what the payee took, a close. It signs and
sends nothing, and needs a node and no key. tally keep does the same for all channels of the key, and finishes what was
begun.`,
		Args:              arguments(cobra.MaximumNArgs(1)),
		ValidArgsFunction: completeChannels(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "rpc-url", "insecure-rpc", "store"); err != nil {
				return err
			}
			return m.sync(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&m.all, "all", "a", false, "all channels that hold money")
	m.wallet.storeFlag(flags)
	m.wallet.rpcFlag(flags, "to read the channels from")
	return cmd
}

func channelAdoptCommand(w *world) *cobra.Command {
	m := &managing{world: w}
	cmd := &cobra.Command{
		Use:   "adopt ID [URL]",
		Short: "Pay from a channel again that was found, or came from a backup",
		Long: `Adopt makes a channel that tally find has found one that is paid from, at URL. It is read on chain, and the
server is asked which voucher of ours it holds; only one that our key signed raises what counts as signed. For a
channel that has an origin already, as after a store was restored, leave URL out: the server is asked only. The
channels of another program are taken over by tally import.`,
		Args:              arguments(cobra.RangeArgs(1, 2)),
		ValidArgsFunction: completeChannels(w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store", "escrow"); err != nil {
				return err
			}
			place := ""
			if len(args) > 1 {
				place = args[1]
			}
			return m.adopt(cmd.Context(), args[0], place)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&m.headers, "header", "H", nil, "send the header `LINE` to the server: \"Name: value\"")
	m.wallet.escrowFlag(flags)
	m.wallet.keyFlags(flags)
	return cmd
}

// write lists the channels that are wanted, as tally channels does.
func (m *managing) write(ctx context.Context, wanted func(channel.Info) bool) error {
	if err := m.rules.load(m.env); err != nil {
		return err
	}
	var out channelWriter = &channelTable{world: m.world, t: newTable(m.stdout)}
	if m.asJSON {
		out = &channelJSON{world: m.world, w: m.stdout}
	}
	err := m.wallet.list(ctx, m.world, true, func(s channel.Info) error {
		if !wanted(s) {
			return nil
		}
		if err := out.channel(s); err != nil {
			return fail(exitWrite, err)
		}
		return nil
	})
	if endErr := out.end(); endErr != nil && err == nil {
		err = fail(exitWrite, endErr)
	}
	return err
}

// find returns the only channel whose id begins with a text: a closed one only if no other does. The store is open.
func (m *managing) find(ctx context.Context, begun string) (found channel.Info, err error) {
	var fit, closed []channel.Info
	var unread error
	for s, err := range records.Channels(ctx, m.wallet.files) {
		switch {
		case err != nil:
			unread = errors.Join(unread, err)
		case !strings.HasPrefix(s.ID.Hex(), strings.ToLower(begun)):
		case s.HoldsMoney():
			fit = append(fit, s)
		default:
			closed = append(closed, s)
		}
	}
	if fit == nil {
		fit = closed
	}
	switch {
	case len(fit) == 1:
		return fit[0], nil
	case len(fit) > 1:
		return found, fail(exitUsage,
			fmt.Errorf("%d channels begin with %q; give more of the ID (tally channels --all lists them)", len(fit), begun))
	case unread != nil:
		return found, fail(exitState, unread)
	}
	return found, fail(exitUsage, fmt.Errorf("no channel begins with %q (tally channels --all lists them)", begun))
}

func (m *managing) show(ctx context.Context, id string) error {
	if err := m.rules.load(m.env); err != nil {
		return err
	}
	if err := m.wallet.openStore(m.world); err != nil {
		return err
	}
	defer m.wallet.files.Close()
	s, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	if m.asJSON {
		out := &channelJSON{world: m.world, w: m.stdout}
		if err := errors.Join(out.channel(s), out.end()); err != nil {
			return fail(exitWrite, err)
		}
		return nil
	}
	t := newTable(m.stdout)
	for _, row := range m.details(s) {
		if row[1] != "" {
			t.row(row[0], row[1])
		}
	}
	if err := t.end(); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// details are the lines of `tally channels show`. Those without a value are left out.
func (w *world) details(s channel.Info) [][2]string {
	in := w.currencyOf(s.ChainID, s.Scope.Token)
	when := func(seconds uint64) string {
		if seconds == 0 {
			return ""
		}
		return time.Unix(int64(seconds), 0).Local().Format(time.DateTime)
	}
	some := func(a voucher.Amount) string {
		if a.IsZero() {
			return ""
		}
		return written(in, a)
	}
	operator := s.Scope.Operator.Hex()
	if s.Scope.Operator.Cmp(channel.Scope{}.Operator) == 0 {
		operator = ""
	}
	found := s.Scope.Origin
	if found == "" {
		found = "none: it was found on chain (tally channels adopt)"
	}
	return [][2]string{
		{"channel", s.ID.Hex()},
		{"phase", phase(s)},
		{"origin", found},
		{"closed at", s.URL},
		{"opened", s.CreatedAt.Local().Format(time.DateTime)},
		{"escrow", fmt.Sprintf("%s on %s (%s)", s.Escrow, chainName(s.ChainID), s.Protocol)},
		{"token", s.Scope.Token.Hex()},
		{"payer", s.Scope.Payer.Hex()},
		{"payee", s.Scope.Payee.Hex()},
		{"operator", operator},
		{"signer", s.Scope.Signer.Hex()},
		{"deposit", written(in, s.Deposit)},
		{"unconfirmed", some(s.Opening.Amount.AddCapped(s.ToppingUp.Amount))},
		{"authorized", written(in, s.Authorized)},
		{"signed", written(in, s.Signed)},
		{"used", written(in, s.Claimed)},
		{"spent", written(in, s.Spent) + ", as the server says"},
		{"settled", written(in, s.Settled) + ", as the chain says"},
		{"free", written(in, s.Deposit.SubFloor(s.Authorized))},
		{"fees", strings.TrimPrefix(w.feesOf(s), "-")},
		{"close asked", when(s.CloseRequestedAt)},
		{"close sent", some(s.CloseAmount)},
	}
}

func (m *managing) sync(ctx context.Context, args []string) (err error) {
	if m.all == (len(args) > 0) {
		return fail(exitUsage, errors.New("give an ID or --all"))
	}
	if _, err := m.wallet.nodes(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.wallet.close(ctx)) }()
	if err := m.rules.load(m.env); err != nil {
		return err
	}
	if err := m.wallet.look(ctx, m.keyless()); err != nil {
		return err
	}
	var chosen []channel.Info
	var errs []error
	if m.all {
		for s, err := range m.wallet.session.Channels().Live(ctx) {
			if err != nil {
				errs = append(errs, fail(exitState, err))
			} else if s.HoldsMoney() {
				chosen = append(chosen, s)
			}
		}
	} else {
		one, err := m.find(ctx, args[0])
		if err != nil {
			return err
		}
		chosen = append(chosen, one)
	}
	for _, s := range chosen {
		after, err := m.wallet.session.Channels().Sync(ctx, s.ID)
		if err != nil {
			errs = append(errs, fmt.Errorf("channel %s: %w", short(s.ID), err))
			continue
		}
		in := m.in(s)
		_, err = fmt.Fprintf(m.stdout, "%s %s: %s deposited, %s settled\n",
			short(s.ID), phase(after), written(in, after.Deposit), written(in, after.Settled))
		if err != nil {
			return fail(exitWrite, err)
		}
	}
	return errors.Join(errs...)
}

func (m *managing) adopt(ctx context.Context, id, place string) (err error) {
	m.wallet.limits = channel.Limits{Deposit: voucher.MaxAmount} // it opens and pays nothing
	if err := m.wallet.open(ctx, m.world, nil); err != nil {
		return err
	}
	if m.wallet.session == nil {
		return fail(exitKey, errors.New("adopting needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, m.wallet.close(ctx)) }()
	if _, err := m.wallet.nodes(); err != nil {
		return err
	}
	s, err := m.find(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case !s.HoldsMoney():
		return fail(exitUsage, fmt.Errorf("%s is closed", short(s.ID)))
	case s.Scope.Origin == "" && place == "":
		return fail(exitUsage, fmt.Errorf("%s has no origin: give the URL that it is paid at", short(s.ID)))
	case s.Scope.Origin != "" && place != "" && !sameOrigin(s.Scope.Origin, place):
		return fail(exitUsage, fmt.Errorf("%s is of %s: leave the URL out", short(s.ID), s.Scope.Origin))
	}
	at := s.Scope.Origin
	if at == "" {
		at = place
	}
	if ctx, err = withHeaders(ctx, m.headers, []string{at}); err != nil {
		return err
	}
	if s.Scope.Origin == "" {
		if err := m.free(ctx, s, place); err != nil {
			return err
		}
		if err := m.wallet.session.Channels().Import(ctx, place, channel.Identity{
			Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor,
		}); err != nil {
			return err
		}
	}
	after, asked := m.wallet.session.Channels().RecoverFromPayee(ctx, s.ID)
	if asked != nil {
		after, _ = m.wallet.channel(ctx, s.ID)
	}
	in := m.in(s)
	if _, err := fmt.Fprintf(m.stdout, "%s is paid from at %s: %s deposited, %s signed as far as is proved\n",
		short(s.ID), inline(after.Scope.Origin), written(in, after.Deposit), written(in, after.Authorized)); err != nil {
		return fail(exitWrite, err)
	}
	if asked != nil {
		return fail(exitPart, fmt.Errorf("the server could not be asked what was signed: %s", explain(asked)))
	}
	return nil
}

// free returns an error if another channel is paid from where this one would be.
func (m *managing) free(ctx context.Context, s channel.Info, place string) error {
	for other, err := range m.wallet.session.Channels().Live(ctx) {
		if err == nil && other.ID != s.ID && other.HoldsMoney() && other.Payable() && other.Scope.Origin != "" &&
			usedAt(other.Scope.Origin) == usedAt(place) && other.Escrow == s.Escrow && other.ChainID == s.ChainID &&
			other.Scope.Holds(s.Descriptor) {
			return fail(exitRefused, fmt.Errorf("%s is used there; close that first", short(other.ID)))
		}
	}
	return nil
}
