package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// issue is the gate, the only place that asks the signer for a voucher. It decides what is being
// served by the rule, stores the ceiling, and then signs once for all of it. The caller has the
// turn. The stream's half of the gate is stream.go.
func (a *Account) issue(ctx context.Context) (voucher.Signed, error) {
	for range maxConflicts {
		if a.stale.Load() {
			if err := a.refresh(ctx); err != nil {
				return voucher.Signed{}, err
			}
		}
		w := &a.ledger.windows
		if next := w.next.Load(); next == nil || !time.Now().Before(*next) {
			if err := w.read(ctx, a.ledger.store); err != nil {
				return voucher.Signed{}, err
			}
		}
		due, record := a.decide()
		if record != nil {
			if err := a.save(ctx, record); errors.Is(err, store.ErrConflict) {
				continue
			} else if err != nil {
				return voucher.Signed{}, err
			}
		}
		return a.sign(ctx, due)
	}
	return voucher.Signed{}, a.tooMany()
}

// decide makes every decision that is being served, one after the other. Those that are refused get
// their error and drop out. due is the voucher that covers the rest, and w the record to be stored
// if the ceiling rises.
func (a *Account) decide() (due voucher.Amount, w *write) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.streams {
		a.countDelivered()
	}
	s, before := a.view, a.view.MayExist().SubFloor(a.spare)
	left := a.serving[:0]
	for _, d := range a.serving {
		next, want, err := a.judge(s, before.Max(due), d)
		if err != nil {
			d.err = err
			close(d.served)
			continue
		}
		s, due, left = next, due.Max(want), append(left, d)
	}
	if a.serving = left; a.charged {
		a.hold(before, due, left...)
	}
	if len(left) > 0 && a.base.MayExist().Less(s.MayExist()) {
		w = a.stamped(s)
	}
	return due, w
}

// judge makes one decision on s with what the budgets leave, and counts it there and in the view.
// Vouchers up to level left or may leave; what may exist above it counts as refused by the signer.
// Decisions of other channels wait that long, so that two cannot use the same room. The caller
// holds mu.
func (a *Account) judge(
	s rule.State, level voucher.Amount, d *decision,
) (_ rule.State, due voucher.Amount, err error) {
	if d.before, err = d.claim(); err != nil {
		return s, due, err
	}
	if s.Closed {
		return s, due, fmt.Errorf("%w: channel %s is closed", channel.ErrNotPayable, a.id)
	}
	w, now := &a.ledger.windows, time.Now().Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enter(s)
	rooms, lim := w.rooms(d.terms, s.Scope, now)
	out := s
	if level.Less(s.MayExist()) {
		out = upTo(level, s)
	}
	next, after, due, err := d.rule(out, d.before, d.request, lim)
	if err != nil {
		return s, due, err
	}
	rise, more := next.Authorized().SubFloor(s.Authorized()), next.MayExist().SubFloor(out.MayExist())
	if level.Less(s.MayExist()) {
		next = allOf(next, &s)
	}
	if w.unknown != nil && !more.IsZero() {
		return s, due, w.unknown
	}
	if d.terms.Charge != nil {
		a.charged = true
		d.charged, err = d.terms.Charge.take(a, d.before.Price, after.Price, more)
		if err != nil {
			return s, due, err
		}
	}
	if d.rise = (Rise{}); !rise.IsZero() {
		d.rise = Rise{s.Authorized(), next.Authorized(), rise}
		if near := rooms.near(rise); near != nil {
			a.near = append(a.near, Near{s.Scope, a.id, channel.Decision{
				Verdict: channel.Allow, Rule: near.Rule.Name,
				Wanted: near.Used.AddCapped(rise), Allowed: near.Rule.Allowed, Left: near.Left(),
			}})
		}
		next = next.Noted(s, cmp.Or(d.terms.Origin, s.Scope.Origin), now)
		w.enter(next)
	}
	d.decided, d.after, d.counted = true, after, rule.Changed(&s, &next)
	a.admit(d, after)
	a.added.Counts = a.added.Plus(d.counted)
	a.view = a.base.Fold(a.added)
	return next, due, nil
}

// write is a record on its way to the store, and what it contains of this session's counts.
type write struct {
	state  rule.State
	counts rule.Counts
}

// stamped returns the write of a state that was made from the view: with what this session has in
// flight. The caller holds mu since it read the view.
func (a *Account) stamped(s rule.State) *write {
	now := time.Now().Unix()
	s.Writer = a.ledger.name
	if !s.Pending(a.ledger.name).IsZero() { // other sessions are listed
		s = s.Folded(func(w rule.Writer) bool { return w.Name != a.ledger.name && ended(now)(w) })
	}
	return &write{s.InFlight(a.ledger.name, a.own(), now), a.added.Counts}
}

// save stores a record, and notes by what each decision that is being served has raised its
// ceiling. The error is [store.ErrConflict] or [ErrStore]; after either the decisions are taken
// back, and the record is read again before anything is decided. The caller has the turn.
func (a *Account) save(ctx context.Context, w *write) error {
	data, err := w.state.Encode()
	if err != nil {
		return err
	}
	rev, err := a.ledger.store.Put(ctx, a.key, data, a.rev)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.stale.Store(true)
		a.dropAll()
		if !errors.Is(err, store.ErrConflict) {
			a.tried = w
		}
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	if a.charged || !a.spare.IsZero() {
		a.proved(&w.state)
	}
	a.base, a.rev = w.state, rev
	a.added.Counts = a.added.Minus(w.counts)
	a.view = a.base.Fold(a.added)
	for _, d := range a.serving {
		d.stored = true
		switch r := d.reservation; {
		case r == nil:
		case r.rise.By.IsZero():
			r.rise = d.rise
		default:
			r.rise = r.rise.And(d.rise)
		}
	}
	return nil
}

// sign returns the voucher of exactly due: the one that exists, or a new signature under the stored
// ceiling. The error is [ErrEnded] if nobody waits for it any more. No lock is held while the
// signer works.
func (a *Account) sign(ctx context.Context, due voucher.Amount) (voucher.Signed, error) {
	v := voucher.Voucher{ChannelID: a.id, Cumulative: due}
	a.mu.Lock()
	view, ceiling := a.view, a.base.MayExist()
	wanted := slices.ContainsFunc(a.serving, func(d *decision) bool { return !d.abandoned })
	a.mu.Unlock()
	if !wanted {
		return voucher.Signed{}, ErrEnded
	}
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
	if !due.Less(a.view.Signed) { // the voucher of a close may be lower
		a.added.Signed, a.added.Voucher = due, sig
		a.view = a.base.Fold(a.added)
	}
	return signed, nil
}
