package client

import (
	"context"
	"iter"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// Channels manages the channels of a session: it lists, tops up, closes, imports and sweeps them.
// [Session.Channels] returns it. It is safe for concurrent use.
type Channels struct{ s *Session }

// Channels returns a value that lists, closes and recovers the session's channels.
func (s *Session) Channels() *Channels { return &Channels{s} }

// All yields every channel on record, those in the archive of closed channels last. A record that cannot
// be read is yielded as an error, and the iteration goes on.
func (c *Channels) All(ctx context.Context) iter.Seq2[channel.Info, error] {
	return infos(c.s.ledger.Each(ctx))
}

// Live is like [Channels.All] without the archive: it yields the channels that may hold money, and those
// closed ones that were not moved yet. What it costs does not depend on the size of the archive.
func (c *Channels) Live(ctx context.Context) iter.Seq2[channel.Info, error] {
	return infos(c.s.ledger.Live(ctx, 0))
}

func infos(states iter.Seq2[rule.State, error]) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for state, err := range states {
			if !yield(state.Info(), err) {
				return
			}
		}
	}
}

// Get returns one channel by its id, also if it is in the archive. The error is store.ErrNotFound if there
// is no record of it, [channel.ErrRecord], or [ErrStore], which wraps that of the store.
func (c *Channels) Get(ctx context.Context, id common.Hash) (channel.Info, error) {
	account, err := c.s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	return account.State().Info(), nil
}

// Sync reads a channel on chain, records what the chain shows, and returns the channel as it is
// then. It signs and sends nothing. The error is [ErrNoChain], store.ErrNotFound, or that of the
// chain.
func (c *Channels) Sync(ctx context.Context, id common.Hash) (channel.Info, error) {
	account, err := c.s.ledger.Account(ctx, id)
	if err != nil {
		return channel.Info{}, err
	}
	read, err := c.s.sync(ctx, account, syncOptions{})
	return read.after.Info(), err
}
