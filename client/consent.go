package client

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// consent asks the policy, and the owner about a sum above Limits.Ask, redirects included. The limits and
// the budgets were checked before: nobody is asked about a price that is refused anyway.
func (a *attempt) consent(ctx context.Context) purchase.Event {
	e := purchase.Event{Kind: purchase.Consented}
	a.mayFund = false
	funding := a.account == nil
	if !funding {
		funding, e.Err = a.needsFunding()
	}
	if e.Err == nil {
		e.Err = a.askPolicy(ctx, funding)
	}
	sum, lim := a.decision.Total, a.terms.Limits
	if e.Err == nil && !lim.Ask.IsZero() && lim.Ask.Less(sum) {
		e.Err = a.approve(ctx, sum)
	}
	if e.Err == nil && ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Expired = rule.Live(a.challenge.offer, time.Now().Add(a.challenge.skew)) != nil
	return e
}

// askPolicy asks the policy about the offer, and about funding a channel for it. It does not ask again
// about funding that the policy agreed to.
func (a *attempt) askPolicy(ctx context.Context, funding bool) error {
	if a.mayFund {
		return nil
	}
	a.asked = Proposal{
		Origin: a.origin.Text, Route: a.route.method + " " + a.route.path,
		Offer: a.challenge.offer, Terms: a.challenge.wants.Terms, Funding: funding,
	}
	if err := a.s.cfg.Policy(ctx, a.asked); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	a.mayFund = funding
	return nil
}

// approve asks the owner about a sum.
func (a *attempt) approve(ctx context.Context, sum voucher.Amount) error {
	lim := a.terms.Limits
	if a.s.cfg.Approve == nil {
		return &channel.LimitError{Limit: "Ask", Wanted: sum, Allowed: lim.Ask, Left: lim.Ask}
	}
	rooms, err := a.s.ledger.Rooms(ctx, a.terms, a.challenge.scope)
	if err != nil {
		return err
	}
	left := voucher.MaxAmount
	for _, room := range rooms {
		left = left.Min(room.Left())
	}
	budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
	for _, budget := range budgets {
		left = left.Min(budget.Left())
	}
	q := Quote{Proposal: a.asked, Decision: channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: sum, Allowed: lim.Ask, Left: left}}
	if err := a.s.cfg.Approve(ctx, q); err != nil {
		return fmt.Errorf("%w: not approved: %w", ErrPolicy, err)
	}
	return nil
}

// needsFunding reports whether the offer can only be paid once a channel is opened or topped up, as far
// as is known now.
func (a *attempt) needsFunding() (bool, error) {
	state := a.without()
	switch standingOf(state) {
	case purchase.Usable:
		plan, err := rule.PlanPayment(&state, a.challenge.request, voucher.Amount{}, voucher.Amount{}, rule.Of(a.terms.Limits))
		return plan.Step != rule.Pay, err
	case purchase.Pending:
		return false, nil
	}
	return true, nil
}
