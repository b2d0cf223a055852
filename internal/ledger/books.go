package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// books add up what was authorized on all channels of the store, for the limits over time. The numbers are the
// channels' own records: a ceiling and its history are written in one piece, so there is nothing to reconcile, and
// since a ceiling never sinks, the highest that was seen is the newest.
type books struct {
	mu   sync.Mutex // guards what follows; taken last
	rows map[common.Hash]row
	next time.Time // when the store is read again, for what other processes did
}

type row struct {
	origin  string
	payee   common.Address
	total   voucher.Amount
	history rule.History
}

// Near is told when a rise of a ceiling passes four fifths of a budget.
type Near struct {
	Scope     channel.Scope
	ChannelID common.Hash
	Decision  channel.Decision
}

// maxAge is how long another process's asks may go unseen by the limits over time.
const maxAge = time.Second

// read looks at what other processes have authorized, at most once in maxAge and for a hundredth of the time. A
// record that cannot be read authorizes nothing from here.
func (l *Ledger) read(ctx context.Context) error {
	b, start := &l.books, time.Now()
	b.mu.Lock()
	due := !start.Before(b.next)
	if due {
		b.next = start.Add(maxAge) // one reads, the others go on
	}
	b.mu.Unlock()
	if !due {
		return nil
	}
	var found []rule.State
	for e, err := range l.store.List(ctx, "channel/") {
		if err != nil && e.Key == "" {
			b.mu.Lock()
			b.next = time.Time{}
			b.mu.Unlock()
			return fmt.Errorf("%w: %w", ErrStore, err)
		}
		if err != nil {
			continue
		}
		if s, err := rule.Decode(e.Data); err == nil {
			found = append(found, s)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range found {
		b.enter(s)
	}
	b.next = time.Now().Add(max(maxAge, 100*time.Since(start)))
	return nil
}

// enter books a channel's ceiling, unless a higher one is known. The caller holds mu.
func (b *books) enter(s rule.State) {
	if was, ok := b.rows[s.ID]; !ok || !s.Authorized().Less(was.total) {
		b.rows[s.ID] = row{s.Scope.Origin, s.Scope.Payee, s.Authorized(), s.History()}
	}
}

// Rooms are what the budgets leave: for all payments, for one origin's and for one payee's, the month before the day
// and the hour.
type Rooms [9]channel.Room

// Tightest is the one that leaves the least; of several the one that the others follow where they are not set.
func (r *Rooms) Tightest() channel.Room {
	tightest := r[0]
	for _, room := range r[1:] {
		if room.Left().Less(tightest.Left()) {
			tightest = room
		}
	}
	return tightest
}

// near is the tightest budget of which a rise passes four fifths, if there is one.
func (r *Rooms) near(rise voucher.Amount) (near channel.Room, ok bool) {
	for _, room := range r {
		if room.Near(rise) && (!ok || room.Left().Less(near.Left())) {
			near, ok = room, true
		}
	}
	return near, ok
}

// rooms are what the budgets leave for a scope. The caller holds mu.
func (b *books) rooms(scope channel.Scope, lim rule.Limits, now int64) (rooms Rooms) {
	all, origin, payee := lim.Budgets()
	for i := range 3 {
		rooms[i].Rule, rooms[3+i].Rule, rooms[6+i].Rule = all[i], origin[i], payee[i]
	}
	for _, r := range b.rows {
		if n := len(r.history); n == 0 || r.history[n-1].At <= now-rule.Month {
			continue // nothing in a month
		}
		for i := range 3 {
			risen := r.history.Risen(now-int64(all[i].Length/time.Second), r.total)
			rooms[i].Used = rooms[i].Used.AddCapped(risen)
			if r.origin == scope.Origin {
				rooms[3+i].Used = rooms[3+i].Used.AddCapped(risen)
			}
			if r.payee == scope.Payee {
				rooms[6+i].Used = rooms[6+i].Used.AddCapped(risen)
			}
		}
	}
	return rooms
}

// Rooms are what the budgets leave for a scope now, under the limits of the context. The error is the store's.
func (l *Ledger) Rooms(ctx context.Context, scope channel.Scope) (Rooms, error) {
	if err := l.read(ctx); err != nil {
		return Rooms{}, err
	}
	l.books.mu.Lock()
	defer l.books.mu.Unlock()
	return l.books.rooms(scope, rule.Of(l.terms(ctx).Limits), time.Now().Unix()), nil
}

// Limited returns the limits of the context with what the budgets leave for a scope now. The error is the store's.
func (l *Ledger) Limited(ctx context.Context, scope channel.Scope) (rule.Limits, error) {
	rooms, err := l.Rooms(ctx, scope)
	return rule.Of(l.terms(ctx).Limits).Within(rooms.Tightest()), err
}

// decided runs an order's rule with what the budgets leave, and books the rise. Orders of other channels wait that
// long, so that two cannot use the same room. The caller holds the account's mu.
func (a *Account) decided(o *order) (next rule.State, after rule.Claim, due voucher.Amount, err error) {
	l, now := a.ledger, time.Now().Unix()
	l.books.mu.Lock()
	defer l.books.mu.Unlock()
	l.books.enter(a.state)
	lim := rule.Of(o.terms.Limits)
	rooms := l.books.rooms(a.state.Scope, lim, now)
	next, after, due, err = o.rule(a.state, o.before, lim.Within(rooms.Tightest()))
	if err == nil && o.claim != nil {
		err = o.claim.afford(after.Price)
	}
	if err != nil || !a.state.Authorized().Less(next.Authorized()) {
		return next, after, due, err
	}
	rise := next.Authorized().SubFloor(a.state.Authorized())
	if room, ok := rooms.near(rise); ok {
		a.near = append(a.near, Near{a.state.Scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: room.Rule.Name, Wanted: room.Used.AddCapped(rise), Allowed: room.Rule.Allowed, Left: room.Left(),
		}})
	}
	next = next.Noted(a.state, now)
	l.books.enter(next)
	return next, after, due, err
}

// tellNear tells which budgets are nearly used up, outside all locks.
func (a *Account) tellNear() {
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
