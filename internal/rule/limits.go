package rule

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Limits are the owner's limits together with what budgets leave for one decision.
type Limits struct {
	channel.Limits

	// room is what the limits over time leave: by how much the ceiling may rise. Nil if they are
	// not considered.
	room *channel.Room
	// run is what the request's own budgets leave: by how much MayExist may rise. Nil if there are
	// none.
	run *channel.Room
}

// Of returns limits without a bound by budgets. See [Limits.Within].
func Of(l channel.Limits) Limits { return Limits{Limits: l} }

// over returns the error for an amount that is above a limit.
func over(limit string, wanted, allowed voucher.Amount) error {
	return &channel.LimitError{Limit: limit, Wanted: wanted, Allowed: allowed, Left: allowed}
}

// CheckPrice returns an error for a unit price that is zero or above the limit.
func (l Limits) CheckPrice(price voucher.Amount) error {
	if price.IsZero() {
		return fmt.Errorf("%w: the price is zero", channel.ErrOffer)
	}
	if l.Price.Less(price) {
		return over("Price", price, l.Price)
	}
	return nil
}

// step returns Step, or what it means if it is zero.
func (l Limits) step(price voucher.Amount) voucher.Amount { return l.Step.Max(price) }

// Budgets returns the budgets over time that a payment must fit: those of all payments, of its
// origin and of its payee, each with the longest window first. Limits that are not set are filled
// in.
func (l Limits) Budgets() (all, origin, payee [3]channel.BudgetRule) {
	most := cmp.Or(l.All.Month, l.Total, l.Deposit) // in a month
	for _, b := range [...]struct {
		rules            *[3]channel.BudgetRule
		month, day, hour string
		set              channel.Windows
	}{
		{&all, "All.Month", "All.Day", "All.Hour", l.All},
		{&origin, "Origin.Month", "Origin.Day", "Origin.Hour", l.Origin},
		{&payee, "Payee.Month", "Payee.Day", "Payee.Hour", l.Payee},
	} {
		inMonth := cmp.Or(b.set.Month, most)
		inDay := cmp.Or(b.set.Day, inMonth)
		*b.rules = [3]channel.BudgetRule{
			{Name: b.month, Length: month * time.Second, Allowed: inMonth},
			{Name: b.day, Length: day * time.Second, Allowed: inDay},
			{Name: b.hour, Length: hour * time.Second, Allowed: cmp.Or(b.set.Hour, inDay)},
		}
	}
	return all, origin, payee
}

// Within returns the limits with what the limits over time leave, for one decision. They count by
// how much the ceiling rises.
func (l Limits) Within(r channel.Room) Limits {
	l.room = &r
	return l
}

// WithinRun returns the limits with what the request's own budgets leave, for one decision. They
// count by how much [State.MayExist] rises.
func (l Limits) WithinRun(r channel.Room) Limits {
	l.run = &r
	return l
}

// checkBudgets refuses a target above what the budgets allow.
func (s *State) checkBudgets(target voucher.Amount, lim Limits) error {
	room, more := lim.room, target.SubFloor(s.authorized)
	if room == nil || !room.Left().Less(more) {
		room, more = lim.run, target.SubFloor(s.MayExist())
	}
	if room == nil || !room.Left().Less(more) {
		return nil
	}
	return &channel.LimitError{
		Limit: room.Rule.Name, Wanted: room.Used.AddCapped(more), Allowed: room.Rule.Allowed,
		Left: room.Left(),
	}
}

// Decide returns how the limits decide a request on s, without counting it. A nil s means that
// there is no channel yet.
func (l Limits) Decide(s *State, req Request) channel.Decision {
	if s == nil {
		s = &State{Confirmed: true, Deposit: l.Deposit}
	} else {
		funded := *s
		funded.Deposit = l.Deposit.Max(s.Deposit)
		s = &funded
	}
	_, _, _, err := s.Renew(Claim{}, req, l)
	var over *channel.LimitError
	switch {
	case errors.As(err, &over):
		return channel.Decision{
			Verdict: channel.Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed,
			Left: over.Left,
		}
	case err != nil:
		return channel.Decision{
			Verdict: channel.Deny, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	case !l.Ask.IsZero() && l.Ask.Less(req.Price):
		return channel.Decision{
			Verdict: channel.Ask, Rule: "Ask", Wanted: req.Price, Allowed: l.Ask, Left: l.Ask,
		}
	}
	room := l.room
	if room == nil || l.run != nil && l.run.Left().Less(room.Left()) {
		room = l.run
	}
	if room == nil {
		return channel.Decision{
			Verdict: channel.Allow, Rule: "Price", Wanted: req.Price, Allowed: l.Price,
			Left: l.Price,
		}
	}
	return channel.Decision{
		Verdict: channel.Allow, Rule: room.Rule.Name, Wanted: room.Used.AddCapped(req.Price),
		Allowed: room.Rule.Allowed, Left: room.Left(),
	}
}

// Step is what must happen before a voucher can be presented.
type Step uint8

// The steps.
const (
	Pay   Step = iota // the deposit covers it
	TopUp             // put Amount more into the channel first
	Fund              // open a channel with a deposit of Amount
)

// Plan is one step and its amount.
type Plan struct {
	Step   Step
	Amount voucher.Amount
}

// PlanPayment decides how req is paid on s; nil means that there is no channel yet. funded is what
// the session has put into channels so far. Sizes follow Limits.Fund, else the server's suggestion,
// else the bare need, and stay within Limits.Deposit and Limits.Total. The error is
// [channel.ErrLimit], [channel.ErrOffer] or [channel.ErrRaised]: nothing may be signed, and nothing
// is deposited for it.
func PlanPayment(
	s *State, req Request, suggested, funded voucher.Amount, lim Limits,
) (Plan, error) {
	if err := lim.CheckPrice(req.Price); err != nil {
		return Plan{}, err
	}
	step, size, need := Fund, req.Price, req.Price
	if s == nil {
		s = new(State)
	} else if step, size, need = TopUp, s.size(req, lim), s.need(req, lim); !s.Deposit.Less(need) {
		return Plan{Step: Pay}, nil
	}
	if !req.Elsewhere.IsZero() {
		if err := s.affords(req, size, lim); err != nil {
			return Plan{}, err
		}
	}
	short, total := need.SubFloor(s.Deposit), cmp.Or(lim.Total, lim.Deposit)
	switch {
	case lim.Deposit.Less(need):
		return Plan{}, over("Deposit", need, lim.Deposit)
	case total.Less(funded.AddCapped(short)):
		return Plan{}, over("Total", funded.AddCapped(short), total)
	}
	if err := s.checkBudgets(need, lim); err != nil {
		return Plan{}, err // nothing is deposited for what may not be paid
	}
	room := lim.Deposit.Min(s.Protocol.Max()).SubFloor(s.Deposit)
	amount := cmp.Or(lim.Fund, suggested).Max(short).Min(room).Min(total.SubFloor(funded))
	if amount.Less(short) {
		return Plan{}, fmt.Errorf("%w: %s does not fit the escrow", channel.ErrOffer, need)
	}
	return Plan{Step: step, Amount: amount}, nil
}

// size returns what req claims: its price, or what a frame of a stream counts as.
func (s State) size(req Request, lim Limits) voucher.Amount {
	if req.Floor.IsZero() {
		return req.Price
	}
	return s.piece(req.Floor, req.Price, lim)
}

// need returns the deposit that req needs.
func (s State) need(req Request, lim Limits) voucher.Amount {
	need := s.Claimed.AddCapped(s.size(req, lim))
	// What a frame of a stream requires, as far as Ahead allows it.
	need = need.Max(req.Floor.Min(need.AddCapped(lim.Ahead)))
	if !s.Signed.IsZero() && s.Signed.Less(need) {
		// The growth that the payee requires, as far as Ahead allows it.
		need = need.Max(s.Signed.AddCapped(req.MinDelta).Min(need.AddCapped(lim.Ahead)))
	}
	return need
}

// affords returns an error if a request of size, which no credit covers, cannot raise as much
// because its price was raised elsewhere.
func (s State) affords(req Request, size voucher.Amount, lim Limits) error {
	c := Claim{Price: size, Elsewhere: req.Elsewhere}
	most := s.most(c, s.reach(lim.Ahead), lim).Min(s.asked.AddCapped(c.own()).AddCapped(lim.Ahead))
	if !most.Less(s.Claimed.AddCapped(size)) {
		return nil
	}
	return fmt.Errorf("%w: %s of %s", channel.ErrRaised, req.Elsewhere, req.Price)
}
