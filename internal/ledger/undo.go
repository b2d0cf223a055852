package ledger

import (
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// dropAll takes back what was counted for the decisions that are being served. The caller holds mu.
func (a *Account) dropAll() {
	for _, d := range a.serving {
		a.drop(d)
	}
	if a.fresh != nil {
		a.unsent, a.fresh = a.fresh.below, nil
	}
}

// drop takes back what was counted for a decision that nothing was signed for. A ceiling that is
// stored already stays. The caller holds mu.
func (a *Account) drop(d *decision) {
	if d.decided {
		a.unclaim(d)
		back := d.counted
		back.Claimed, back.Released, back.Freed = voucher.Amount{}, voucher.Amount{}, voucher.Amount{}
		a.takeBack(back)
		if d.stored {
			a.count(rule.Counts{Unsigned: d.rise.By})
		}
		claim := &d.reservation.claim
		claim.Elsewhere = d.before.Elsewhere
		claim.Asked = claim.Asked.AddCapped(d.before.Asked).SubFloor(d.after.Asked)
		claim.Raised = claim.Raised.AddCapped(d.before.Raised).SubFloor(d.after.Raised)
		d.terms.Charge.undo(d.charged)
	}
	d.decided, d.stored = false, false
}

// abandon takes the price of a decision back whose voucher nobody will present. What it asked for
// counts if the voucher comes to be all the same, and what its budgets count stays. The caller
// holds mu.
func (a *Account) abandon(d *decision) {
	d.abandoned = true
	if d.decided {
		a.unclaim(d)
	}
}

// unclaim takes back what a decision counted as claimed, unless that was done. The caller holds mu.
func (a *Account) unclaim(d *decision) {
	r := d.reservation
	a.takeBack(rule.Counts{Claimed: d.counted.Claimed, Released: d.counted.Released})
	was := r.held()
	r.claim.Price = r.claim.Price.AddCapped(d.before.Price).SubFloor(d.after.Price)
	// Pieces that came since may have used up the lead that is taken back. They count again later.
	lead := r.claim.Lead.AddCapped(d.before.Lead)
	r.claim.Price = r.claim.Price.SubFloor(d.after.Lead.SubFloor(lead))
	r.claim.Lead = lead.SubFloor(d.after.Lead)
	if d.opened {
		r.open = false
		delete(a.open, r)
		a.kept = a.kept.AddCapped(r.claim.Price) // pieces that came since
	}
	d.terms.Charge.moved(was, r.claim.Price)
	d.counted.Claimed, d.counted.Released = voucher.Amount{}, voucher.Amount{}
	d.after.Price, d.after.Lead, d.opened = d.before.Price, d.before.Lead, false
}

// takeBack counts the opposite of what was counted. The caller holds mu.
func (a *Account) takeBack(c rule.Counts) {
	c = c.Inverse()
	c.Released = c.Released.Min(a.view.Claimed.AddCapped(c.Claimed))
	c.Withdrawn = c.Withdrawn.Min(a.view.Asked().AddCapped(c.Asked))
	a.count(c)
}

// leave takes a decision back whose caller gives up. It returns false if the decision is final
// already.
func (a *Account) leave(d *decision) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i := slices.Index(a.waiting, d); i >= 0 {
		if a.waiting = slices.Delete(a.waiting, i, i+1); len(a.waiting) == 0 {
			a.pace.since = time.Time{}
		}
		return true
	}
	select {
	case <-d.served:
		return d.retry
	default:
		a.abandon(d)
		return true
	}
}
