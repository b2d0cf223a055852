package ledger

import (
	"context"
	"errors"
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

// noteNear notes the tightest budget that a rise nearly uses up, to be reported. The caller holds
// mu.
func (a *Account) noteNear(scope channel.Scope, rooms *Rooms, rise voucher.Amount) {
	var near *channel.Room
	for i := range rooms {
		if r := &rooms[i]; r.Near(rise) && (near == nil || r.Left().Less(near.Left())) {
			near = r
		}
	}
	if near != nil {
		a.near = append(a.near, Near{scope, a.id, channel.Decision{
			Verdict: channel.Allow, Rule: near.Rule.Name,
			Wanted: near.Used.AddCapped(rise), Allowed: near.Rule.Allowed, Left: near.Left(),
		}})
	}
}

// Rooms is what the budgets leave: for all payments, for one origin's and for one payee's, the
// month before the day and the hour. Those of an origin or a payee that are not set have used what
// those of all payments have.
type Rooms = budget.Rooms

// rooms returns what the budgets leave for a request, and its limits with what is left of all
// budgets. ok is false if records must be read first, and can be. The caller holds the lock of the
// budgets.
func (l *Ledger) rooms(
	t *Terms, names *budget.Names, now int64, known budget.Reading,
) (rooms Rooms, lim rule.Limits, ok bool) {
	lim = rule.Limits{Limits: t.Limits}
	all, origin, payee := lim.Budgets()
	for i := range 3 {
		rooms[i].Rule, rooms[3+i].Rule, rooms[6+i].Rule = all[i], origin[i], payee[i]
	}
	ok = l.windows.Fill(&rooms, names, now) || known == budget.Failed
	lim = lim.Within(rooms[:]...)
	if t.Charge != nil {
		if room, ok := t.Charge.room(); ok {
			lim = lim.WithinRun(room)
		}
	}
	return rooms, lim, ok
}

// Rooms returns what the limits over time leave for a scope now. The errors are [ErrStore], and
// [channel.ErrRecord] if what was used of them is not known.
func (l *Ledger) Rooms(ctx context.Context, t Terms, scope channel.Scope) (Rooms, error) {
	rooms, _, err := l.within(ctx, t, scope, budget.Again)
	return rooms, err
}

// Limited returns the limits with what the limits over time and the request's own budgets leave for
// a scope now. If that is less than price as far as is known, what other sessions did is read first.
// The errors are those of [Ledger.Rooms].
func (l *Ledger) Limited(
	ctx context.Context, t Terms, scope channel.Scope, price voucher.Amount,
) (rule.Limits, error) {
	rooms, lim, err := l.within(ctx, t, scope, budget.Once)
	if err == nil && !budget.Affords(&rooms, price) {
		_, lim, err = l.within(ctx, t, scope, budget.GiveBack)
	}
	return lim, err
}

// within reads what the limits over time leave.
func (l *Ledger) within(
	ctx context.Context, t Terms, scope channel.Scope, how budget.Reading,
) (rooms Rooms, lim rule.Limits, err error) {
	names := budget.Of(t.Origin, &scope, &t.Limits)
	for ok := false; !ok && err == nil; how = budget.Once {
		if err = l.windows.Read(ctx, how, names); err == nil {
			l.windows.Lock()
			rooms, lim, ok = l.rooms(&t, &names, time.Now().Unix(), how)
			l.windows.Unlock()
		}
	}
	return rooms, lim, err
}

// budgets reads the records of budgets that the decisions need which are being served. The caller has
// the turn.
func (a *Account) budgets(ctx context.Context, how budget.Reading) error {
	a.mu.Lock()
	names := make([]budget.Names, 0, len(a.serving))
	for _, d := range a.serving {
		names = append(names, budget.Of(d.terms.Origin, &a.view.Scope, &d.terms.Limits))
	}
	a.mu.Unlock()
	return a.ledger.windows.Read(ctx, how, names...)
}

// settle ends what the budgets count for a record that was written, or was not: with what error. The
// caller holds mu.
func (a *Account) settle(err error) {
	if len(a.claims)+len(a.doubt) == 0 {
		return
	}
	w := a.ledger.windows
	w.Lock()
	defer w.Unlock()
	none := errors.Is(err, errUndecided) || errors.Is(err, store.ErrConflict) ||
		errors.Is(err, store.ErrKey) || errors.Is(err, store.ErrTooLarge) || errors.Is(err, store.ErrCorrupt)
	w.Settle(a.claims, none)
	switch {
	case err == nil: // what was tried before at the same revision never happened
		w.Undo(a.doubt)
		a.doubt = nil
	case !none:
		a.doubt = append(a.doubt, a.claims...)
	}
	a.claims = nil
}

// errUndecided takes back decisions that nothing was written for.
var errUndecided = errors.New("client: not decided")
