package client

import (
	"context"
	"errors"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// scope returns the scope in which the offer is paid.
func (a *attempt) scope() channel.Scope {
	return rule.ScopeOf(a.challenge.offer, a.origin, a.s.payer, a.s.ledger.Signer())
}

// selectChannel looks up the channel that the offer is paid from: the one that the caller named, or the
// one that the scope uses. It checks the limits, and signs and funds nothing.
func (a *attempt) selectChannel(ctx context.Context) purchase.Event {
	if !a.decision.Carrying {
		a.land() // nobody waits behind an opening while the owner is asked
	}
	failed := func(err error) purchase.Event { return purchase.Event{Kind: purchase.Failed, Err: err} }
	if a.termsErr != nil {
		return failed(a.termsErr)
	}
	e := purchase.Event{Kind: purchase.Selected, Recent: a.paidTwice()}
	if e.Err = rule.Of(a.terms.Limits).CheckPrice(a.decision.Total); e.Err != nil {
		return e
	}
	account, named, err := a.lookup(ctx)
	if err != nil {
		return failed(err)
	}
	a.use(ctx, account)
	if e.Named = named; account == nil {
		e.Err = a.affords(ctx, nil)
		return e
	}
	a.absorb(ctx, a.challenge.offer)
	state := a.without()
	e.Channel, e.Standing = account.ID(), standingOf(state)
	if e.Standing == purchase.Usable {
		e.Headroom = state.Authorized().SubFloor(state.Claimed)
		e.Err = a.affords(ctx, &state)
	} else if e.Standing != purchase.Pending {
		e.Err = a.affords(ctx, nil)
	}
	return e
}

// lookup returns the channel of the offer, nil if there is none, and whether the caller named it.
func (a *attempt) lookup(ctx context.Context) (account *ledger.Account, named bool, err error) {
	if id, ok := channelFrom(ctx); ok {
		account, err = a.s.named(ctx, id, a.scope(), placeOf(a.out.req.URL))
		return account, true, err
	}
	account, err = a.s.ledger.Lookup(ctx, a.scope())
	return account, false, err
}

// use makes account the channel that pays. What the request has reserved on the one before is
// released: nothing was charged there. If the request comes back, it goes on with that.
func (a *attempt) use(ctx context.Context, account *ledger.Account) {
	if a.account == account {
		return
	}
	if a.account != nil {
		if r := a.reservation(); r != nil {
			r.Release()
		}
		outcome := OutcomeRefused
		if a.decision.Sent {
			outcome = OutcomeRejected
		}
		a.record(ctx, journal.KindPay, outcome, a.status(), nil)
	}
	a.account = account
}

// reservation returns what the request has reserved on the channel that pays, nil if nothing.
func (a *attempt) reservation() *ledger.Reservation {
	if a.account == nil {
		return nil
	}
	return a.reservations[a.account.ID()]
}

// without returns the channel as it would be without what this request has reserved.
func (a *attempt) without() rule.State {
	if r := a.reservation(); r != nil {
		return r.Without()
	}
	return a.account.State()
}

func (a *attempt) status() int {
	if a.resp == nil {
		return 0
	}
	return a.resp.StatusCode
}

// standingOf returns what a channel is good for.
func standingOf(s rule.State) purchase.Standing {
	switch {
	case s.Phase() == channel.Closed, s.Phase() == channel.Unopened:
		return purchase.Dead
	case !s.Payable():
		return purchase.Aside
	case s.Phase() == channel.Opening:
		return purchase.Pending
	}
	return purchase.Usable
}

// affords checks the offer against the limits, the budgets over time and the caller's budget, so that
// nobody is asked about a price that is refused anyway. state is nil if a channel has to be opened.
func (a *attempt) affords(ctx context.Context, state *rule.State) error {
	room, err := a.s.ledger.Rooms(ctx, a.terms, a.scope())
	if err != nil {
		return err
	}
	o := a.challenge.offer
	lim := rule.Of(a.terms.Limits).Within(room.Tightest())
	if _, err := rule.PlanPayment(state, request(o), o.Suggested, voucher.Amount{}, lim); err != nil {
		return err
	}
	d := lim.Decide(state, request(o))
	if d.Verdict == channel.Deny {
		return &channel.LimitError{Limit: d.Rule, Wanted: d.Wanted, Allowed: d.Allowed, Left: d.Left}
	}
	if a.reservation() != nil {
		return nil // the budget counts its price already; the gate decides about a higher one
	}
	return a.charge.Affords(o.Terms().Asset(), o.Price)
}

// search looks for a channel that the payee can name and that is ours.
func (a *attempt) search(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Searched}
	found := a.find(ctx, a.account)
	if found == nil {
		return e
	}
	a.use(ctx, found)
	a.absorb(ctx, a.challenge.offer)
	e.Channel, e.Standing = found.ID(), standingOf(found.State())
	return e
}

// absorb books what a challenge says of the channel that pays: a report, which can only lower what is
// signed next, and a voucher with our own signature, which proves that we signed it (this is how a
// store that was restored from a backup learns of it). It reports whether the voucher proves more than
// was authorized.
func (a *attempt) absorb(ctx context.Context, o channel.Offer) (rose bool) {
	if o.Snapshot == nil || o.Snapshot.ChannelID != a.account.ID() {
		return false
	}
	return a.s.absorb(ctx, a.account, a.reservation(), *o.Snapshot)
}

// issue lets the gate decide the price and keeps the voucher to present.
func (a *attempt) issue(ctx context.Context, do purchase.Action) purchase.Event {
	req := request(a.challenge.offer)
	req.Elsewhere = do.Elsewhere
	a.price, a.presented = req.Price, voucher.Amount{}
	a.info.Operation = a.out.operation()
	r := a.reservation()
	if r != nil && do.Anew {
		r.Release()
		a.record(ctx, journal.KindPay, OutcomeRejected, a.status(), nil)
		r = nil
	}
	var err error
	if r == nil {
		r, a.signed, err = a.account.Reserve(ctx, a.terms, req)
		a.reservations[a.account.ID()] = r
	} else {
		a.signed, err = r.Decide(ctx, req)
	}
	return a.decided(r, err)
}

// again lets the gate decide what else may be presented for the same price.
func (a *attempt) again(ctx context.Context) purchase.Event {
	a.presented = a.signed.Cumulative
	r := a.reservation()
	signed, err := r.Again(ctx, a.presented)
	if err == nil {
		a.signed = signed
	}
	return a.decided(r, err)
}

// decided returns the gate's answer.
func (a *attempt) decided(r *ledger.Reservation, err error) purchase.Event {
	e := purchase.Event{Kind: purchase.Issued, Err: err, Raised: r.Raised()}
	if err == nil {
		return e
	}
	e.Kind = purchase.Denied
	e.Alone, e.Shared = r.Alone(), a.account.Shared()
	e.Highest = !a.signed.Cumulative.Less(a.account.State().Signed)
	switch {
	case errors.Is(err, channel.ErrLimit):
		e.Denial = purchase.DeniedLimit
	case errors.Is(err, channel.ErrDeposit):
		e.Denial = purchase.DeniedDeposit
	case errors.Is(err, channel.ErrNotPayable):
		e.Denial = purchase.DeniedClosed
	case errors.Is(err, channel.ErrSpent):
		e.Denial = purchase.DeniedSpent
	case errors.Is(err, channel.ErrRaised):
		e.Denial = purchase.DeniedRaised
	default:
		e.Denial = purchase.DeniedOther
	}
	return e
}
