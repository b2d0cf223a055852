package client

import (
	"context"
	"fmt"
	"iter"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Channels yields every channel that a store holds, closed ones included. It needs no key and no node. A record
// that cannot be read is yielded as an error, and the iteration goes on. To read the channels of a running
// session use [Session.Channels].
func Channels(ctx context.Context, s store.Store) iter.Seq2[channel.Info, error] {
	return func(yield func(channel.Info, error) bool) {
		for e, err := range s.List(ctx, "channel/") {
			var state rule.State
			if err != nil {
				err = fmt.Errorf("%w: %w", ledger.ErrStore, err)
			} else if state, err = rule.Decode(e.Data); err != nil {
				err = fmt.Errorf("%s: %w", e.Key, err)
			}
			var info channel.Info
			if err == nil {
				info = state.Info()
			}
			if !yield(info, err) {
				return
			}
		}
	}
}
