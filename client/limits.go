package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

type (
	limitsKey struct{}
	runKey    struct{}
)

// WithLimits returns a context whose requests are held to other limits: every field of lim that is not zero takes the
// place of the session's. A context may lower a limit freely. Where it is above, the request fails with a
// [channel.LimitError] before anything is signed, unless Config.Raise allows as much. Of contexts within
// each other, the inner one can only lower what the outer one set.
func WithLimits(ctx context.Context, lim channel.Limits) context.Context {
	outer, _ := ctx.Value(limitsKey{}).([]channel.Limits)
	return context.WithValue(ctx, limitsKey{}, append(outer[:len(outer):len(outer)], lim))
}

// WithBudget returns a context whose requests together may cost amount base units at most: one run of an agent, one
// job. It counts what their payees could take, and gives back what never left. A request that does not fit fails with a [channel.LimitError] about
// [channel.LimitBudget]; nothing is signed for it. A budget within another spends both. The budget is in memory and is
// counted from zero each time this is called.
func WithBudget(ctx context.Context, amount voucher.Amount) context.Context {
	outer, _ := ctx.Value(runKey{}).(*ledger.Budget)
	return context.WithValue(ctx, runKey{}, ledger.NewBudget(channel.Asset{}, amount, outer))
}

// BudgetLeft is what the budget of [WithBudget] leaves, in base units; ok is false where the context has none.
func BudgetLeft(ctx context.Context) (left voucher.Amount, ok bool) {
	run, ok := ctx.Value(runKey{}).(*ledger.Budget)
	if !ok {
		return left, false
	}
	return run.Left(), true
}

// terms are what a request to an origin is held to: the limits of the config, those of the origin in their place, and
// those of the context within what the owner allows.
func (s *Session) terms(ctx context.Context, origin string) (ledger.Terms, error) {
	lim := rule.Of(s.cfg.Limits)
	var err error
	if own, ok := s.cfg.Origins[origin]; ok {
		if lim, err = lim.Override(own, own); err != nil {
			return ledger.Terms{}, err
		}
	}
	most := s.cfg.Raise
	outer, _ := ctx.Value(limitsKey{}).([]channel.Limits)
	for _, own := range outer {
		if lim, err = lim.Override(own, most); err != nil {
			return ledger.Terms{}, err
		}
		most = channel.Limits{}
	}
	t := ledger.Terms{Limits: lim.Limits, Origin: origin}
	if run, ok := ctx.Value(runKey{}).(*ledger.Budget); ok {
		t.Charge = ledger.NewCharge(run)
	}
	return t, nil
}

// Approval is what Config.Approve is asked about.
type Approval struct {
	Proposal
	// Decision says why it is asked: the rule, what is wanted, and in Left what the tightest budget leaves.
	Decision channel.Decision
}

// Quote is what a request would cost, and what the limits make of it.
type Quote struct {
	Proposal
	Decision channel.Decision
}

// Quote sends a request unpaid and returns what it would cost and what the limits would make of that, without
// asking the policy and without signing anything. A nil Quote is an answer that asks for no payment that this session
// can make; its status then says more than its body, which is dropped. The request's body is sent, too.
func (s *Session) Quote(req *http.Request) (*Quote, int, error) {
	ctx := req.Context()
	origin, err := originOf(req.URL)
	if err != nil {
		return nil, 0, err
	}
	out, err := fork(req, s.cfg.Base, s.cfg.Spool)
	if err != nil {
		return nil, 0, err
	}
	status, h, err := out.look(ctx, s.hint(origin))
	if err != nil || status != http.StatusPaymentRequired {
		return nil, status, err
	}
	k, err := s.recognize(req, h)
	if k == nil || err != nil {
		return nil, status, err
	}
	if err := s.place(ctx, req.URL, &k.offer); err != nil {
		return nil, status, err
	}
	terms, err := s.terms(ctx, origin)
	if err != nil {
		return nil, status, err
	}
	d, err := s.decide(ctx, terms, origin, k.offer)
	if err != nil {
		return nil, status, err
	}
	return &Quote{Proposal{Origin: origin, Route: routeOf(origin, req).String(), Offer: k.offer, Terms: k.offer.Terms()}, d}, status, nil
}

// decide says what the limits make of an offer, on the channel that would pay for it.
func (s *Session) decide(ctx context.Context, terms ledger.Terms, origin string, o channel.Offer) (channel.Decision, error) {
	scope := rule.ScopeOf(o, origin, s.payer, s.ledger.Signer())
	lim, err := s.ledger.Limited(ctx, terms, scope)
	if err != nil {
		return channel.Decision{}, err
	}
	account, err := s.ledger.Lookup(ctx, scope)
	if err != nil || account == nil || !account.State().Payable() {
		return lim.Decide(nil, ask(o)), err
	}
	state := account.State()
	return lim.Decide(&state, ask(o)), nil
}

// Budgets are what the limits over time, those of the context included, leave for all payments of the store together: a
// month, a day, an hour. The error is a [channel.LimitError] where the context asks for more than it may, or the store's.
func (s *Session) Budgets(ctx context.Context) ([]channel.Room, error) {
	terms, err := s.terms(ctx, "")
	if err != nil {
		return nil, err
	}
	rooms, err := s.ledger.Rooms(ctx, terms, channel.Scope{})
	return rooms[:3], err
}

// approve asks the owner about a price above Limits.Ask, once a request and price.
func (p *payment) approve(ctx context.Context, o channel.Offer) error {
	lim := p.terms.Limits
	if lim.Ask.IsZero() || !lim.Ask.Less(o.Price) || !p.approved.Less(o.Price) {
		return nil
	}
	d := channel.Decision{Verdict: channel.Ask, Rule: "Ask", Wanted: o.Price, Allowed: lim.Ask}
	if p.s.cfg.Approve == nil {
		return &channel.LimitError{Limit: "Ask", Wanted: o.Price, Allowed: lim.Ask, Left: lim.Ask}
	}
	limited, err := p.s.ledger.Rooms(ctx, p.terms, p.scope(o))
	if err != nil {
		return err
	}
	d.Left = limited.Tightest().Left()
	if err := p.s.cfg.Approve(ctx, Approval{p.proposal(o), d}); err != nil {
		return fmt.Errorf("%w: not approved: %w", ErrPolicy, err)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	p.approved = o.Price
	return nil
}
