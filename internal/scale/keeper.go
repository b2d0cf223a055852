package main

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// instant is a chain on which every channel is open as it was filled, and which answers at once.
type instant struct {
	client.Chain
	reads int
}

func (c *instant) ChainID(context.Context) (uint64, error) { return chainID, nil }

func (c *instant) Forget(common.Hash) {}

func (c *instant) States(_ context.Context, refs []escrow.Ref) ([]escrow.State, error) {
	c.reads += len(refs)
	out := make([]escrow.State, len(refs))
	now := uint64(time.Now().Unix()) //nolint:gosec // not negative
	for i := range out {
		out[i] = escrow.State{Exists: true, Deposit: voucher.Units(1_000_000), Time: now}
	}
	return out, nil
}

// sweep makes a keeper's pass, and returns how long it took and how many channels it read.
func sweep(ctx context.Context, s store.Store, key *voucher.KeySigner) (time.Duration, int, error) {
	chain := &instant{}
	session, err := client.New(client.Config{Signer: key, Payer: key, Chain: chain, Store: s, Limits: limits, FundAsNeeded: true})
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	_, _, err = session.Channels().Sweep(ctx)
	return time.Since(start), chain.reads, err
}

// list counts the channels of a store that are not in the archive, and all.
func list(
	ctx context.Context, s store.Store, key *voucher.KeySigner, all bool,
) (n int, took time.Duration, err error) {
	session, err := client.New(client.Config{Signer: key, Store: s})
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	each := session.Channels().Live(ctx)
	if all {
		each = session.Channels().All(ctx)
	}
	for _, err := range each {
		if err != nil {
			return n, 0, err
		}
		n++
	}
	return n, time.Since(start), nil
}
