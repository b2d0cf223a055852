package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/budget"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Near reports that a rise of a ceiling passes four fifths of a budget.
type Near struct {
	Scope     channel.Scope
	ChannelID common.Hash
	Decision  channel.Decision
}

// claim counts a rise of a decision in memory. It notes the tightest budget that the rise nearly uses
// up, to be reported. The caller holds mu, and the lock of the limits since it called weigh.
func (a *Account) claim(lease *budget.Lease, d *decision, rooms *Rooms, rise voucher.Amount) {
	if rise.IsZero() {
		return
	}
	a.claims = append(a.claims, a.ledger.windows.Claim(lease, &d.terms.Limits, rise))
	if a.ledger.OnNear == nil {
		return
	}
	var near *channel.Room
	for i := range rooms {
		if r := &rooms[i]; r.Near(rise) && (near == nil || r.Left().Less(near.Left())) {
			near = r
		}
	}
	if near != nil {
		a.near = append(a.near, Near{a.base.Scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: near.Rule.Name,
			Wanted: near.Used.AddCapped(rise), Allowed: near.Rule.Allowed, Left: near.Left(),
		}})
	}
}

// provide counts in the store what a record raises, before that is written. The error is
// [budget.ErrMoved] if other sessions left less; the decisions are taken back then. The caller has the
// turn.
func (a *Account) provide(ctx context.Context, w *write) error {
	if w == nil {
		return nil
	}
	err := a.ledger.windows.Cover(ctx, w.claims)
	if err != nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.undecide()
	}
	return err
}

// readLimits takes back what was decided and reads the limits over time of a decision. unknown is why
// nothing may be raised. err is [budget.ErrMoved], to decide again, or the context's. The caller has the
// turn.
func (a *Account) readLimits(ctx context.Context, d *decision) (unknown, err error) {
	a.mu.Lock()
	a.undecide()
	lease, limits := a.leases[d.terms.Origin], &d.terms.Limits
	a.mu.Unlock()
	unknown = a.ledger.windows.Read(ctx, limits, lease, true)
	if ctx.Err() != nil {
		return unknown, context.Cause(ctx)
	}
	return unknown, budget.ErrMoved
}

// Rooms is what the budgets leave: see [budget.Rooms].
type Rooms = budget.Rooms

// Rooms returns what the limits over time leave for a scope now. The errors are [ErrStore], and
// [channel.ErrRecord] if what was used of them is not known.
func (l *Ledger) Rooms(ctx context.Context, t Terms, scope channel.Scope) (rooms Rooms, err error) {
	lease := budget.For(t.Origin, &scope)
	if err := l.windows.Read(ctx, &t.Limits, lease, true); err != nil {
		return rooms, err
	}
	l.windows.Lock()
	defer l.windows.Unlock()
	rooms, _ = l.windows.Rooms(&t.Limits, lease, time.Now().Unix())
	return rooms, nil
}

// Limited returns the limits with what the limits over time and the request's own budgets leave for
// a scope now. If that is less than price as far as is known, what other sessions did is read first.
// The errors are those of [Ledger.Rooms].
func (l *Ledger) Limited(
	ctx context.Context, t Terms, scope channel.Scope, price voucher.Amount,
) (lim rule.Limits, err error) {
	lease := budget.For(t.Origin, &scope)
	l.windows.Lock()
	rooms, ok := l.windows.Rooms(&t.Limits, lease, time.Now().Unix())
	l.windows.Unlock()
	if !ok || slices.ContainsFunc(rooms[:], func(r channel.Room) bool { return r.Rule.Allowed.SubFloor(r.Used).Less(price) }) {
		if rooms, err = l.Rooms(ctx, t, scope); err != nil {
			return lim, err
		}
	}
	lim = rule.Limits{Limits: t.Limits}.Within(rooms[:]...)
	if t.Charge != nil {
		lim = t.Charge.within(lim)
	}
	return lim, nil
}

// settle ends what the limits over time count for a record that was written, or was not: with what
// error. If nobody knows, it goes on counting until that is known. The caller holds mu.
func (a *Account) settle(err error) {
	w := a.ledger.windows
	switch {
	case err == nil: // what was tried before at the same revision never happened
		w.Settle(a.claims, true)
		w.Settle(a.doubt, false)
		a.doubt = nil
	case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrKey),
		errors.Is(err, store.ErrTooLarge):
		w.Settle(a.claims, false)
	default:
		a.doubt = append(a.doubt, a.claims...)
	}
	a.claims = nil
}

// undecide takes back decisions that nothing was written for. The caller holds mu.
func (a *Account) undecide() {
	a.ledger.windows.Settle(a.claims, false)
	a.claims, a.near = nil, nil
	a.dropAll()
}
