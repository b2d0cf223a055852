package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
)

// funding is `tally fund`.
type funding struct {
	*world
	wallet wallet
}

func fundCommand(w *world) *cobra.Command {
	f := &funding{world: w}
	cmd := &cobra.Command{
		Use:   "fund [ADDRESS]",
		Short: "Get play money from the testnet's faucet, or the demo's",
		Long: `Fund asks the faucet of the testnet Moderato for play money for ADDRESS, or else for the key, and waits until
it is there. The faucet is the method tempo_fundAddress of the public node https://rpc.moderato.tempo.xyz; the node of
tally demo has it, too. There is no faucet for real money: on other chains fund refuses. Nothing is signed.`,
		Args: arguments(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file", "rpc-url", "insecure-rpc"); err != nil {
				return err
			}
			return f.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	keyFileFlag(cmd, &f.wallet.keyFile)
	f.wallet.rpcFlag(flags, "which has the faucet")
	return cmd
}

// How long the money of the faucet is waited for, and how often it is looked for.
const (
	faucetTime  = 30 * time.Second
	faucetPause = time.Second
)

func (f *funding) run(ctx context.Context, args []string) error {
	n, err := f.wallet.nodes()
	if err != nil {
		return err
	}
	chainID, err := n.chainID(ctx)
	if err != nil {
		return err
	}
	if chainID != escrow.Moderato {
		return fail(exitRefused, noFaucet(chainID))
	}
	address, err := f.address(ctx, f.wallet.keyFile, args)
	if err != nil {
		return err
	}
	before, err := n.hold(ctx, address, f.known(chainID))
	if err != nil {
		return err
	}
	var transactions []common.Hash
	var refused *refusal
	switch err := n.call(ctx, &transactions, "tempo_fundAddress", address); {
	case errors.As(err, &refused) && refused.Code == noMethod:
		return fail(exitRefused,
			errors.New("this node has no faucet: ask the public one, --rpc-url https://rpc.moderato.tempo.xyz"))
	case errors.As(err, &refused):
		return fail(exitBusy, fmt.Errorf("the faucet gives nothing now: %w", err))
	case err != nil:
		return err
	}
	got, err := f.await(ctx, n, address, before)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f.stdout, "%s has %s now\n", address, got); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}

// noFaucet says where money on a chain comes from.
func noFaucet(chainID uint64) error {
	if chainID == escrow.Mainnet {
		return errors.New("chain 4217 (Tempo) is for real money, which no faucet gives: " +
			"send USDC.e to the address (tally key address)")
	}
	return fmt.Errorf("%s has no faucet that tally knows: only Moderato (%d) and tally demo have one",
		chainName(chainID), escrow.Moderato)
}

// known returns the tokens of a chain that can be paid in, by their addresses: known dollar tokens, and those that the
// policy names.
func (w *world) known(chainID uint64) (all []holding) {
	for c := range channel.Dollars() {
		if c.ChainID == chainID {
			all = append(all, holdingOf(c))
		}
	}
	if w.rules.file != nil {
		for _, own := range w.rules.file.Assets {
			if own.Currency.ChainID == chainID {
				all = append(all, holdingOf(own.Currency))
			}
		}
	}
	slices.SortFunc(all, func(a, b holding) int { return a.Token.Cmp(b.Token) })
	return all
}

// await waits until there is more than before, and returns what there is.
func (f *funding) await(ctx context.Context, n *nodes, of common.Address, before []holding) (string, error) {
	for end := time.Now().Add(faucetTime); ; {
		now, err := n.hold(ctx, of, before)
		if err != nil {
			return "", err
		}
		var parts []string
		more := false
		for _, h := range now {
			more = more || slices.ContainsFunc(before, func(b holding) bool {
				return b.Token == h.Token && b.Balance.Less(h.Balance)
			})
			parts = append(parts, h.amount(h.Balance)+" "+h.Symbol)
		}
		switch {
		case more:
			return strings.Join(parts, ", "), nil
		case time.Now().After(end):
			return "", fail(exitBusy, fmt.Errorf(
				"the faucet took the request, and the money is not there after %s: see tally balance later", faucetTime))
		}
		select {
		case <-ctx.Done():
			return "", stopped(ctx)
		case <-time.After(faucetPause):
		}
	}
}
