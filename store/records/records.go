// Package records reads what a store holds, without a session, a key or a node: for listings, backups
// and reports. To read the channels of a running session use its Channels.
package records

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Channels yields every channel that a store holds, closed ones included. A record that cannot be read
// is yielded as an error, which wraps [channel.ErrRecord] or the store's, and the iteration goes on.
func Channels(ctx context.Context, s store.Store) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for e, err := range s.List(ctx, "channel/") {
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
