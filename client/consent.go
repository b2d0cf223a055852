package client

import (
	"context"
	"fmt"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// consent asks the policy, and the owner about a sum above Limits.Ask. The limits and the budgets were
// checked before: nobody is asked about a price that is refused anyway.
func (a *attempt) consent(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Consented}
	a.mayFund = false
	funding, err := a.needsFunding()
	if err == nil {
		err = a.askPolicy(ctx, funding)
	}
	if err != nil {
		e.Err = err
		return e
	}
	if e.Err = a.approve(ctx, a.proposal(funding)); e.Err == nil && ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Expired = !a.challenge.live(0)
	return e
}

// approve asks the owner if the sum that the request would cost, redirects included, is above
// Limits.Ask.
func (a *attempt) approve(ctx context.Context, p Proposal) error {
	lim, sum := a.terms.Limits, a.decision.Total
	if lim.Ask.IsZero() || !lim.Ask.Less(sum) {
		return nil
	}
	if a.s.cfg.Approve == nil {
		return &channel.LimitError{Limit: "Ask", Wanted: sum, Allowed: lim.Ask, Left: lim.Ask}
	}
	rooms, err := a.s.ledger.Rooms(ctx, a.terms, a.scope())
	if err != nil {
		return err
	}
	left := rooms.Tightest().Left()
	for _, budget := range budgetsOf(ctx) {
		left = left.Min(budget.Left())
	}
	q := Quote{Proposal: p, Decision: channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: sum, Allowed: lim.Ask, Left: left}}
	if err := a.s.cfg.Approve(ctx, q); err != nil {
		return fmt.Errorf("%w: not approved: %w", ErrPolicy, err)
	}
	return nil
}

func (a *attempt) proposal(funding bool) Proposal {
	o := a.challenge.offer
	return Proposal{Origin: a.origin, Route: a.route.String(), Offer: o, Terms: o.Terms(), Funding: funding}
}

// askPolicy asks the policy about the offer, and about funding a channel for it.
func (a *attempt) askPolicy(ctx context.Context, funding bool) error {
	if err := a.s.cfg.Policy(ctx, a.proposal(funding)); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	a.mayFund = funding
	return nil
}

// allowFunding asks the policy about funding a channel, unless it agreed to that with the offer.
func (a *attempt) allowFunding(ctx context.Context) error {
	if a.mayFund {
		return nil
	}
	return a.askPolicy(ctx, true)
}

// needsFunding reports whether the offer can only be paid once a channel is opened or topped up, as far
// as is known now.
func (a *attempt) needsFunding() (bool, error) {
	if a.account == nil {
		return true, nil
	}
	state := a.without()
	switch standingOf(state) {
	case purchase.Usable:
		plan, err := rule.PlanPayment(&state, request(a.challenge.offer), voucher.Amount{}, voucher.Amount{}, rule.Of(a.terms.Limits))
		return plan.Step != rule.Pay, err
	case purchase.Pending:
		return false, nil
	}
	return true, nil
}
