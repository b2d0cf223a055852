package client

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// grace is [escrow.GracePeriod] in seconds.
const grace = uint64(escrow.GracePeriod / time.Second)

// channel books what the chain shows of one channel, and does what is due. Of those with nothing to book
// and nothing under way, which are most, none is kept in memory.
func (w *sweeper) channel(ctx context.Context, st rule.State, c rule.OnChain) error {
	id := st.ID
	if atRest(st) && reflect.DeepEqual(st, st.Settle(c)) {
		delete(w.sent, id)
		return nil
	}
	account, err := w.s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	read, err := w.s.sync(ctx, account, syncOptions{read: &c, news: true})
	if err != nil {
		return err
	}
	st = read.after
	w.report(ctx, read.before, st)
	if st.Phase() != channel.Closing || st.CloseRequestedAt != 0 {
		delete(w.sent, id)
	}
	switch {
	case st.Phase() == channel.Closed:
		return nil
	case st.Phase() == channel.NotSeen:
		w.missing(st, c.Time)
	case st.CloseRequestedAt != 0:
		return w.withdraw(ctx, st, c.Time)
	case st.CloseSent:
		return w.watchClose(ctx, st, c.Time)
	case st.Opening.Pending():
		w.pending(after(st.Opening.ValidBefore+1, c.Time))
	case st.ToppingUp.Pending():
		w.pending(after(st.ToppingUp.ValidBefore+1, c.Time))
	}
	return nil
}

// atRest reports whether a channel is open and nothing about it is undecided.
func atRest(st rule.State) bool {
	return st.Phase() == channel.Open && !st.Opening.Pending() && !st.ToppingUp.Pending() && len(st.FeesDue()) == 0
}

// missing counts a channel that is not seen. A close that is under way may show up.
func (w *sweeper) missing(st rule.State, now uint64) {
	if until := st.Unseen + grace; (st.CloseSent || st.CloseRequestedAt != 0) && now < until {
		w.pending(until - now)
	} else if st.Confirmed {
		w.unseen = append(w.unseen, st.ID)
	}
}

// after is how many seconds there are until a time.
func after(then, now uint64) uint64 { return then - min(now, then) }

// withdraw gets the money of a requested close once it is time. A chain that mines only when there is
// something to mine may be past the time of its newest block: the attempt costs nothing, since it is
// simulated first.
func (w *sweeper) withdraw(ctx context.Context, st rule.State, now uint64) error {
	ready := st.CloseRequestedAt + grace
	if now < ready && time.Now().Unix() < int64(ready) { //nolint:gosec // below 2^33
		w.pending(ready - now)
		return nil
	}
	closed, err := w.send(ctx, st.ID, w.s.Channels().Withdraw)
	if closed {
		return nil
	}
	w.pending(after(ready, now))
	if errors.Is(err, escrow.ErrWouldRevert) && now < ready {
		return nil // too early after all
	}
	return err
}

// send sends a transaction for a channel, unless the chain reverted one lately. done reports whether it was mined.
func (w *sweeper) send(ctx context.Context, id common.Hash, how func(context.Context, common.Hash) error) (done bool, err error) {
	if time.Now().Before(w.rest[id]) {
		return false, nil
	}
	if err = how(ctx, id); errors.Is(err, escrow.ErrReverted) {
		w.rest[id] = time.Now().Add(escrow.GracePeriod)
	}
	return err == nil, err
}

// watchClose waits for a close that was sent, and requests it on chain if the payee does not make it.
func (w *sweeper) watchClose(ctx context.Context, st rule.State, now uint64) error {
	since, known := w.sent[st.ID]
	if !known {
		w.sent[st.ID], since = now, now
	}
	w.pending(after(since+grace, now))
	if now < since+grace {
		return nil
	}
	_, err := w.send(ctx, st.ID, w.s.Channels().RequestClose)
	return err
}

// report tells how a funding transaction was decided.
func (w *sweeper) report(ctx context.Context, before, now rule.State) {
	e := Event{Origin: now.Scope.Origin, ChannelID: now.ID, Deposit: now.Deposit}
	if before.Opening.Pending() && !before.Confirmed && now.Confirmed && now.Phase() != channel.Closed {
		e.Kind = EventOpened
		w.s.tell(ctx, e)
	}
	if t := before.ToppingUp; t.Pending() && !now.ToppingUp.Pending() && now.Phase() != channel.Closed {
		switch {
		case before.Deposit.Less(now.Deposit):
			e.Kind = EventToppedUp
			w.s.tell(ctx, e)
		case !t.Before.Less(now.Deposit):
			e.Kind = EventUnmined
			w.s.tell(ctx, e)
		}
	}
}
