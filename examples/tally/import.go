package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/store/channelsdb"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// importing is `tally import`.
type importing struct {
	*world
	wallet wallet
	agree  voucher.Amount
	used   map[string][]channel.Info // channels that are paid from, by where

	headers []string
	origin  string
}

func importCommand(w *world) *cobra.Command {
	i := &importing{world: w}
	cmd := &cobra.Command{
		Use:   "import PATH",
		Short: "Take over the channels of another client",
		Long: `Import reads the channels.db of mppx, mpp-rs or the Tempo wallet (~/.tempo/wallet/channels.db) and takes over the
channels that were funded and are signed for with this key. Their file is copied and the copy is read; nothing is
written there. End the other program first: two that pay from one channel without knowing of each other are refused.

No other program's number is signed: a channel begins with what the chain has settled, and with the highest
voucher of ours that its server shows. If the server shows none, and the other program signed more, requests are
refused until the number has climbed to where it was. --agree skips that: it signs what the other program says it
signed, up to AMOUNT for each channel, as if you had asked for something at that price.

With --header the gateways of those servers get what they want to see: a key, a cookie. A header goes to one origin
only: of channels of several, --origin chooses.`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store", "escrow"); err != nil {
				return err
			}
			return i.run(cmd.Context(), args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.Var(amount{&i.agree}, "agree", "sign what the other client says it signed, up to this much on each channel (default 0: nothing)")
	flags.StringVar(&i.origin, "origin", "", "only channels of the origin `URL`")
	flags.StringArrayVarP(&i.headers, "header", "H", nil, "send the header `LINE` to the server: \"Name: value\"")
	i.wallet.escrowFlag(flags)
	i.wallet.keyFlags(flags)
	return cmd
}

func (i *importing) run(ctx context.Context, path string) (err error) {
	if i.origin != "" {
		if i.origin, err = channel.ParseOrigin(i.origin); err != nil {
			return fail(exitUsage, fmt.Errorf("--origin: %w", err))
		}
	}
	if err := (&request{headers: i.headers}).setHeaders(&http.Request{Header: http.Header{}}); err != nil {
		return err
	}
	i.wallet.limits = channel.Limits{Price: i.agree, Deposit: voucher.MaxAmount} // it opens nothing
	if err := i.wallet.open(ctx, i.world, nil); err != nil {
		return err
	}
	if i.wallet.session == nil {
		return fail(exitKey, errors.New("importing needs the key: set --key-file or TALLY_KEY"))
	}
	defer func() { err = errors.Join(err, i.wallet.close(ctx)) }()
	if i.wallet.chain == nil {
		return fail(exitUsage, errors.New("importing needs a node of the chain: set --rpc-url"))
	}
	i.used = map[string][]channel.Info{}
	for s, err := range i.wallet.session.Channels().Live(ctx) {
		if err == nil { // one that cannot be read is told by tally channels
			i.use(s)
		}
	}
	rows, places, bad, err := i.read(ctx, path)
	if err != nil {
		return fail(exitRead, errors.Join(err, bad))
	}
	if ctx, err = withHeaders(ctx, i.headers, places); err != nil {
		return err
	}
	for _, row := range rows {
		said, err := i.take(ctx, row)
		if err != nil {
			said = "left: " + err.Error()
		}
		if _, err := fmt.Fprintln(i.stdout, short(row.ID), inline(said)); err != nil {
			return fail(exitWrite, err)
		}
	}
	if bad != nil {
		return fail(exitPart, bad)
	}
	return nil
}

// read returns the rows of the file that are of the origin, if one was chosen, and where their channels
// are paid. bad has the errors of rows that cannot be read.
func (i *importing) read(ctx context.Context, path string) (rows []channelsdb.Channel, places []string, bad, err error) {
	for row, err := range channelsdb.Read(ctx, path) {
		var one *channelsdb.RowError
		switch {
		case errors.As(err, &one):
			bad = errors.Join(bad, err)
			continue
		case err != nil:
			return nil, nil, bad, err
		}
		place, _ := i.place(row) // none is an error when it is taken over
		if i.origin == "" || sameOrigin(i.origin, place) {
			rows, places = append(rows, row), append(places, place)
		}
	}
	return rows, places, bad, nil
}

// take adopts one channel, and says what is known of it then. The error is why it was left.
func (i *importing) take(ctx context.Context, row channelsdb.Channel) (string, error) {
	d := channel.Descriptor{
		Payer: row.Payer, Payee: row.Payee, Operator: row.Operator, Token: row.Token, Salt: row.Salt,
		AuthorizedSigner: row.AuthorizedSigner, ExpiringNonceHash: row.ExpiringNonceHash,
	}
	place, err := i.place(row)
	if err != nil {
		return "", err
	}
	if err := i.check(ctx, row, d); err != nil {
		return "", err
	}
	if s, ok := i.wallet.channel(ctx, row.ID); ok && s.Scope.Origin != "" {
		return i.agreed(ctx, row, s, "is here already, "+phase(s))
	}
	for _, s := range i.used[usedAt(place)] {
		if s.ID != row.ID && s.Escrow == row.Escrow && s.ChainID == row.ChainID && s.Scope.Holds(d) {
			return "", fmt.Errorf("%s is used there; close that first", short(s.ID))
		}
	}
	if err := i.wallet.session.Channels().Import(ctx, place, channel.Identity{Protocol: row.Protocol, ChainID: row.ChainID, Escrow: row.Escrow, ID: row.ID, Descriptor: d}); err != nil {
		return "", err
	}
	s, asked := i.wallet.session.Channels().RecoverFromPayee(ctx, row.ID)
	i.use(s)
	said := "imported"
	if asked != nil {
		said = "imported, but its server could not be asked (" + explain(asked) + ")"
	}
	return i.agreed(ctx, row, s, said)
}

// use notes a channel that is paid from where it is.
func (i *importing) use(s channel.Info) {
	if s.Scope.Origin != "" && s.HoldsMoney() && s.Payable() {
		at := usedAt(s.Scope.Origin)
		i.used[at] = append(i.used[at], s)
	}
}

// usedAt is the origin of a URL in one spelling.
func usedAt(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		return place
	}
	return u.Scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port(u)
}

// agreed says what is signed as far as we know, and signs what the owner agrees to where the other client says more.
func (i *importing) agreed(ctx context.Context, row channelsdb.Channel, s channel.Info, said string) (string, error) {
	in := i.in(s)
	said += fmt.Sprintf(": %s deposited, %s signed as far as is proved", written(in, s.Deposit), written(in, s.Authorized))
	missing := row.Cumulative.SubFloor(s.Claimed)
	switch {
	case !s.Authorized.Less(row.Cumulative), !s.Payable():
		return said, nil
	case i.agree.Less(missing):
		return said + fmt.Sprintf("; the other client says %s: if the server refuses, import again with --agree %s", written(in, row.Cumulative), number(in, missing)), nil
	}
	s, err := i.wallet.session.Channels().AuthorizeManually(ctx, row.ID, missing)
	if err != nil {
		return "", err
	}
	return said + fmt.Sprintf("; agreed to %s", written(in, s.Authorized)), nil
}

// place is where the channel is paid: the last URL, without what may be secret, where it is of the row's origin.
func (i *importing) place(row channelsdb.Channel) (string, error) {
	for _, text := range []string{row.URL, row.Origin} {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || !sameOrigin(row.Origin, text) {
			continue
		}
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), nil
	}
	return "", errors.New("the row names no server")
}

// sameOrigin compares the scheme, host and port of two URLs.
func sameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	v, err2 := url.Parse(b)
	return err == nil && err2 == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Hostname(), v.Hostname()) && port(u) == port(v)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// check refuses what cannot be a channel of ours before anybody is asked.
func (i *importing) check(ctx context.Context, row channelsdb.Channel, d channel.Descriptor) error {
	id, err := i.wallet.chain.ChainID(ctx)
	if err != nil {
		return err
	}
	want := common.HexToAddress(i.wallet.escrow)
	if i.wallet.escrow == "" {
		want, _ = escrow.DefaultEscrow(row.Protocol, row.ChainID)
	}
	switch {
	case row.ChainID != id:
		return fmt.Errorf("it is on chain %d, --rpc-url is on %d", row.ChainID, id)
	case d.ID(row.Protocol, row.Escrow, row.ChainID) != row.ID:
		return errors.New("the row does not hash to its id")
	case row.Escrow != want:
		return fmt.Errorf("its escrow is %s, trusted is %s (--escrow)", row.Escrow, want)
	case row.Deposit.Less(row.Cumulative):
		return errors.New("more is signed than deposited")
	}
	return nil
}
