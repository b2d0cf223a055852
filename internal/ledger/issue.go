package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// issue is THE GATE, the only place that asks the signer for a voucher. It decides every order of the
// batch by the rule, makes the ceiling durable, and then signs once, for all of them. The caller holds
// the turn.
func (a *Account) issue(ctx context.Context, batch []*order) {
	for range maxConflicts {
		if err := errors.Join(a.refresh(ctx), a.ledger.read(ctx)); err != nil {
			a.fail(batch, err)
			return
		}
		left, due, raised := a.decide(batch)
		if batch = left; len(batch) == 0 {
			return
		}
		if raised {
			if err := a.save(ctx); err != nil {
				a.retract(batch)
				if errors.Is(err, store.ErrConflict) {
					continue
				}
				a.fail(batch, err)
				return
			}
			a.rose(batch)
		}
		signed, err := a.signed(ctx, due)
		if err != nil {
			a.retract(batch)
			a.fail(batch, err)
			return
		}
		a.serve(batch, signed)
		return
	}
	a.fail(batch, fmt.Errorf("%w: channel %s is written by others all the time", ErrStore, a.id))
}

// signed returns the voucher of exactly due: the one that exists, or a new signature under the durable
// ceiling. No lock is held while the signer works.
func (a *Account) signed(ctx context.Context, due voucher.Amount) (voucher.Signed, error) {
	v := voucher.Voucher{ChannelID: a.id, Cumulative: due}
	a.mu.Lock()
	state, ceiling := a.state, a.saved.Authorized()
	a.mu.Unlock()
	if due == state.Signed && len(state.Voucher) > 0 {
		return voucher.Signed{Voucher: v, Signature: state.Voucher}, nil
	}
	if ceiling.Less(due) {
		return voucher.Signed{}, fmt.Errorf("%w: channel %s: %s above the durable %s", channel.ErrOverAuthorized, a.id, due, ceiling)
	}
	sig, err := a.ledger.signer.SignVoucher(ctx, a.domain, v)
	if err != nil {
		return voucher.Signed{}, fmt.Errorf("ledger: the signer refused: %w", err)
	}
	signed := voucher.Signed{Voucher: v, Signature: sig}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state, err = a.state.MarkSigned(signed)
	return signed, err
}
