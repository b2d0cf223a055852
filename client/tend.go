package client

import (
	"context"
	"errors"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// Events of the keeper, and of what the chain shows.
const (
	// EventCloseRequested: the chain shows a close request of the payer's. The rest comes back [escrow.GracePeriod] later.
	EventCloseRequested EventKind = "close_requested"
	// EventReopened: a top-up took a close request back. The channel takes vouchers again.
	EventReopened EventKind = "reopened"
	// EventSettled: the payee took money out of a channel on chain; Cumulative is how much in all.
	EventSettled EventKind = "settled"
	// EventUnmined: a top-up can never be mined any more; nothing of it left the wallet.
	EventUnmined EventKind = "unmined"
	// EventDelayed: the keeper could not do what is due; Err says why. It tries again.
	EventDelayed EventKind = "delayed"
)

// grace is [escrow.GracePeriod] in seconds.
const grace = uint64(escrow.GracePeriod / time.Second)

// tend books what the chain says of one channel, and does what is due.
func (k *keeper) tend(ctx context.Context, id common.Hash, c rule.OnChain) error {
	account, err := k.s.ledger.Account(ctx, id)
	if err != nil {
		return err
	}
	before := account.State()
	st, err := k.s.bookNews(ctx, account, settled(before, c))
	if err != nil {
		return err
	}
	k.notice(ctx, before, st)
	if st.Phase() != channel.Closing || st.CloseRequestedAt != 0 {
		delete(k.sent, id)
	}
	switch {
	case st.Phase() == channel.Closed:
		return nil
	case st.CloseRequestedAt != 0:
		return k.withdraw(ctx, st, c.Time)
	case st.CloseSent:
		return k.watchClose(ctx, st, c.Time)
	case st.Opening.Pending():
		k.left(after(st.Opening.ValidBefore+1, c.Time))
	case st.ToppingUp.Pending():
		k.left(after(st.ToppingUp.ValidBefore+1, c.Time))
	}
	return nil
}

// after is how many seconds there are until a time.
func after(then, now uint64) uint64 { return then - min(now, then) }

// withdraw gets the money of a requested close once it is time. A chain that mines only when there is something to mine
// may be past the time that its newest block has: the attempt costs nothing, since it is simulated first.
func (k *keeper) withdraw(ctx context.Context, st rule.State, now uint64) error {
	ready := st.CloseRequestedAt + grace
	if now < ready && time.Now().Unix() < int64(ready) { //nolint:gosec // below 2^33
		k.left(ready - now)
		return nil
	}
	closed, err := k.send(ctx, st.ID, k.s.Withdraw)
	if closed {
		return nil
	}
	k.left(after(ready, now))
	if errors.Is(err, escrow.ErrWouldRevert) && now < ready {
		return nil // too early after all
	}
	return err
}

// send sends a transaction for a channel, unless the chain reverted one lately. done reports whether it was mined.
func (k *keeper) send(ctx context.Context, id common.Hash, how func(context.Context, common.Hash) error) (done bool, err error) {
	if time.Now().Before(k.rest[id]) {
		return false, nil
	}
	if err = how(ctx, id); errors.Is(err, escrow.ErrReverted) {
		k.rest[id] = time.Now().Add(escrow.GracePeriod)
	}
	return err == nil, err
}

// watchClose waits for a close that was sent, and asks the chain for it where the payee does not make it.
func (k *keeper) watchClose(ctx context.Context, st rule.State, now uint64) error {
	since, known := k.sent[st.ID]
	if !known {
		k.sent[st.ID], since = now, now
	}
	k.left(after(since+grace, now))
	if now < since+grace {
		return nil
	}
	_, err := k.send(ctx, st.ID, k.s.RequestClose)
	return err
}

// notice tells how a funding transaction was decided.
func (k *keeper) notice(ctx context.Context, before, now rule.State) {
	e := Event{Origin: now.Scope.Origin, ChannelID: now.ID, Deposit: now.Deposit}
	if before.Phase() == channel.Opening && now.Phase() != channel.Opening && now.Phase() != channel.Closed {
		e.Kind = EventOpened
		k.s.tell(ctx, e)
	}
	if t := before.ToppingUp; t.Pending() && !now.ToppingUp.Pending() && now.Phase() != channel.Closed {
		switch {
		case before.Deposit.Less(now.Deposit):
			e.Kind = EventToppedUp
			k.s.tell(ctx, e)
		case !t.Before.Less(now.Deposit):
			e.Kind = EventUnmined
			k.s.tell(ctx, e)
		}
	}
}

// tellNews tells what the chain shows that others did.
func (s *Session) tellNews(ctx context.Context, before, now rule.State) {
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
