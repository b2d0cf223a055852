package ledger

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Near reports that a rise of a ceiling passes four fifths of a budget.
type Near struct {
	Scope     channel.Scope
	ChannelID common.Hash
	Decision  channel.Decision
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour.
type Rooms [9]channel.Room

// Tightest returns the room that leaves the least; of several the one that the others follow where
// they are not set.
func (r *Rooms) Tightest() channel.Room {
	tightest := r[0]
	for _, room := range r[1:] {
		if room.Left().Less(tightest.Left()) {
			tightest = room
		}
	}
	return tightest
}

// near returns the tightest budget of which a rise passes four fifths, if there is one.
func (r *Rooms) near(rise voucher.Amount) (near channel.Room, ok bool) {
	for _, room := range r {
		if room.Near(rise) && (!ok || room.Left().Less(near.Left())) {
			near, ok = room, true
		}
	}
	return near, ok
}

// rooms returns what the budgets leave for requests of an origin to a payee. The caller holds mu.
func (w *windows) rooms(
	origin string, payee common.Address, lim channel.Limits, now int64,
) (rooms Rooms) {
	all, ofOrigin, ofPayee := rule.Of(lim).Budgets()
	for i := range 3 {
		rooms[i].Rule, rooms[3+i].Rule, rooms[6+i].Rule = all[i], ofOrigin[i], ofPayee[i]
	}
	for _, r := range w.rows {
		if r.rises.Quiet(now) {
			continue
		}
		for i := range 3 {
			risen := r.rises.Within(now, all[i].Length)
			rooms[i].Used = rooms[i].Used.AddCapped(risen)
			rooms[3+i].Used = rooms[3+i].Used.AddCapped(r.rises.For(origin, now, all[i].Length))
			if r.payee == payee {
				rooms[6+i].Used = rooms[6+i].Used.AddCapped(risen)
			}
		}
	}
	return rooms
}

// originOf returns the origin that a request on a channel of a scope counts for.
func (t Terms) originOf(scope channel.Scope) string {
	if t.Origin != "" {
		return t.Origin
	}
	return scope.Origin
}

// Rooms returns what the limits over time leave for a scope now. The errors are [ErrStore], and
// [channel.ErrRecord] if what a record used of them is not known.
func (l *Ledger) Rooms(ctx context.Context, t Terms, scope channel.Scope) (Rooms, error) {
	w := &l.windows
	if err := w.read(ctx, l.store); err != nil {
		return Rooms{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rooms(t.originOf(scope), scope.Payee, t.Limits, time.Now().Unix()), w.known()
}

// Limited returns the limits with what the limits over time and the request's own budgets leave for
// a scope now. The errors are those of [Ledger.Rooms].
func (l *Ledger) Limited(ctx context.Context, t Terms, scope channel.Scope) (rule.Limits, error) {
	rooms, err := l.Rooms(ctx, t, scope)
	return t.within(rooms), err
}

// within returns the limits with what is left of all budgets.
func (t Terms) within(rooms Rooms) rule.Limits {
	lim := rule.Of(t.Limits).Within(rooms.Tightest())
	if room, ok := t.Charge.room(); ok {
		return lim.WithinRun(room)
	}
	return lim
}

// reportNear reports which budgets are nearly used up, outside all locks.
func (a *Account) reportNear() {
	a.mu.Lock()
	near := a.near
	a.near = nil
	a.mu.Unlock()
	for _, n := range near {
		if a.ledger.OnNear != nil {
			a.ledger.OnNear(n)
		}
	}
}
