package ledger

import (
	"context"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
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
func (c *Claim) Settle(ctx context.Context, w channel.Report) error {
	a := c.account
	if !a.known(ctx, w) {
		c.Keep()
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	a.owe(c)
	older := w.Spent.Less(a.state.Spent)
	if was := a.drop(c); was && older && c.since == a.newest {
		a.kept = a.kept.AddCapped(c.c.Price)
	}
	if err := a.reconcile(c, w); err != nil || !older {
		return err
	}
	a.again()
	return nil
}

// Reconcile books the server's word while claims are in flight. It came on an answer to c, which goes on; nil where
// that is not known. The error is a [*channel.ViolationError]; it costs the caller nothing.
func (a *Account) Reconcile(ctx context.Context, c *Claim, w channel.Report) error {
	if !a.known(ctx, w) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.countDelivered()
	return a.reconcile(c, w)
}

// reconcile books a word against the claims that it may not have counted. The caller holds mu.
func (a *Account) reconcile(c *Claim, w channel.Report) (err error) {
	newest := !w.Spent.Less(a.state.Spent)
	if newest {
		if c != nil && c.account == a {
			a.cleared = a.cleared.Max(c.after) // it was sent when the answers of these were given up already
		}
		a.state = a.state.Ended(ended(time.Now().Unix()))
	}
	if a.state, err = a.state.Reconcile(w, a.inFlight()); err == nil && newest {
		a.newest++
	}
	return err
}

// again looks at the newest word once more, now that fewer claims are in flight or more is known of those of other
// sessions. Before the first word of a session nobody knows what the record's may have missed. The caller holds mu.
func (a *Account) again() {
	if a.newest == 0 {
		return
	}
	newest := channel.Report{Accepted: a.state.Accepted, Spent: a.state.Spent, Units: a.state.Units}
	if next, err := a.state.Reconcile(newest, a.inFlight()); err == nil {
		a.state = next
	}
}

// known makes sure that a word which tells of a voucher above our own ceiling is looked at with what other sessions
// have signed since. It is false where the record cannot be read now; the word then counts for nothing.
func (a *Account) known(ctx context.Context, w channel.Report) bool {
	unknown := func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.stale = a.stale || a.state.Authorized().Less(w.Accepted)
		return a.state.Authorized().Less(w.Accepted)
	}
	if !unknown() {
		return true
	}
	if a.take(ctx) != nil {
		return false
	}
	defer a.give()
	return !unknown() || a.refresh(ctx) == nil
}

// inFlight is the sum of the claims that a word may have missed, here and in the sessions that share the record. The
// caller holds mu.
func (a *Account) inFlight() voucher.Amount {
	return a.own().AddCapped(a.state.Pending(a.ledger.name))
}

// own is the sum of this session's claims that still wait for their answers, or will never have one. The caller
// holds mu.
func (a *Account) own() voucher.Amount {
	sum := a.kept.SubFloor(a.cleared)
	for c := range a.claims {
		sum = sum.AddCapped(c.c.Price)
	}
	return sum
}

// Shared reports whether other sessions had asks in flight when the record was last read.
func (a *Account) Shared() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.state.Pending(a.ledger.name).IsZero()
}

// stamped is a state as this session writes it, with what it has in flight. The caller holds mu since it took the
// state.
func (a *Account) stamped(s rule.State) rule.State {
	now := time.Now().Unix()
	s.Writer = a.ledger.name
	return s.Folded(ended(now)).InFlight(a.ledger.name, a.own(), now)
}
