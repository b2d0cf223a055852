package ledger

import (
	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Answers overtake each other, so the word that an answer brings may be older than the newest. A payee whose
// words are running totals has then counted the answered claim in the newest word too, because what it charged by
// the older word it had charged by the newer one. So the claim is no longer one that the newest word may have
// missed, and the newest word is looked at once more without it.
//
// That holds for a claim that was in flight when the newest word came. One that was made later and is answered
// with an older word shows that the words are no running totals: it frees nothing.

// Settle ends the claim with the word that its answer brought, in one step: a word is complete for its own claim
// only, so no other may be looked at in between. The error is a [*channel.ViolationError]; it costs the
// caller nothing.
func (c *Claim) Settle(w channel.Word) error {
	a := c.account
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	a.owe(c)
	older := w.Spent.Less(a.state.Spent)
	if was := a.drop(c); was && older && c.since == a.newest {
		a.loose = a.loose.AddCapped(c.c.Price)
	}
	if err := a.reconcile(w); err != nil || !older {
		return err
	}
	var err error
	newest := channel.Word{Accepted: a.state.Accepted, Spent: a.state.Spent, Units: a.state.Units}
	a.state, err = a.state.Reconcile(newest, a.inFlight().AddCapped(a.loose))
	return err
}

// Reconcile books the server's word while claims are in flight. The error is a [*channel.ViolationError]; it
// costs the caller nothing.
func (a *Account) Reconcile(w channel.Word) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	return a.reconcile(w)
}

// reconcile books a word against the claims that it may not have counted. The caller holds mu.
func (a *Account) reconcile(w channel.Word) (err error) {
	newest := !w.Spent.Less(a.state.Spent)
	if a.state, err = a.state.Reconcile(w, a.inFlight()); err == nil && newest {
		a.newest++
		a.loose = voucher.Amount{}
	}
	return err
}

// inFlight is the sum of the claims that still wait for their answers. The caller holds mu.
func (a *Account) inFlight() (sum voucher.Amount) {
	if a.shared {
		return voucher.MaxAmount
	}
	for c := range a.claims {
		sum = sum.AddCapped(c.c.Price)
	}
	return sum
}
