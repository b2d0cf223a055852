package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// selectChannel looks up the channel that the offer is paid from: the one that the caller named, or the
// one that the scope uses. It checks the limits, and signs and funds nothing.
func (a *attempt) selectChannel(ctx context.Context) purchase.Event {
	if a.opening != nil && !a.decision.Carrying {
		a.land() // nobody waits behind an opening while the owner is asked
	}
	o := a.challenge.offer
	if a.terms.Limits.Currency = o.Currency; a.held {
		a.terms.Limits, a.termsErr = a.s.limits(ctx, a.origin.Text, o.Currency)
	}
	if a.termsErr != nil {
		return purchase.Event{Kind: purchase.Failed, Err: a.termsErr}
	}
	e := purchase.Event{Kind: purchase.Selected, Named: a.route.channel != zeroHash}
	if a.s.twice.any.Load() {
		e.Recent = a.paidTwice()
	}
	e.Nameable = a.challenge.names || a.s.cfg.Bootstrap || a.who != nil
	if e.Err = (rule.Limits{Limits: a.terms.Limits}).CheckPrice(a.decision.Total); e.Err != nil {
		return e
	}
	var account *ledger.Account
	var err error
	if e.Named {
		account, err = a.s.named(ctx, a.route.channel, a.challenge, placeOf(a.out.at))
	} else {
		account, err = a.s.ledger.Lookup(ctx, a.challenge.scope)
	}
	if err != nil {
		return purchase.Event{Kind: purchase.Failed, Err: err}
	}
	if account != a.account {
		a.use(ctx, account)
	}
	var usable *rule.State // nil if a channel has to be opened
	if account != nil {
		a.absorb(ctx, o)
		state := a.without()
		e.Channel, e.Standing = state.ID, a.standing(state)
		switch e.Standing {
		case purchase.Usable:
			usable, e.Headroom = &state, state.Authorized().SubFloor(state.Claimed)
		case purchase.Pending: // its deposit was planned
			return e
		}
	}
	e.Err = a.affords(ctx, usable)
	return e
}

// use makes account the channel that pays. What the request has reserved on the one before is
// released: nothing was charged there. If the request comes back, it goes on with that.
func (a *attempt) use(ctx context.Context, account *ledger.Account) {
	if a.account != nil {
		if a.reserved != nil {
			a.reserved.Release()
			a.leave()
		}
		outcome := OutcomeRefused
		if a.decision.Sent {
			outcome = OutcomeRejected
		}
		if a.s.cfg.Journal != nil {
			a.record(ctx, journal.KindPay, outcome, nil)
			a.noteWritten()
		}
	}
	a.account, a.reserved = account, nil
	if account != nil {
		state := account.State()
		a.s.used.Store(state.ID, true)
		a.reserved, a.carried = a.left[state.ID], state.Opening.Raw
	}
}

// leave keeps the reservation for when the request comes back to its channel.
func (a *attempt) leave() {
	if a.left == nil {
		a.left = map[common.Hash]*ledger.Reservation{}
	}
	a.left[a.account.ID()] = a.reserved
}

// without returns the channel as it would be without what this request has reserved.
func (a *attempt) without() rule.State {
	if a.reserved != nil {
		return a.reserved.Without()
	}
	return a.account.State()
}

// standing returns what a channel is good for to this request. One that is not seen has to be replaced
// within the limits if the chain was read for this request and does not show that it was opened, or if its
// deposit, which cannot be topped up, is too small.
func (a *attempt) standing(s rule.State) purchase.Standing {
	if s.Phase() == channel.NotSeen {
		short := s.Deposit.Less(s.Claimed.AddCapped(a.challenge.request.Price))
		if s.ID == a.missed || short && !s.Lapsed() {
			return purchase.Aside
		}
	}
	return standingOf(s)
}

// standingOf returns what a channel is good for. An opening that was missed is read again before another
// channel is opened in its place.
func standingOf(s rule.State) purchase.Standing {
	switch {
	case s.Phase() == channel.Closed, s.Phase() == channel.Unopened:
		return purchase.Dead
	case s.Gone:
		return purchase.Aside
	case s.Lapsed():
		return purchase.Pending
	case !s.Payable():
		return purchase.Absent // we are closing it
	case s.Phase() == channel.Opening:
		return purchase.Pending
	}
	return purchase.Usable
}

// affords checks the offer against the limits, the budgets over time and the caller's budget, so that
// nobody is asked about a price that is refused anyway. state is nil if a channel has to be opened.
func (a *attempt) affords(ctx context.Context, state *rule.State) error {
	if a.decision.Paid || a.decision.Retried && a.reserved != nil {
		return nil // its price counts already; the gate decides about more
	}
	lim, err := a.s.ledger.Limited(ctx, ledger.Terms{Limits: a.terms.Limits, Origin: a.terms.Origin}, a.challenge.scope, a.challenge.offer.Price)
	if err != nil {
		return err
	}
	req := a.challenge.request
	if _, err := rule.PlanPayment(state, req, rule.Wish{}, voucher.Amount{}, lim); err != nil {
		return err
	}
	if state != nil { // without one, the plan is all that there is to decide
		if d := lim.Decide(state, req); d.Verdict == channel.Deny {
			return &channel.LimitError{Limit: d.Rule, Wanted: d.Wanted, Allowed: d.Allowed, Left: d.Left, Currency: d.Currency}
		}
	}
	if a.charge == nil || a.reserved != nil {
		return nil // a budget counts its price already; the gate decides about a higher one
	}
	return a.charge.Affords(a.challenge.offer.Currency.Asset, req.Price)
}

// absorb books what a challenge says of the channel that pays: a report, which can only lower what is
// signed next, and a voucher with our own signature, which proves that we signed it (this is how a
// store that was restored from a backup learns of it). It reports whether the voucher proves more than
// was authorized.
func (a *attempt) absorb(ctx context.Context, o channel.Offer) (rose bool) {
	if o.Snapshot == nil || o.Snapshot.ChannelID != a.account.ID() {
		return false
	}
	return a.s.absorb(ctx, a.account, a.reserved, *o.Snapshot)
}

// issue lets the gate decide the price and keeps the voucher to present.
func (a *attempt) issue(ctx context.Context, do purchase.Action) purchase.Event {
	req := a.challenge.request
	req.Elsewhere = do.Elsewhere
	a.price, a.presented = req.Price, voucher.Amount{}
	if a.out.key == "" {
		var name [16]byte
		_, _ = rand.Read(name[:]) // never fails
		own, _ := valuesOf(a.out.req.Header, "Idempotency-Key")
		a.out.key = cmp.Or(cmp.Or(own...), hex.EncodeToString(name[:]))
	}
	a.info.Operation = a.out.key
	if a.reserved != nil && do.Anew {
		a.reserved.Release()
		a.record(ctx, journal.KindPay, OutcomeRejected, nil)
		a.reserved = nil
	}
	var err error
	switch {
	case do.Present:
		return a.present(ctx)
	case a.reserved == nil:
		a.reserved, a.signed, err = a.account.Reserve(ctx, a.terms, req)
	case a.decision.Retried:
		a.reserved.Under(a.terms)
		a.signed, err = a.reserved.Retry(ctx, req)
	default:
		a.reserved.Under(a.terms)
		a.signed, err = a.reserved.Decide(ctx, req)
	}
	if err == nil {
		return purchase.Event{Kind: purchase.Issued, Raised: a.reserved.Raised()}
	}
	return a.denied(err)
}

// again lets the gate decide what else may be presented for the same price.
func (a *attempt) again(ctx context.Context, do purchase.Action) purchase.Event {
	if do.Present {
		return a.present(ctx)
	}
	a.presented = a.signed.Cumulative
	signed, err := a.reserved.Again(ctx, a.presented)
	if err != nil {
		return a.denied(err)
	}
	a.signed = signed
	return purchase.Event{
		Kind: purchase.Issued, Raised: a.reserved.Raised(), Higher: a.presented.Less(signed.Cumulative),
	}
}
