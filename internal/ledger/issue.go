package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// issue is the gate, the only place that asks the signer for a voucher. It decides what is being
// served by the rule, stores the ceiling, and then signs once for all of it: exactly what is due,
// and nothing if nobody waits for it any more. No lock is held while the store or the signer works.
// The caller has the turn. The stream's half of the gate is stream.go.
func (a *Account) issue(ctx context.Context) (none voucher.Signed, err error) {
	var fresh bool // the records of the limits over time were read
	var unknown error
	for range maxConflicts {
		if a.stale.Load() {
			if err := cmp.Or(a.refresh(ctx), a.yield()); err != nil {
				return none, err
			}
		}
		due, record, read := a.decide(fresh, unknown)
		switch {
		case read != nil:
			fresh = true
			unknown, err = a.readLimits(ctx, read)
		case record != nil:
			err = a.save(ctx, record)
		default:
			err = nil
		}
		if errors.Is(err, store.ErrConflict) || errors.Is(err, budget.ErrMoved) {
			continue
		} else if err != nil {
			return none, err
		}

		a.mu.Lock()
		view, ceiling := a.view, a.base.MayExist()
		wanted := slices.ContainsFunc(a.serving, func(d *decision) bool { return !d.abandoned })
		a.mu.Unlock()
		signed := voucher.Signed{Voucher: voucher.Voucher{ChannelID: a.id, Cumulative: due}}
		switch {
		case !wanted:
			return none, ErrEnded
		case due == view.Signed && len(view.Voucher) > 0:
			signed.Signature = view.Voucher
			return signed, nil
		case ceiling.Less(due):
			written := view.Currency().Format
			return none, fmt.Errorf("%w: channel %s: %s, above the stored %s",
				channel.ErrOverAuthorized, a.id, written(due), written(ceiling))
		}
		signed.Signature, err = a.ledger.signer.SignVoucher(ctx, a.domain, signed.Voucher)
		if err != nil {
			return none, fmt.Errorf("client: the signer refused: %w", err)
		}

		a.mu.Lock()
		defer a.mu.Unlock()
		if !due.Less(a.view.Signed) { // the voucher of a close may be lower
			a.added.Signed, a.added.Voucher = due, signed.Signature
			a.view = a.base.Fold(a.added)
		}
		return signed, nil
	}
	return none, a.tooMany()
}

// decide makes every decision that is being served, one after the other. Those that are refused
// get their error and drop out. due is the voucher that covers the rest, and record what is to be
// stored if the ceiling rises, or if other sessions are to let an overtaken request through. What may
// exist but never left counts as refused by the signer. Decisions of other channels wait that long, so
// that two cannot use the same room.
//
// read is a decision whose limits over time must be read first, or read again before they refuse it.
// If fresh is set, that was done, with the error unknown.
func (a *Account) decide(fresh bool, unknown error) (due voucher.Amount, record *write, read *decision) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims.Lock()
	defer a.claims.Unlock()
	if a.streams {
		a.countDelivered()
	}
	a.near = nil
	s, before := a.view, a.view
	if !a.spare.IsZero() {
		s = without(a.spare, s)
	}
	level, most := s.MayExist(), before.MayExist()
	left, holds := a.serving[:0], false
	for i, d := range a.serving {
		next, want, err := a.weigh(s, d, fresh, unknown)
		if errors.Is(err, errRead) {
			a.serving = append(left, a.serving[i:]...)
			return due, nil, d
		} else if err != nil {
			d.err = err
			a.pace.move(&d.reservation.trip, stopped, voucher.Amount{})
			close(d.served)
			continue
		}
		was := a.added.Counts
		a.added.Counts = was.Changed(&s, &next)
		a.added.Used = a.added.Used.SubFloor( // what was spare was used already
			next.MayExist().Min(most).SubFloor(s.MayExist().Min(most)))
		d.counted = a.added.Minus(was)
		a.view = a.base.Fold(a.added)
		s, due, left = next, due.Max(want), append(left, d)
		holds = holds || d.reservation.trip.foreign > 1
	}
	if a.serving = left; a.charged {
		a.hold(level, due, left...)
	}
	if !a.spare.IsZero() {
		s = with(s, &before)
	}
	if len(left) > 0 && (holds || a.base.MayExist().Less(s.MayExist())) {
		record = &write{s, a.added.Counts, a.own()}
	}
	return due, record, nil
}

// weigh makes one decision on s within what the limits over time leave, and counts for them by what it
// raises the ceiling. The error is errRead if they must be read first. The caller holds mu, and the lock
// of the limits.
func (a *Account) weigh(
	s rule.State, d *decision, fresh bool, unknown error,
) (next rule.State, due voucher.Amount, err error) {
	now, lease := time.Now().Unix(), a.leases[d.terms.Origin]
	if lease == nil {
		lease = budget.For(d.terms.Origin, &s.Scope)
		a.leases[d.terms.Origin] = lease
	}
	rooms, known := a.claims.Rooms(&d.terms.Limits, lease, now)
	if !known && unknown == nil {
		return s, due, errRead
	}
	lim := rule.Limits{Limits: d.terms.Limits, Rooms: rooms[:]}
	if d.terms.Charge != nil {
		lim = d.terms.Charge.within(lim)
	}
	next, due, err = a.judge(s, d, lim, unknown)
	if err != nil && !fresh && rooms.Refused(err) {
		err = errRead
	}
	if err != nil {
		return s, due, err
	}
	d.decided, d.rise = true, Rise{}
	if rise := next.Authorized().SubFloor(s.Authorized()); !rise.IsZero() {
		d.rise = Rise{s.Authorized(), next.Authorized(), rise}
		next = next.Noted(s, cmp.Or(d.terms.Origin, s.Scope.Origin), now)
		a.claims.Claim(lease, &d.terms.Limits, rise)
		if a.ledger.OnNear != nil {
			a.noteNear(lim.Currency, &rooms, rise)
		}
	}
	return next, due, nil
}

// Near reports that a rise of a ceiling passes four fifths of a budget.
type Near struct {
	Scope     channel.Scope
	ChannelID common.Hash
	Decision  channel.Decision
}

// noteNear notes the tightest budget that a rise nearly uses up, to be reported. The caller holds mu.
func (a *Account) noteNear(currency channel.Currency, rooms *Rooms, rise voucher.Amount) {
	var near *channel.Room
	for i := range rooms {
		if r := &rooms[i]; r.Near(rise) && (near == nil || r.Left().Less(near.Left())) {
			near = r
		}
	}
	if near != nil {
		a.near = append(a.near, Near{a.base.Scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: near.Rule.Name,
			Wanted: near.Used.AddCapped(rise), Allowed: near.Rule.Allowed, Left: near.Left(), Currency: currency,
		}})
	}
}

// errRead means that the limits over time must be read, or read again.
var errRead = errors.New("client: the limits over time were not read")

// readLimits takes back what was decided and reads the limits over time of a decision. unknown is why
// nothing may be raised. err is [budget.ErrMoved], to decide again, or the context's. The caller has the
// turn.
func (a *Account) readLimits(ctx context.Context, d *decision) (unknown, err error) {
	a.mu.Lock()
	a.undecide()
	lease, limits := a.leases[d.terms.Origin], &d.terms.Limits
	a.mu.Unlock()
	unknown = a.claims.Read(ctx, limits, lease)
	if ctx.Err() != nil {
		return unknown, context.Cause(ctx)
	}
	return unknown, budget.ErrMoved
}

// undecide takes back decisions that nothing was written for. The caller holds mu.
func (a *Account) undecide() {
	a.claims.Settle(budget.ErrMoved)
	a.near = nil
	a.dropAll()
}

// judge makes one decision on s within lim, charges it, and puts its reservation in flight: a
// report that comes in between must see it. The error is [ErrEnded] if the reservation ended after
// the decision was asked for. If the ceiling would rise, it is unknown if that is not nil, and
// [channel.ErrAsset] if the limits are for another asset. The caller holds mu.
func (a *Account) judge(
	s rule.State, d *decision, lim rule.Limits, unknown error,
) (next rule.State, due voucher.Amount, err error) {
	r := d.reservation
	if d.abandoned || r.kept || r.ends != d.ends || !r.open && !d.begins {
		return s, due, ErrEnded
	}
	if s.Closed {
		return s, due, fmt.Errorf("%w: channel %s is closed", channel.ErrNotPayable, a.id)
	}
	if d.before = r.claim; !r.open {
		d.before.Price = voucher.Amount{}
	}
	next, d.after, due, err = d.rule(s, d.before, d.request, lim)
	if err != nil {
		return s, due, err
	}
	more := next.MayExist().SubFloor(s.MayExist())
	if own := (channel.Asset{ChainID: s.Scope.ChainID, Token: s.Scope.Token}); lim.Currency.Asset != own {
		unknown = cmp.Or(lim.For(own), unknown)
	}
	if unknown != nil && !more.IsZero() {
		return s, due, unknown
	}
	if d.terms.Charge != nil {
		a.charged = true
		d.charged, err = d.terms.Charge.take(a, d.before.Price, d.after.Price, more)
		if err != nil {
			return s, due, err
		}
	}
	if !r.open {
		r.open, r.since, r.after = true, a.reports, a.kept
		a.open[r] = struct{}{}
		a.opened++
		r.number, r.among = a.opened, len(a.open)
		d.opened = true
	}
	r.claim = d.after
	return next, due, nil
}

// write is a record on its way to the store, what it contains of this session's counts, and what
// this session had in flight when it was made from the view.
type write struct {
	state   rule.State
	counts  rule.Counts
	pending voucher.Amount
}

// save stores a record, after what it raises was counted in the store for the limits
// over time. It notes by what each decision that is being served has raised its ceiling. The error is
// [store.ErrConflict] or [ErrStore], or one of [budget.Claims.Cover]; after each the decisions are taken
// back, and after the first two the record is read again before anything is decided. The caller has the
// turn.
func (a *Account) save(ctx context.Context, w *write) error {
	if err := a.claims.Cover(ctx); err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.undecide()
		return err
	}
	now := time.Now().Unix()
	w.state.Writer = a.ledger.name
	if !w.state.Pending(a.ledger.name).IsZero() { // other sessions are listed
		w.state = w.state.Folded(func(other rule.Writer) bool {
			return other.Name != a.ledger.name && ended(now)(other)
		})
	}
	w.state = w.state.InFlight(a.ledger.name, w.pending, now)
	data, err := w.state.Encode()
	if err != nil {
		return err
	}
	began := time.Now()
	if a.at == archived && !w.state.Finished() { // the chain shows it again
		err = a.move(ctx)
	}
	var rev uint64
	if err == nil {
		rev, err = a.ledger.store.Put(ctx, a.places[a.at], data, a.rev)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.claims.Settle(err)
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
	l, asset := a.ledger, channel.Asset{ChainID: w.state.Scope.ChainID, Token: w.state.Scope.Token}
	l.mu.Lock()
	l.risen[asset] = l.risen[asset].AddCapped(w.state.Authorized().SubFloor(a.base.Authorized()))
	l.mu.Unlock()
	a.base, a.rev = w.state, rev
	a.added.Counts = a.added.Minus(w.counts)
	a.view = a.base.Fold(a.added)
	if a.pace.write += (time.Since(began) - a.pace.write) / 8; a.shared {
		a.meet(false)
	}
	for _, d := range a.serving {
		d.stored = true
		if r := d.reservation; r.rise.By.IsZero() {
			r.rise = d.rise
		} else {
			r.rise = r.rise.And(d.rise)
		}
	}
	return nil
}
