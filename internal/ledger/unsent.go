package ledger

import (
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// unsent is a voucher that is higher than all that left before it, and that may never have left
// itself. What it raised is given back to the budgets if all who were given it, or one that covers
// it, end without having sent anything. One voucher stands for a whole batch of decisions.
//
// An account keeps them in a list, the highest first: each covers those below it, so only the first
// can be given back. What was given back is the account's spare: the voucher exists in memory, and
// whoever presents it, or another one above what left, is charged anew. The guard is the account's
// mu.
type unsent struct {
	from, to voucher.Amount // the highest voucher that left or may leave, before and with it
	rises    []rise         // what budgets count for it
	// held are the charges of those who were given it and may have sent it; nil stands for those
	// without a charge.
	held  map[*Charge]struct{}
	below *unsent
}

// rise is by how much one charge has raised what the payee can take.
type rise struct {
	charge *Charge
	by     voucher.Amount
}

// hold notes that the decisions are given a voucher of due. It is a new one if it is above level,
// up to which vouchers left or may leave. The caller holds mu.
func (a *Account) hold(level, due voucher.Amount, given ...*decision) {
	for u := &a.unsent; *u != nil; u = &(*u).below {
		if (*u).left() {
			*u = nil // and what it covers
			break
		}
	}
	if level.Less(due) {
		a.fresh = &unsent{from: level, to: due, held: map[*Charge]struct{}{}, below: a.unsent}
		a.unsent = a.fresh
		for _, d := range given {
			if !d.charged.rises.IsZero() {
				a.fresh.rises = append(a.fresh.rises, rise{d.terms.Charge, d.charged.rises})
			}
		}
	}
	u := a.unsent
	for u != nil && !u.from.Less(due) {
		u = u.below
	}
	if u == nil {
		return
	}
	for _, d := range given {
		u.held[d.terms.Charge] = struct{}{}
	}
}

// left reports whether it, or a voucher that covers it, is known to have left, or would not be
// known.
func (u *unsent) left() bool {
	for c := range u.held {
		if c == nil || c.sent.Load() {
			return true
		}
	}
	return false
}

// unhold notes that a charge has sent nothing, and sends nothing that it was given so far.
func (a *Account) unhold(c *Charge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for u := a.unsent; u != nil; u = u.below {
		delete(u.held, c)
	}
	a.giveBack()
}

// giveBack gives back what nobody can have sent any more. If another session uses the channel too
// nothing is given back: it may present what is on record. The caller holds mu.
func (a *Account) giveBack() {
	for u := a.unsent; u != nil && u != a.fresh && len(u.held) == 0; u = u.below {
		dead := ended(time.Now().Unix())
		a.shared = a.shared || slices.ContainsFunc(a.view.Writers, func(w rule.Writer) bool {
			return w.Name != a.ledger.name && !dead(w)
		})
		if a.shared {
			return
		}
		for _, r := range u.rises {
			r.charge.undo(taken{rises: r.by})
		}
		a.spare = a.spare.AddCapped(u.to.SubFloor(u.from))
		a.unsent = u.below
	}
}

// proved notes what the record s, which takes the place of base, proves to have left: a voucher of
// ours that this session did not sign, and what was settled on chain. The caller holds mu.
func (a *Account) proved(s *rule.State) {
	left := s.Settled
	if a.view.Signed.Less(s.Signed) {
		left = left.Max(s.Signed)
	}
	for u := a.unsent; u != nil; u = u.below {
		if u.from.Less(left) {
			u.held[nil] = struct{}{}
		}
	}
	a.spare = a.spare.Min(s.MayExist().SubFloor(left))
}

// without returns s as if the signer had refused spare, the highest part of what may exist.
func without(spare voucher.Amount, s rule.State) rule.State {
	s.Signed = s.Signed.Min(s.MayExist().SubFloor(spare))
	return s.Fold(rule.Additions{Counts: rule.Counts{Unsigned: spare}})
}

// with returns s, which was decided on without some of what may exist, with all that before had.
func with(s rule.State, before *rule.State) rule.State {
	used := rule.Counts{Used: before.MayExist().SubFloor(s.MayExist())}
	return s.Fold(rule.Additions{Counts: used, Signed: before.Signed, Voucher: before.Voucher})
}
