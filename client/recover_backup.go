package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// recoverHigher finds out what this key has signed on the channel since its record was written,
// after the payee refused all that the record is good for: the record may be from a backup. Only
// what the chain has settled counts, and a voucher with our own signature that the payee shows when
// the channel is named, or, if may is set, for a proof. If one of them proves more than the record,
// or the channel is closed, the price is reserved anew on top of it.
func (a *attempt) recoverHigher(ctx context.Context, may bool) purchase.Event {
	e := purchase.Event{Kind: purchase.Recovered}
	read, err := a.s.sync(ctx, a.account, syncOptions{stateOnly: true})
	if err != nil {
		a.s.log.DebugContext(ctx, "the chain was not read", "channel", a.account.ID(), "error", err)
	}
	rose := read.rose
	var snap *channel.Snapshot
	if snap, e.Proof = a.shown(ctx, may); snap != nil {
		rose = a.s.absorb(ctx, a.account, a.reserved, *snap) || rose
	}
	now := a.account.State()
	e.Standing, e.Proved = standingOf(now), rose
	if rose || !now.Payable() {
		return e
	}
	e.Err = fmt.Errorf("%w: channel %s, voucher %s", ErrBehind, now.ID, now.Currency().Format(a.signed.Cumulative))
	a.s.tell(ctx, Event{Kind: EventBehind, Origin: a.origin.Text, ChannelID: now.ID, Cumulative: a.signed.Cumulative, Deposit: now.Deposit, Err: e.Err})
	return e
}

// shown returns what the payee shows of the channel when it is named, or for a proof; nil if it
// shows nothing of it. proof reports that one was given.
func (a *attempt) shown(ctx context.Context, may bool) (snap *channel.Snapshot, proof bool) {
	id := a.account.ID()
	if snap = a.named(ctx, id); snap == nil && a.s.cfg.Bootstrap && may {
		if snap, _, proof = a.prove(ctx); snap != nil && snap.ChannelID != id {
			snap = nil
		}
	}
	return snap, proof
}

// named returns the snapshot of a channel that the payee shows when the channel is named, nil if it
// shows none.
func (a *attempt) named(ctx context.Context, id common.Hash) *channel.Snapshot {
	status, h, err := a.head(ctx, "tempo/session", header{wire.HeaderPaymentSession, id.Hex()})
	if err != nil {
		return nil
	}
	return a.snapshotIn(ctx, status, h, id)
}

// snapshotIn returns the snapshot of a channel in an answer that offers the same as the challenge,
// nil if there is none.
func (a *attempt) snapshotIn(ctx context.Context, status int, h http.Header, id common.Hash) *channel.Snapshot {
	if status != http.StatusPaymentRequired {
		return nil
	}
	c := a.s.recognize(ctx, a.out.req, a.origin, h).found
	if c == nil || c.scope != a.challenge.scope || c.offer.Snapshot == nil || c.offer.Snapshot.ChannelID != id {
		return nil
	}
	return c.offer.Snapshot
}

// absorb books what a snapshot says of a channel, and reports whether it proves more than was
// authorized. r is the reservation of the request that was answered, nil if there is none.
func (s *Session) absorb(ctx context.Context, account *ledger.Account, r *ledger.Reservation, snap channel.Snapshot) (rose bool) {
	state := account.State()
	violation := func(err error) {
		s.tell(ctx, Event{Kind: EventViolation, Origin: state.Scope.Origin, ChannelID: account.ID(), Err: err})
	}
	if v := snap.Voucher; v != nil && state.Authorized().Less(v.Cumulative) {
		if state.Deposit.Less(v.Cumulative) && voucher.Verify(state.Domain(), *v, state.Descriptor.Signer()) == nil {
			if read, err := s.sync(ctx, account, syncOptions{}); err == nil { // a top-up that the record does not know
				state = read.after
			}
		}
		if next, err := state.Recover(*v); err != nil {
			violation(err)
		} else if next.Authorized() != state.Authorized() {
			rose = s.recover(ctx, account, *v)
		}
	}
	if err := account.Reconcile(ctx, r, snap.Report); err != nil {
		violation(err)
	}
	return rose
}

// recover books a voucher with our own signature. If that fails the next challenge shows it again.
func (s *Session) recover(ctx context.Context, account *ledger.Account, v voucher.Signed) (rose bool) {
	var rise ledger.Rise
	err := account.Update(ctx, func(s rule.State) rule.State {
		n, err := s.Recover(v)
		if rose = false; err != nil {
			return s
		}
		rise = ledger.Rise{}.Plus(s.Authorized(), n.Authorized())
		rose = s.Authorized().Less(n.Authorized())
		return n
	})
	if err != nil {
		return false
	}
	s.recordProof(ctx, account.State(), rise)
	return rose
}
