package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
)

// Sweep finishes what was begun, in this process or in one that ended: it looks up openings, top-ups
// and closes that are not decided, withdraws what a requested close has left once [escrow.GracePeriod]
// is over, and reports what others did: a payee that settled or closed, a close request that a top-up
// canceled. A close that was sent to a payee and that the chain does not show is requested on chain
// after a GracePeriod of sweeps with [Channels.SweepForever] or [Channels.SweepUntilDone]. A sweep never
// signs a voucher and never opens or tops up a channel. Several sessions may sweep the same store. A sweep
// also moves up to 1,000 records of closed channels, from before there was an archive, into it.
//
// A channel that the chain does not show ends only by proof: its v1 escrow says so, its close is in the
// logs, or our own withdrawal was mined. Until then it is [channel.NotSeen], and every sweep reads it again.
//
// Sweep makes one pass. pending is how many channels have something begun that is not finished; open
// channels with nothing under way do not count. wait is how long to wait before the next sweep, at most
// one minute. The error joins what failed; what failed counts as pending. It wraps [ErrNotSeen] for
// channels that held money and are not seen, and [ErrElsewhere] if the store has channels that hold money
// and are of another payer or chain, since nothing is done for those. It is [ErrNoChain] or [ErrNoPayer]
// without Config.Chain or Config.Payer.
func (c *Channels) Sweep(ctx context.Context) (pending int, wait time.Duration, err error) {
	w, err := c.s.sweeper()
	if err != nil {
		return 0, 0, err
	}
	failed := w.pass(ctx)
	return w.left, w.wait, errors.Join(failed, w.undone())
}

// SweepForever repeats [Channels.Sweep] until the context ends, and returns its error: call it on a
// goroutine of your own. It begins with an [EventLocked] for what earlier runs left in channels. Failures are reported as [EventDelayed] and tried again, at most a minute
// later. It returns [ErrNoChain] or [ErrNoPayer] at once.
func (c *Channels) SweepForever(ctx context.Context) error { return c.s.sweep(ctx, false) }

// SweepUntilDone repeats [Channels.Sweep] until nothing is pending: a program that has closed its
// channels on chain waits for its money with it. It returns nil, or what no sweep can do: which records
// cannot be read, [ErrNotSeen] and [ErrElsewhere]. If a close does not show on
// chain, it waits for that for another [escrow.GracePeriod] at most.
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
	if !untilDone && s.watched {
		s.tellLocked(ctx, math.MaxInt)
	}
	said := ""
	for failures := 0; ; {
		var wait time.Duration
		switch err := w.pass(ctx); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			wait = min(sweepLeast<<min(failures, 6), w.wait)
			failures++
			s.tell(ctx, Event{Kind: EventDelayed, Err: err})
		default:
			failures = 0
			undone := w.undone()
			if wait = w.wait; untilDone && w.left == 0 {
				return undone
			}
			if now := fmt.Sprint(undone); undone != nil && now != said {
				said = now
				s.tell(ctx, Event{Kind: EventDelayed, Err: undone})
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
	unseen     []common.Hash // channels that held money and are not seen
	payers     map[common.Address]int
	chains     map[uint64]int // how many channels of other payers and chains hold money
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
	for down := 0; len(all) > 0; {
		some := all[:min(len(all), maxStates)]
		all = all[len(some):]
		read, failed := w.some(ctx, some)
		if errs = append(errs, failed...); read {
			down = 0
		} else if down++; down == maxDown || ctx.Err() != nil {
			w.left += len(all)
			break
		}
	}
	return errors.Join(errs...)
}

// maxDown is after how many batches in a row of which nothing could be read a pass ends: the node is down.
const maxDown = 3

// maxArchived is how many channels that have ended one pass moves into the archive. A store of an older
// program can have very many of them.
const maxArchived = 1000

// holding lists the payer's channels that hold money on this chain, counts those of others, and moves
// channels that have ended into the archive.
func (w *sweeper) holding(ctx context.Context) (all []rule.State, err error) {
	w.unreadable, w.unseen = nil, nil
	w.payers, w.chains = map[common.Address]int{}, map[uint64]int{}
	for st, err := range w.s.ledger.Live(ctx, maxArchived) {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			w.unreadable = append(w.unreadable, skipped(err))
		case !st.HoldsMoney():
			w.fees(ctx, st)
		case st.Scope.Payer != w.s.payer:
			w.payers[st.Scope.Payer]++
		case st.ChainID != w.chainID:
			w.chains[st.ChainID]++
		default:
			all = append(all, st)
		}
	}
	return all, nil
}

// skipped is the error about a record that a listing could not read. It is always one of the store, so that a
// program can tell it from one of the node.
func skipped(err error) error {
	err = fmt.Errorf("skipped an unreadable record: %w", err)
	if errors.Is(err, channel.ErrRecord) || errors.Is(err, store.ErrCorrupt) {
		return fmt.Errorf("client: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// fees reads what the transactions of a channel that has ended were charged, if that is not known.
func (w *sweeper) fees(ctx context.Context, st rule.State) {
	if len(st.FeesDue()) == 0 || st.Scope.Payer != w.s.payer || st.ChainID != w.chainID {
		return
	}
	if account, err := w.s.ledger.Account(ctx, st.ID); err == nil {
		w.s.readFeesBeside(ctx, account, false)
	}
}

// undone returns what no pass can do.
func (w *sweeper) undone() error {
	errs := slices.Clone(w.unreadable)
	for _, id := range w.unseen {
		errs = append(errs, fmt.Errorf("%w: %s is not closed as far as is proved; ask another node", ErrNotSeen, id))
	}
	for _, payer := range slices.SortedFunc(maps.Keys(w.payers), common.Address.Cmp) {
		errs = append(errs, fmt.Errorf("%w: %d that hold money are of the payer %s; this one is %s", ErrElsewhere, w.payers[payer], payer, w.s.payer))
	}
	for _, id := range slices.Sorted(maps.Keys(w.chains)) {
		errs = append(errs, fmt.Errorf("%w: %d that hold money are on chain %d; the node is on chain %d", ErrElsewhere, w.chains[id], id, w.chainID))
	}
	return errors.Join(errs...)
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
