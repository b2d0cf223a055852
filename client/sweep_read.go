package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// some reads some channels together, and does what is due for each. What cannot be read stops no other.
func (w *sweeper) some(ctx context.Context, some []rule.State) (read bool, errs []error) {
	refs := make([]escrow.Ref, len(some))
	for i, st := range some {
		refs[i] = refOf(st)
		w.s.cfg.Chain.Forget(st.ID)
	}
	reading, cancel := context.WithTimeout(ctx, chainReadWait)
	defer cancel()
	states, err := w.s.cfg.Chain.States(reading, refs)
	failed, _ := errors.AsType[escrow.ReadErrors](err)
	if err != nil && len(failed) != len(some) {
		w.left += len(some)
		return false, []error{err}
	}
	closed := w.closed(reading, some, states)
	for i, st := range some {
		if failed != nil && failed[i] != nil {
			w.pending(uint64(sweepPoll / time.Second))
			errs = append(errs, fmt.Errorf("client: channel %s could not be read: %w", st.ID, failed[i]))
			continue
		}
		c := rule.OnChain(states[i])
		c.Ended = slices.Contains(closed, refs[i])
		if err := w.channel(ctx, st, c); err != nil {
			errs = append(errs, err)
		}
	}
	return true, errs
}

// closed returns those of the channels whose close is in the logs, of those that the chain does not show.
func (w *sweeper) closed(ctx context.Context, some []rule.State, states []escrow.State) []escrow.Ref {
	var search escrow.CloseSearch
	for i, st := range some {
		c := rule.OnChain(states[i])
		if c.Time == 0 || st.Settle(c).Phase() != channel.NotSeen {
			continue
		}
		if at := since(st); len(search.Channels) == 0 || at < search.Since {
			search.Since = at
		}
		search.Channels = append(search.Channels, refOf(st))
	}
	if len(search.Channels) == 0 {
		return nil
	}
	closed, err := w.s.cfg.Chain.Closes(ctx, search)
	if err != nil {
		w.s.log.DebugContext(ctx, "the logs were not searched for closes", "channels", len(search.Channels), "error", err)
	}
	return closed
}
