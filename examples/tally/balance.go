package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store/records"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// holdings is `tally balance`.
type holdings struct {
	*world
	wallet wallet
	asJSON bool
}

func balanceCommand(w *world) *cobra.Command {
	h := &holdings{world: w}
	cmd := &cobra.Command{
		Use:   "balance [ADDRESS]",
		Short: "Show what the key holds, and what is locked in channels",
		Long: `Balance shows what ADDRESS, or else the key, holds of each known token, of those that the policy names, and of
those that it has channels in.
LOCKED is what is in its channels on that chain, as the store has it; OWED is the part of it that payees can still take.
Nothing is signed.`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc", "store"); err != nil {
				return err
			}
			if err := w.rules.load(w.env); err != nil {
				return err
			}
			return h.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&h.asJSON, "json", false, "write JSON, with amounts in base units")
	h.wallet.keyFlags(flags)
	return cmd
}

// holding is what an address has of one token.
type holding struct {
	Token   common.Address `json:"token"`
	Symbol  string         `json:"symbol,omitempty"` // empty if the token is not known, as is what follows
	Digits  uint8          `json:"decimals,omitempty"`
	Balance voucher.Amount `json:"balance"`
	Locked  voucher.Amount `json:"locked"`
	Owed    voucher.Amount `json:"owed"`
}

// holdingOf is what an address has of a currency: nothing yet.
func holdingOf(c channel.Currency) holding {
	return holding{Token: c.Token, Symbol: c.Symbol, Digits: c.Decimals}
}

// amount is an amount of the token for a person.
func (h holding) amount(a voucher.Amount) string {
	return number(channel.Currency{Symbol: h.Symbol, Decimals: h.Digits}, a)
}

func (h *holdings) run(ctx context.Context, args []string) error {
	n, err := h.wallet.nodes()
	if err != nil {
		return err
	}
	address, err := h.address(ctx, h.wallet.keyFile, args)
	if err != nil {
		return err
	}
	chainID, err := n.chainID(ctx)
	if err != nil {
		return err
	}
	if err := h.wallet.openStore(h.world); err != nil {
		return err
	}
	defer h.wallet.files.Close()
	all, elsewhere, unread := h.wallet.locked(ctx, address, chainID, h.known(chainID))
	if all, err = n.hold(ctx, address, all); err != nil {
		return err
	}
	if err := h.print(address, chainID, all); err != nil {
		return fail(exitWrite, err)
	}
	if elsewhere > 0 {
		fmt.Fprintf(h.stderr,
			"tally: %d more channels that hold money are of another key or chain (tally channels --json)\n", elsewhere)
	}
	if unread != nil {
		return fail(exitState, unread)
	}
	return nil
}

// address is the one that is given, or that of the key.
func (w *world) address(ctx context.Context, keyFile string, args []string) (common.Address, error) {
	if len(args) == 0 {
		key, err := w.mustKey(ctx, keyFile)
		if err != nil {
			return common.Address{}, err
		}
		return key.Address(), nil
	}
	if keyLike.MatchString(args[0]) {
		return common.Address{}, fail(exitUsage, errKeyShown)
	}
	if !common.IsHexAddress(args[0]) {
		return common.Address{}, fail(exitUsage,
			fmt.Errorf("%q is not an address: write 0x and 40 hexadecimal digits", args[0]))
	}
	return common.HexToAddress(args[0]), nil
}

// locked returns the given tokens of the chain and those of the channels that an address pays from, with what is locked
// in these. elsewhere counts the other channels that hold money.
func (p *wallet) locked(
	ctx context.Context, of common.Address, chainID uint64, all []holding,
) (_ []holding, elsewhere int, unread error) {
	for s, err := range records.Live(ctx, p.files) {
		switch {
		case err != nil:
			unread = errors.Join(unread, err)
			continue
		case !s.HoldsMoney():
			continue
		case s.Scope.Payer != of || s.ChainID != chainID:
			elsewhere++
			continue
		}
		i := slices.IndexFunc(all, func(h holding) bool { return h.Token == s.Scope.Token })
		if i < 0 {
			i, all = len(all), append(all, holding{Token: s.Scope.Token})
		}
		all[i].add(s)
	}
	return all, elsewhere, unread
}

// add adds what is in a channel.
func (h *holding) add(s channel.Info) {
	in := s.Deposit.SubFloor(s.Settled)
	owed := s.Authorized.SubFloor(s.Settled)
	if in.Less(owed) {
		owed = in // no payee can take more
	}
	h.Locked, h.Owed = h.Locked.AddCapped(in), h.Owed.AddCapped(owed)
}

// hold reads the balances. Tokens that the chain does not have are left out, unless a channel has them.
func (n *nodes) hold(ctx context.Context, of common.Address, all []holding) (found []holding, err error) {
	for _, h := range all {
		var ok bool
		if h.Balance, ok, err = n.balance(ctx, h.Token, of); err != nil {
			return nil, err
		}
		if ok || !h.Locked.IsZero() {
			found = append(found, h)
		}
	}
	return found, nil
}

func (h *holdings) print(address common.Address, chainID uint64, all []holding) error {
	if h.asJSON {
		text, err := json.MarshalIndent(map[string]any{"address": address, "chainId": chainID, "tokens": all}, "", "  ")
		if err == nil {
			_, err = h.stdout.Write(append(text, '\n'))
		}
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s on %s\n", address, chainName(chainID))
	t := newTable(&text)
	t.row("TOKEN", "BALANCE", "LOCKED", "OWED", "ADDRESS")
	for _, one := range all {
		symbol := one.Symbol
		if symbol == "" {
			symbol = "?"
		}
		t.row(symbol, one.amount(one.Balance), one.amount(one.Locked), one.amount(one.Owed), one.Token)
	}
	err := t.end()
	if err == nil {
		_, err = h.stdout.Write(text.Bytes())
	}
	return err
}
