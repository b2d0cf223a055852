package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// Chores is what a pass of the keeper left to be done.
type Chores struct {
	// Left is how many channels have something begun that is not finished. Open channels with nothing under way do
	// not count.
	Left int
	// Wait is how long there is nothing to do, at most a minute: then it is worth looking again. It goes by the
	// chain's clock where something is due on it.
	Wait time.Duration
}

// Keep finishes what was begun, in this process or in one that ended: it looks up openings, top-ups and closes
// that are not decided, withdraws what a requested close has left once [escrow.GracePeriod] is over, and
// notices what others did: a payee that settled or closed, a close request that a top-up took back. A close
// that was sent to a payee and that the chain does not show while Keep watches for a GracePeriod is requested on
// chain. It never signs a voucher and never opens or tops up a channel.
//
// It runs until the context ends, and returns its error: call it on a goroutine of your own. Failures are told
// ([EventDelayed]) and tried again, up to a minute later. It needs Config.Chain and Config.Payer, and returns
// [ErrNoChain] or [ErrNoPayer] at once. Several may keep the same channels.
func (s *Session) Keep(ctx context.Context) error { return s.keep(ctx, false) }

// Finish is [Session.Keep] until nothing is left to be done: a program that has closed its channels by force
// waits for its money with it. What it returns then is nil, or which records cannot be read.
func (s *Session) Finish(ctx context.Context) error { return s.keep(ctx, true) }

// Tend is one pass of [Session.Keep]. The error joins what failed; what failed counts as left.
func (s *Session) Tend(ctx context.Context) (Chores, error) {
	k, err := s.keeper()
	if err != nil {
		return Chores{}, err
	}
	failed := k.pass(ctx)
	return k.chores, errors.Join(failed, errors.Join(k.unreadable...))
}

// How long the keeper waits between two passes.
const (
	keepLeast = time.Second      // however soon something is due, and after the first failure
	keepPoll  = 15 * time.Second // while something is under way: others may decide it
	keepIdle  = time.Minute      // while nothing is, and after many failures
)

func (s *Session) keep(ctx context.Context, untilDone bool) error {
	k, err := s.keeper()
	if err != nil {
		return err
	}
	for failures := 0; ; {
		var wait time.Duration
		switch err := k.pass(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			wait = min(keepLeast<<min(failures, 6), keepIdle)
			failures++
			s.tell(ctx, Event{Kind: EventDelayed, Err: err})
		default:
			failures = 0
			if wait = k.chores.Wait; untilDone && k.chores.Left == 0 {
				return errors.Join(k.unreadable...)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// keeper is what goes from pass to pass.
type keeper struct {
	s       *Session
	chainID uint64
	// sent says since when (chain time) a close is known that was sent and that the chain does not show.
	sent map[common.Hash]uint64
	// rest says until when nothing is sent for a channel, because the chain reverted what was: each one costs a
	// fee, and a node that lies could ask for many.
	rest map[common.Hash]time.Time

	chores     Chores
	unreadable []error
}

func (s *Session) keeper() (*keeper, error) {
	switch {
	case s.cfg.Chain == nil:
		return nil, ErrNoChain
	case s.cfg.Payer == nil:
		return nil, ErrNoPayer
	}
	return &keeper{s: s, sent: map[common.Hash]uint64{}, rest: map[common.Hash]time.Time{}}, nil
}

// pass looks at every channel that holds money once. The error joins those of the channels; it does not stop the
// others.
func (k *keeper) pass(ctx context.Context) (err error) {
	k.chores = Chores{Wait: keepIdle}
	if k.chainID, err = k.s.cfg.Chain.ChainID(ctx); err != nil {
		return err
	}
	all, err := k.holding(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for len(all) > 0 {
		some := all[:min(len(all), maxStates)]
		all = all[len(some):]
		refs := make([]escrow.Ref, len(some))
		for i, st := range some {
			refs[i] = escrow.Ref{Protocol: st.Protocol, ChainID: st.ChainID, Escrow: st.Escrow, ChannelID: st.ID}
			k.s.cfg.Chain.Forget(st.ID)
		}
		states, err := k.s.cfg.Chain.States(ctx, refs)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		for i, st := range some {
			if err := k.tend(ctx, st.ID, rule.OnChain(states[i])); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// holding lists the payer's channels that hold money on this chain.
func (k *keeper) holding(ctx context.Context) (all []rule.State, err error) {
	k.unreadable = nil
	for st, err := range k.s.ledger.Each(ctx) {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			k.unreadable = append(k.unreadable, fmt.Errorf("client: a record was passed over: %w", err))
		case st.HoldsMoney() && st.Scope.Payer == k.s.payer && st.ChainID == k.chainID:
			all = append(all, st)
		}
	}
	return all, nil
}

// left counts a channel with something under way, which is due in a number of seconds of chain time.
func (k *keeper) left(due uint64) {
	k.chores.Left++
	wait := keepPoll
	if due < uint64(keepPoll/time.Second) {
		wait = max(time.Duration(due)*time.Second, keepLeast)
	}
	k.chores.Wait = min(k.chores.Wait, wait)
}
