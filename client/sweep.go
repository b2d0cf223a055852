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

// Sweep finishes what was begun, in this process or in one that ended: it looks up openings, top-ups
// and closes that are not decided, withdraws what a requested close has left once [escrow.GracePeriod]
// is over, and reports what others did: a payee that settled or closed, a close request that a top-up
// canceled. A close that was sent to a payee and that the chain does not show is requested on chain
// after a GracePeriod of sweeps with [Channels.SweepForever] or [Channels.SweepUntilDone]. A sweep never
// signs a voucher and never opens or tops up a channel. Several sessions may sweep the same store. A sweep
// also moves up to 1,000 records of closed channels, from before there was an archive, into it.
//
// Sweep makes one pass. pending is how many channels have something begun that is not finished; open
// channels with nothing under way do not count. wait is how long to wait before the next sweep, at most
// one minute. The error joins what failed; what failed counts as pending. It is [ErrNoChain] or
// [ErrNoPayer] without Config.Chain or Config.Payer.
func (c *Channels) Sweep(ctx context.Context) (pending int, wait time.Duration, err error) {
	w, err := c.s.sweeper()
	if err != nil {
		return 0, 0, err
	}
	failed := w.pass(ctx)
	return w.left, w.wait, errors.Join(failed, errors.Join(w.unreadable...))
}

// SweepForever repeats [Channels.Sweep] until the context ends, and returns its error: call it on a
// goroutine of your own. Failures are reported as [EventDelayed] and tried again, at most a minute
// later. It returns [ErrNoChain] or [ErrNoPayer] at once.
func (c *Channels) SweepForever(ctx context.Context) error { return c.s.sweep(ctx, false) }

// SweepUntilDone repeats [Channels.Sweep] until nothing is pending: a program that has closed its
// channels on chain waits for its money with it. It returns nil, or which records cannot be read.
func (c *Channels) SweepUntilDone(ctx context.Context) error { return c.s.sweep(ctx, true) }

// How long a sweeper waits between two passes.
const (
	sweepLeast = time.Second      // however soon something is due, and after the first failure
	sweepPoll  = 15 * time.Second // while something is under way: others may decide it
	sweepIdle  = time.Minute      // while nothing is, and after many failures
)

func (s *Session) sweep(ctx context.Context, untilDone bool) error {
	w, err := s.sweeper()
	if err != nil {
		return err
	}
	for failures := 0; ; {
		var wait time.Duration
		switch err := w.pass(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			wait = min(sweepLeast<<min(failures, 6), sweepIdle)
			failures++
			s.tell(ctx, Event{Kind: EventDelayed, Err: err})
		default:
			failures = 0
			if wait = w.wait; untilDone && w.left == 0 {
				return errors.Join(w.unreadable...)
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sweeper holds what is kept from pass to pass.
type sweeper struct {
	s       *Session
	chainID uint64
	// sent says since when (chain time) a close is known that was sent and that the chain does not show.
	sent map[common.Hash]uint64
	// rest says until when nothing is sent for a channel, because the chain reverted what was sent: each
	// one costs a fee, and a node that lies could cause many.
	rest map[common.Hash]time.Time

	left       int           // channels with something pending
	wait       time.Duration // before the next pass
	unreadable []error
}

func (s *Session) sweeper() (*sweeper, error) {
	switch {
	case s.cfg.Chain == nil:
		return nil, ErrNoChain
	case s.cfg.Payer == nil:
		return nil, ErrNoPayer
	}
	return &sweeper{s: s, sent: map[common.Hash]uint64{}, rest: map[common.Hash]time.Time{}}, nil
}

// pass reads every channel that holds money once. The error joins those of the channels; one does not
// stop the others.
func (w *sweeper) pass(ctx context.Context) (err error) {
	w.left, w.wait = 0, sweepIdle
	reading, cancel := context.WithTimeout(ctx, chainReadWait)
	w.chainID, err = w.s.cfg.Chain.ChainID(reading)
	if cancel(); err != nil {
		return err
	}
	all, err := w.holding(ctx)
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
			w.s.cfg.Chain.Forget(st.ID)
		}
		reading, cancel := context.WithTimeout(ctx, chainReadWait)
		states, err := w.s.cfg.Chain.States(reading, refs)
		if cancel(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		for i, st := range some {
			if err := w.channel(ctx, st.ID, rule.OnChain(states[i])); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// maxArchived is how many channels that have ended one pass moves into the archive. A store of an older
// program can have very many of them.
const maxArchived = 1000

// holding lists the payer's channels that hold money on this chain, and moves others that have ended into
// the archive.
func (w *sweeper) holding(ctx context.Context) (all []rule.State, err error) {
	w.unreadable = nil
	for st, err := range w.s.ledger.Live(ctx, maxArchived) {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			w.unreadable = append(w.unreadable, fmt.Errorf("client: skipped an unreadable record: %w", err))
		case st.HoldsMoney() && st.Scope.Payer == w.s.payer && st.ChainID == w.chainID:
			all = append(all, st)
		}
	}
	return all, nil
}

// pending counts a channel with something under way, which is due in a number of seconds of chain time.
func (w *sweeper) pending(due uint64) {
	w.left++
	wait := sweepPoll
	if due < uint64(sweepPoll/time.Second) {
		wait = max(time.Duration(due)*time.Second, sweepLeast)
	}
	w.wait = min(w.wait, wait)
}
