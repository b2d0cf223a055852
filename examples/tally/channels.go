package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func channelsCommand(w *world) *cobra.Command {
	var p wallet
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "channels",
		Short: "List the channels that hold money",
		Long: `Channels lists the channels on record that hold money, with --all those in the archive of closed ones too. It
sends nothing and needs no key. USED is what was asked for, SPENT what the server says it charged, SIGNED the highest
voucher, SETTLED what the chain says was taken out, FEES what the transactions for it cost beside that: after <=, the most
that they can be charged as long as that is not known.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "store"); err != nil {
				return err
			}
			if err := w.rules.load(w.env); err != nil {
				return err
			}
			var out channelWriter = &channelTable{world: w, t: newTable(w.stdout)}
			if asJSON {
				out = &channelJSON{world: w, w: w.stdout}
			}
			err := p.list(cmd.Context(), w, all, func(s channel.Info) error {
				if err := out.channel(s); err != nil {
					return fail(exitWrite, err)
				}
				return nil
			})
			if endErr := out.end(); endErr != nil && err == nil {
				err = fail(exitWrite, endErr)
			}
			return err
		},
	}
	p.storeFlag(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, with whole ids and amounts in base units")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "closed channels too")
	cmd.AddCommand(channelShowCommand(w), channelSyncCommand(w), channelTopUpCommand(w), channelAdoptCommand(w), channelArchiveCommand(w))
	return cmd
}

// list hands over the records, with all those in the archive too. One that cannot be read does not hide the
// others.
func (p *wallet) list(ctx context.Context, w *world, all bool, hand func(channel.Info) error) error {
	if err := p.openStore(w); err != nil {
		return err
	}
	defer p.files.Close()
	list := records.Live
	if all {
		list = records.Channels
	}
	var bad error
	for s, err := range list(ctx, p.files) {
		switch {
		case err != nil:
			bad = errors.Join(bad, err)
		case all || s.HoldsMoney():
			if err := hand(s); err != nil {
				return err
			}
		}
	}
	if bad != nil {
		return fail(exitState, bad)
	}
	return nil
}

// channelWriter writes channels, one by one.
type channelWriter interface {
	channel(channel.Info) error
	end() error
}

type channelTable struct {
	*world
	t      *table
	headed bool
}

func (c *channelTable) head() {
	if !c.headed {
		c.headed = true
		c.t.row("CHANNEL", "PHASE", "ORIGIN", "DEPOSIT", "USED", "SPENT", "SIGNED", "SETTLED", "TOKEN", "FEES")
	}
}

func (c *channelTable) channel(s channel.Info) error {
	c.head()
	in := c.in(s)
	c.t.row(short(s.ID), phase(s), s.Scope.Origin, number(in, s.Deposit), number(in, s.Claimed), number(in, s.Spent),
		number(in, s.Signed), number(in, s.Settled), symbol(in), c.feesOf(s))
	return c.t.err
}

func (c *channelTable) end() error {
	c.head()
	return c.t.end()
}

// feesOf is what the transactions for a channel cost, by fee token.
func (w *world) feesOf(s channel.Info) string {
	tokens := maps.Clone(s.Fees)
	if tokens == nil {
		tokens = map[common.Address]voucher.Amount{}
	}
	maps.Copy(tokens, s.FeesReserved)
	var parts []string
	for _, token := range slices.SortedFunc(maps.Keys(tokens), common.Address.Cmp) {
		most := s.Fees[token].AddCapped(s.FeesReserved[token])
		text := written(w.currencyOf(s.ChainID, token), most)
		if !s.FeesReserved[token].IsZero() {
			text = "<= " + text
		}
		parts = append(parts, text)
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

type channelJSON struct {
	*world
	w io.Writer
	n int
}

func (c *channelJSON) channel(s channel.Info) error {
	text, err := json.MarshalIndent(c.rowOf(s), "  ", "  ")
	if err != nil {
		return err
	}
	lead := ",\n  "
	if c.n++; c.n == 1 {
		lead = "[\n  "
	}
	_, err = fmt.Fprintf(c.w, "%s%s", lead, text)
	return err
}

func (c *channelJSON) end() error {
	text := "\n]\n"
	if c.n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(c.w, text)
	return err
}

// phase is where the channel is in its life, and what its owner should know about it.
func phase(s channel.Info) string {
	switch {
	case s.Phase == channel.Closing && s.CloseRequestedAt != 0:
		return "close requested"
	case s.Phase == channel.Open && s.Gone:
		return "refused by the payee"
	}
	return s.Phase.String()
}

// row is a channel for programs. Amounts are base units, as decimal strings.
type row struct {
	ID               common.Hash    `json:"channelId"`
	Phase            string         `json:"phase"`
	Protocol         string         `json:"protocol"`
	Origin           string         `json:"origin"`
	ChainID          uint64         `json:"chainId"`
	Escrow           common.Address `json:"escrow"`
	Payer            common.Address `json:"payer"`
	Payee            common.Address `json:"payee"`
	Token            common.Address `json:"token"`
	Signer           common.Address `json:"authorizedSigner"`
	Deposit          voucher.Amount `json:"deposit"`
	Used             voucher.Amount `json:"used"`
	Spent            voucher.Amount `json:"spent"`
	Signed           voucher.Amount `json:"signed"`
	Authorized       voucher.Amount `json:"authorized"`
	Settled          voucher.Amount `json:"settled"`
	CloseRequestedAt uint64         `json:"closeRequestedAt,omitempty"`
	CreatedAt        time.Time      `json:"createdAt"`
	Symbol           string         `json:"symbol,omitempty"` // empty if the token is not known, as is what follows
	Decimals         uint8          `json:"decimals,omitempty"`
	// Fees is what transactions were charged, and FeesReserved the most that those can be charged of which that is not
	// known yet, by fee token.
	Fees         map[common.Address]voucher.Amount `json:"fees,omitempty"`
	FeesReserved map[common.Address]voucher.Amount `json:"feesReserved,omitempty"`
}

func (w *world) rowOf(s channel.Info) row {
	in := w.in(s)
	return row{
		ID: s.ID, Phase: s.Phase.String(), Protocol: s.Protocol.String(), Origin: s.Scope.Origin, ChainID: s.ChainID,
		Escrow: s.Escrow, Payer: s.Scope.Payer, Payee: s.Scope.Payee, Token: s.Scope.Token, Signer: s.Scope.Signer,
		Deposit: s.Deposit, Used: s.Claimed, Spent: s.Spent, Signed: s.Signed, Authorized: s.Authorized,
		Settled: s.Settled, CloseRequestedAt: s.CloseRequestedAt, CreatedAt: s.CreatedAt,
		Symbol: in.Symbol, Decimals: in.Decimals, Fees: s.Fees, FeesReserved: s.FeesReserved,
	}
}
