// Package records reads what a store holds, without a session, a key or a node: for listings, backups
// and reports. To read the channels of a running session use its Channels.
package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Channels yields every channel that a store holds, those in the archive of closed channels last. A
// record that cannot be read is yielded as an error, which wraps [channel.ErrRecord] or the store's, and
// the iteration goes on.
func Channels(ctx context.Context, s store.Store) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		seen := map[common.Hash]struct{}{} // one that moves into the archive meanwhile is in both
		for info, err := range Live(ctx, s) {
			if err == nil {
				seen[info.ID] = struct{}{}
			}
			if !yield(info, err) {
				return
			}
		}
		for info, err := range infos(ctx, s, rule.ArchiveKeys) {
			if _, twice := seen[info.ID]; twice && err == nil {
				continue
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// Live is like [Channels] without the archive: it yields the channels that may hold money, and those
// closed ones that were not moved yet. What it costs does not depend on the size of the archive.
func Live(ctx context.Context, s store.Store) iter.Seq2[channel.Info, error] {
	return infos(ctx, s, rule.ChannelKeys)
}

func infos(ctx context.Context, s store.Store, prefix string) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for e, err := range s.List(ctx, prefix) {
			var info channel.Info
			if err == nil {
				state, decodeErr := rule.Decode(e.Data)
				if decodeErr != nil {
					err = fmt.Errorf("%s: %w", e.Key, decodeErr)
				} else {
					info = state.Info()
				}
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

// Channel returns one channel by its id, also if it is in the archive. The error is [store.ErrNotFound]
// if there is no record of it, [channel.ErrRecord], or another one of the store's.
func Channel(ctx context.Context, s store.Store, id common.Hash) (channel.Info, error) {
	var missing error
	for _, key := range rule.Places(id) { // in this order none is missed that moves meanwhile
		data, _, err := s.Get(ctx, key)
		switch {
		case errors.Is(err, store.ErrNotFound):
			missing = cmp.Or(missing, err)
			continue
		case err != nil:
			return channel.Info{}, err
		}
		state, err := rule.Decode(data)
		if err != nil {
			return channel.Info{}, fmt.Errorf("%s: %w", key, err)
		}
		return state.Info(), nil
	}
	return channel.Info{}, missing
}

// Pins yields the accepted terms of all origins, in no particular order. A record that cannot be read is
// yielded as an error, and the iteration goes on.
func Pins(ctx context.Context, s store.Store) iter.Seq2[channel.Pin, error] {
	return func(yield func(channel.Pin, error) bool) {
		for p, err := range pins.New(s).All(ctx) {
			if !yield(channel.Pin(p), err) {
				return
			}
		}
	}
}
