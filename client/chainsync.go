package client

import (
	"context"
	"reflect"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// syncOptions say how the chain is read and booked. The zero value reads it and books whatever it shows.
type syncOptions struct {
	// read is what was read already; nil reads it.
	read *rule.OnChain
	// describe completes the channel with a descriptor that a log shows, if it lacks one.
	describe *channel.Descriptor
	// quiet leaves the journal's line about the end of the channel to the caller.
	quiet bool
	// news writes only if the chain shows something new.
	news bool
	// stateOnly does not look for the receipt of a funding transaction that the state does not decide.
	stateOnly bool
}

// synced is what came of reading the chain.
type synced struct {
	before, after rule.State
	// rose reports that the chain proves more than was authorized.
	rose bool
}

// sync reads a channel on chain and books what it shows: in the record, in the journal and in events.
// After an error both states are the one before.
func (s *Session) sync(ctx context.Context, account *ledger.Account, o syncOptions) (synced, error) {
	before := account.State()
	unchanged := synced{before: before, after: before}
	seen, err := s.observe(ctx, before, o)
	if err != nil {
		return unchanged, err
	}
	s.readFeesBeside(ctx, account, false)
	if o.news && reflect.DeepEqual(before, seen(before)) {
		return unchanged, nil
	}
	var rise ledger.Rise
	if err := account.Update(ctx, func(now rule.State) rule.State {
		next := seen(now)
		rise = ledger.Rise{}.Plus(now.Authorized(), next.Authorized())
		return next
	}); err != nil {
		return unchanged, err
	}
	after := account.State()
	s.recordProof(ctx, after, rise)
	s.reportSync(ctx, before, after)
	s.recordSettled(ctx, before, after, o.quiet)
	return synced{before, after, !rise.By.IsZero()}, nil
}

// observe returns what the chain's answer makes of a state.
//
// The escrow's state decides whether a deposit is there. If it does not show a channel, its receipts and
// logs may: a funding transaction was reverted, or the channel was closed since. A sponsored transaction
// has a hash that only its sponsor knows.
func (s *Session) observe(ctx context.Context, st rule.State, o syncOptions) (func(rule.State) rule.State, error) {
	c := o.read
	if c == nil {
		read, err := s.readState(ctx, st)
		if err != nil {
			return nil, err
		}
		c = &read
	}
	plain := func(now rule.State) rule.State {
		if o.describe != nil {
			now = now.Described(*o.describe)
		}
		return settled(st, now, *c)
	}
	unseen := plain(st).Phase() == channel.NotSeen
	if tx := plain(st).InDoubt(); tx != zeroHash && !o.stateOnly && (o.read == nil || unseen) {
		r, found, err := s.cfg.Chain.Confirm(ctx, tx)
		switch {
		case err != nil || !found: // as undecided as before
		case !r.Success:
			return func(now rule.State) rule.State { return plain(now.Mined(tx, false)) }, nil
		default:
			mined, err := s.readState(ctx, st) // it may have been mined after the state was read
			if err != nil {
				return nil, err
			}
			c, unseen = &mined, !mined.Exists && !mined.Finalized
			plain = func(now rule.State) rule.State { return now.Mined(tx, true).Settle(*c) }
		}
	}
	if unseen {
		c.Ended = c.Ended || s.proveClosed(ctx, st, o.read == nil)
	}
	return plain, nil
}

// proofWait bounds how long a proof is looked for that a channel was closed.
const proofWait = 20 * time.Second

// proveClosed looks for a proof that a channel which the chain does not show was closed: in the receipt of
// its close, and, if logs is set, in the logs. What cannot be read proves nothing.
func (s *Session) proveClosed(ctx context.Context, st rule.State, logs bool) bool {
	ctx, cancel := context.WithTimeout(ctx, proofWait)
	defer cancel()
	ref := refOf(st)
	if st.CloseTx != zeroHash {
		if r, found, err := s.cfg.Chain.Confirm(ctx, st.CloseTx); err == nil && found && r.Closes(ref) {
			return true
		}
	}
	if !logs {
		return false
	}
	closed, err := s.cfg.Chain.Closes(ctx, escrow.CloseSearch{Channels: []escrow.Ref{ref}, Since: since(st)})
	if err != nil {
		s.log.DebugContext(ctx, "the logs were not searched for a close", "channel", st.ID, "error", err)
	}
	return len(closed) > 0
}

// since is when a channel was opened, or before. One that was found may have been closed long before it was
// recorded.
func since(st rule.State) uint64 {
	if st.Unbound() {
		return 0
	}
	return uint64(max(st.CreatedAt.Unix(), 0)) //nolint:gosec // not negative
}

func refOf(st rule.State) escrow.Ref {
	return escrow.Ref{Protocol: st.Protocol, ChainID: st.ChainID, Escrow: st.Escrow, ChannelID: st.ID}
}

// settled books a reading of the chain that was made when the channel stood as before. If the record
// was written since by one who saw the channel opened, a reading that does not know it is the older
// one, and is ignored.
func settled(before, now rule.State, c rule.OnChain) rule.State {
	if !c.Exists && !c.Ended && before.Opening.Pending() && now.Confirmed && !now.Opening.Pending() {
		return now
	}
	return now.Settle(c)
}

// readState reads a channel, past every cache.
func (s *Session) readState(ctx context.Context, st rule.State) (rule.OnChain, error) {
	if s.cfg.Chain == nil {
		return rule.OnChain{}, ErrNoChain
	}
	s.cfg.Chain.Forget(st.ID)
	c, err := s.cfg.Chain.State(ctx, refOf(st))
	return rule.OnChain(c), err
}

// reportSync reports what the chain shows that was not known before.
func (s *Session) reportSync(ctx context.Context, before, after rule.State) {
	s.reportOthers(ctx, before, after)
	s.ledger.Correct(before, after)
	if after.Phase() == channel.NotSeen && before.Phase() != channel.NotSeen {
		s.tell(ctx, Event{Kind: EventNotSeen, Origin: after.Scope.Origin, ChannelID: after.ID, Deposit: after.Deposit})
	}
	if after.Phase() != channel.Closed || before.Phase() == channel.Closed {
		return
	}
	s.challenges.unhint(after.Scope.Origin, after.ID)
	s.tell(ctx, Event{Kind: EventClosed, Origin: after.Scope.Origin, ChannelID: after.ID, Deposit: after.Deposit, Outcome: OutcomeRefunded})
}

// reportOthers reports what others did to a channel.
func (s *Session) reportOthers(ctx context.Context, before, now rule.State) {
	e := Event{Origin: now.Scope.Origin, ChannelID: now.ID, Deposit: now.Deposit}
	if now.Phase() == channel.Closed {
		return
	}
	if before.Settled.Less(now.Settled) {
		settled := e
		settled.Kind, settled.Cumulative = EventSettled, now.Settled
		s.tell(ctx, settled)
	}
	switch {
	case before.CloseRequestedAt == 0 && now.CloseRequestedAt != 0:
		e.Kind = EventCloseRequested
		s.tell(ctx, e)
	case before.CloseRequestedAt != 0 && now.CloseRequestedAt == 0:
		e.Kind = EventReopened
		s.tell(ctx, e)
	}
}

// readChain reads the channel that pays on chain and books what it shows. An opening that is not
// decided is led by this request from then on: it carries the same transaction again.
func (a *attempt) readChain(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Read, Channel: a.account.ID(), Recent: a.paidTwice()}
	if a.opening == nil && standingOf(a.account.State()) == purchase.Pending {
		end, err := a.s.flights.begin(ctx, rule.ScopeKey(a.challenge.scope), &a.waited)
		if err != nil || end == nil {
			e.Err, e.Busy = err, err == nil
			e.Standing = standingOf(a.account.State())
			return e
		}
		a.opening = end
	}
	read, err := a.s.sync(ctx, a.account, syncOptions{})
	if e.Err, e.Standing = err, standingOf(read.after); err == nil && read.after.Lapsed() {
		a.missed, e.Standing = e.Channel, purchase.Aside
	}
	if e.Standing == purchase.Pending {
		// A sponsored transaction has no hash that is known here.
		sponsored := read.after.Opening.Hash == zeroHash
		e.Misfit = sponsored != a.challenge.offer.FeePayer && a.s.declined.within(time.Minute, e.Channel.Hex())
		a.s.ledger.Leave(read.after.Scope, read.after.Opening, voucher.Amount{})
		a.s.noteOpened(e.Channel)
	}
	if r := a.reserved; r != nil && read.after.Confirmed {
		e.Redeemable = r.Raised() // an escrow does not remember what a closed channel paid out
	}
	return e
}

// putAside stops using a channel whose payee takes no vouchers of it. Its record stays, and it is
// listed until the chain shows that it is closed.
func (a *attempt) putAside(ctx context.Context) purchase.Event {
	a.s.challenges.unhint(a.origin.Text, a.account.ID())
	if err := a.account.Update(ctx, rule.State.Abandoned); err != nil {
		return purchase.Event{Kind: purchase.Failed, Err: err}
	}
	a.s.tell(ctx, Event{Kind: EventGone, Origin: a.origin.Text, ChannelID: a.account.ID(), Deposit: a.account.State().Deposit})
	return purchase.Event{Kind: purchase.SetAside, Recent: a.paidTwice()}
}
