package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// issue is the gate, the only place that asks the signer for a voucher. It decides what is being
// served by the rule, stores the ceiling, and then signs once for all of it. The caller has the
// turn. The stream's half of the gate is stream.go.
func (a *Account) issue(ctx context.Context) {
	for range maxConflicts {
		if err := errors.Join(
			a.refresh(ctx), a.ledger.windows.read(ctx, a.ledger.store),
		); err != nil {
			a.fail(ctx, err)
			return
		}
		due, w := a.decide()
		if w != nil {
			if err := a.save(ctx, w); errors.Is(err, store.ErrConflict) {
				a.dropAll()
				continue
			} else if err != nil {
				a.fail(ctx, err)
				return
			}
			a.rose()
		}
		if !a.wanted() {
			a.fail(ctx, ErrEnded)
			return
		}
		signed, err := a.sign(ctx, due)
		if err != nil {
			a.fail(ctx, err)
			return
		}
		a.serve(signed)
		return
	}
	a.fail(ctx, a.tooMany())
}

// decide makes every decision that is being served, one after the other. Those that are refused get
// their error and drop out. due is the voucher that covers the rest, and w the record to be stored
// if the ceiling rises.
func (a *Account) decide() (due voucher.Amount, w *write) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	s := a.view
	left := a.serving[:0]
	for _, d := range a.serving {
		next, want, err := a.decideOne(s, d)
		if err != nil {
			d.err = err
			close(d.served)
			continue
		}
		s, due, left = next, due.Max(want), append(left, d)
	}
	if a.serving = left; len(left) > 0 && a.base.MayExist().Less(s.MayExist()) {
		w = a.stamped(s)
	}
	return due, w
}

// decideOne makes one decision on s and counts it. The caller holds mu.
func (a *Account) decideOne(
	s rule.State, d *decision,
) (next rule.State, due voucher.Amount, err error) {
	if err := d.ended(); err != nil {
		return s, due, err
	}
	if s.Phase() == channel.Closed {
		return s, due, fmt.Errorf("%w: channel %s is closed", channel.ErrNotPayable, a.id)
	}
	d.before = d.was()
	if next, d.after, due, err = a.judge(s, d, time.Now().Unix()); err != nil {
		return s, due, err
	}
	d.decided, d.counted = true, rule.Changed(&s, &next)
	d.rise = Rise{}.Plus(s.Authorized(), next.Authorized())
	a.admit(d, d.after)
	a.count(d.counted)
	return next, due, nil
}

// judge runs the rule of a decision with what the budgets leave, and counts the rise against them.
// Decisions of other channels wait that long, so that two cannot use the same room. The caller
// holds mu.
func (a *Account) judge(
	s rule.State, d *decision, now int64,
) (next rule.State, after rule.Claim, due voucher.Amount, err error) {
	w := &a.ledger.windows
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enter(s)
	rooms := w.rooms(d.terms.originOf(s.Scope), s.Scope.Payee, d.terms.Limits, now)
	next, after, due, err = d.rule(s, d.before, d.terms.within(rooms))
	if err != nil {
		return s, after, due, err
	}
	rise, more := next.Authorized().SubFloor(s.Authorized()), next.MayExist().SubFloor(s.MayExist())
	if err = w.known(); err != nil && !more.IsZero() {
		return s, after, due, err
	}
	if d.charged, err = d.charge(a.asset(), after, more); err != nil || rise.IsZero() {
		return next, after, due, err
	}
	if room, ok := rooms.near(rise); ok {
		a.near = append(a.near, Near{s.Scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: room.Rule.Name,
			Wanted: room.Used.AddCapped(rise), Allowed: room.Rule.Allowed, Left: room.Left(),
		}})
	}
	next = next.Noted(s, d.terms.originOf(s.Scope), now)
	w.enter(next)
	return next, after, due, nil
}

// wanted reports whether anybody still waits for the voucher.
func (a *Account) wanted() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.serving {
		if !d.abandoned {
			return true
		}
	}
	return false
}

// sign returns the voucher of exactly due: the one that exists, or a new signature under the stored
// ceiling. No lock is held while the signer works.
func (a *Account) sign(ctx context.Context, due voucher.Amount) (voucher.Signed, error) {
	v := voucher.Voucher{ChannelID: a.id, Cumulative: due}
	a.mu.Lock()
	view, ceiling := a.view, a.base.MayExist()
	a.mu.Unlock()
	if due == view.Signed && len(view.Voucher) > 0 {
		return voucher.Signed{Voucher: v, Signature: view.Voucher}, nil
	}
	if ceiling.Less(due) {
		return voucher.Signed{}, fmt.Errorf("%w: channel %s: %s above the stored %s",
			channel.ErrOverAuthorized, a.id, due, ceiling)
	}
	sig, err := a.ledger.signer.SignVoucher(ctx, a.domain, v)
	if err != nil {
		return voucher.Signed{}, fmt.Errorf("ledger: the signer refused: %w", err)
	}
	signed := voucher.Signed{Voucher: v, Signature: sig}
	a.mu.Lock()
	defer a.mu.Unlock()
	view, err = a.view.MarkSigned(signed)
	if err == nil {
		a.added = a.added.Learned(view)
		a.fold()
	}
	return signed, err
}
