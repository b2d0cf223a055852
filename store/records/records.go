// Package records reads what a store holds, without a session, a key or a node: for listings, backups and
// reports. It writes nothing. The archive is the part of a store that a session moves the records of
// closed channels to, if the store is a [store.Mover]. To read the channels of a running session use its
// Channels.
package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

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
		seen := map[common.Hash]struct{}{} // one that moves meanwhile is in several places
		for pass, prefix := range rule.Listing {
			for e, err := range s.List(ctx, prefix) {
				if pass == 2 && err == nil && !strings.HasSuffix(e.Key, rule.Again) {
					continue
				}
				info, err := infoOf(e, err)
				_, twice := seen[info.ID]
				if err == nil && twice || err != nil && pass == 2 && e.Key != "" {
					continue // it was yielded before
				}
				if seen[info.ID] = struct{}{}; !yield(info, err) {
					return
				}
			}
		}
	}
}

// Live is like [Channels] without the archive: it yields the channels that may hold money, and the closed
// ones that were not moved yet. Its time does not depend on the size of the archive.
func Live(ctx context.Context, s store.Store) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for e, err := range s.List(ctx, rule.ChannelKeys) {
			if !yield(infoOf(e, err)) {
				return
			}
		}
	}
}

// infoOf returns the channel of a listed record.
func infoOf(e store.Entry, err error) (channel.Info, error) {
	if err != nil {
		return channel.Info{}, err
	}
	state, err := rule.Decode(e.Data)
	if err != nil {
		return channel.Info{}, fmt.Errorf("%s: %w", e.Key, err)
	}
	return state.Info(), nil
}

// Channel returns one channel by its id, also if it is in the archive. The error is [store.ErrNotFound]
// if there is no record of it, [channel.ErrRecord] if the record is not one of a channel, or another one
// of the store.
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

// Pins yields the accepted terms of all origins (see client.PinFirstUse), in no particular order. A
// record that cannot be read is yielded as an error, and the iteration goes on.
func Pins(ctx context.Context, s store.Store) iter.Seq2[channel.Pin, error] {
	return func(yield func(channel.Pin, error) bool) {
		for p, err := range pins.New(s).All(ctx) {
			if !yield(channel.Pin(p), err) {
				return
			}
		}
	}
}
