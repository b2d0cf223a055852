package client

import (
	"context"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// chainWord asks the chain about a channel, and returns what its answer makes of a state.
//
// The escrow's state decides whether a deposit is there. Where a funding transaction is in doubt and the state
// does not show it, its receipt may: it was mined and reverted, or the channel was opened and closed since. A
// transaction that is sponsored has a hash that only its sponsor knows, so nothing but the state and the time that it
// is valid for decides it.
func (s *Session) chainWord(ctx context.Context, st rule.State) (func(rule.State) rule.State, error) {
	c, err := s.onChain(ctx, st)
	if err != nil {
		return nil, err
	}
	plain := settled(st, c)
	tx := plain(st).InDoubt()
	if tx == zeroHash {
		return plain, nil
	}
	r, found, err := s.cfg.Chain.Confirm(ctx, tx)
	switch {
	case err != nil || !found:
		return plain, nil // as much in doubt as before
	case !r.Success:
		return func(now rule.State) rule.State { return plain(now.Mined(tx, false)) }, nil
	}
	if c, err = s.onChain(ctx, st); err != nil { // it may have been mined after the state was read
		return nil, err
	}
	return func(now rule.State) rule.State { return now.Mined(tx, true).Settle(c) }, nil
}
