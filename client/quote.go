package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Quote is what a request would cost, and what the limits decide about it. Config.Approve is called
// with one whose Decision says why the owner is asked: the limit, the sum that is wanted, and in
// Left what the tightest budget leaves.
type Quote struct {
	Proposal
	Decision channel.Decision
	// Locked is what an opening or a top-up would put into a channel first, in base units, and Fee
	// about what that would cost, in base units of the fee token (6 decimals). Locked is zero if
	// nothing is put in, or if the limits refuse it; Fee is zero if the payee pays it, or if
	// Config.Chain does not tell what fees are. MaxFee is the most that it can cost: with a higher
	// fee it is not signed (Limits.Fees). It is zero if the payee pays it.
	Locked, Fee, MaxFee voucher.Amount
	// Requests is how many requests of this price the channel then pays for, this one included. Zero
	// if the limits refuse it.
	Requests uint64
}

// Quote sends req unpaid, body included, and returns what it would cost and what the limits decide
// about that. It does not ask the policy and signs nothing. It returns a nil *Quote if the response
// did not ask for a payment that this session can make. The response body is discarded; the int
// result is its HTTP status. The error is [ErrProof] if the payee asks who the payer is before it
// names a price.
func (s *Session) Quote(req *http.Request) (*Quote, int, error) {
	ctx := req.Context()
	from, err := originOf(req.URL)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, 0, err
	}
	out := fork(req, s.cfg.Base, s.cfg.Spool, false)
	if out.body != nil {
		defer out.body.abort()
	}
	status, h, err := out.look(ctx, s.challenges.hint(ctx, s, from.Text))
	if err != nil || status != http.StatusPaymentRequired {
		return nil, status, err
	}
	r := s.recognize(ctx, req, from, h)
	if r.found == nil {
		if all, most := chargesOnly(req, h); len(all) > 0 && most.IsZero() {
			r.err = ErrProof
		}
		return nil, status, r.err
	}
	q := &Quote{Proposal: Proposal{
		Origin: from.Text, Route: cmp.Or(req.Method, http.MethodGet) + " " + out.at.EscapedPath(),
		Offer: r.found.offer, Terms: r.found.wants.Terms,
	}}
	if err := s.decide(ctx, q, r.found); err != nil {
		return nil, status, err
	}
	return q, status, nil
}

// decide completes a quote with what the limits decide about an offer, on the channel that would pay for
// it, and with what would be put into a channel for it.
func (s *Session) decide(ctx context.Context, q *Quote, c *challenge) error {
	lim, err := s.limits(ctx, q.Origin, c.offer.Currency)
	if err != nil {
		return err
	}
	limits, err := s.ledger.Limited(ctx, ledger.Terms{Limits: lim, Origin: q.Origin}, c.scope, c.offer.Price)
	if err != nil {
		return err
	}
	account, err := s.ledger.Lookup(ctx, c.scope)
	if err != nil {
		return err
	}
	var state *rule.State
	if account != nil && account.State().Payable() {
		now := account.State()
		state = &now
	}
	q.Decision = limits.Decide(state, c.request)
	var refused error
	if q.Funding, refused = s.locks(ctx, q, c, state, limits); refused != nil {
		var over *channel.LimitError
		if errors.As(refused, &over) && q.Decision.Verdict != channel.Deny { // what the session may put in
			q.Decision = channel.Decision{Verdict: channel.Deny, Rule: over.Limit, Wanted: over.Wanted, Allowed: over.Allowed, Left: over.Left, Currency: over.Currency}
		}
	}
	return nil
}

// locks completes a quote with what would be put into a channel for an offer, and reports whether a
// transaction is needed for it. A nil state means that there is no channel yet.
func (s *Session) locks(
	ctx context.Context, q *Quote, c *challenge, state *rule.State, limits rule.Limits,
) (funding bool, err error) {
	wish := s.wish(ctx, c.offer)
	plan, err := rule.PlanPayment(state, c.request, wish, s.ledger.Funded(c.scope), limits)
	if err != nil {
		return state == nil, err
	}
	var now rule.State
	if state != nil {
		now = *state
	}
	switch q.Locked = plan.Amount; plan.Step {
	case rule.TopUp:
		q.Fee = wish.Fee
	case rule.Fund:
		q.Fee = wish.Open
	}
	if plan.Step != rule.Pay && !c.offer.FeePayer {
		q.MaxFee = s.mostFee(ctx, q.Origin, c.offer, limits)
	}
	left := now.Deposit.AddCapped(plan.Amount).SubFloor(now.Claimed).Big()
	if left.Div(left, c.offer.Price.Big()); left.IsUint64() { // the plan refuses a price of zero
		q.Requests = left.Uint64()
	}
	return plan.Step != rule.Pay, nil
}

// mostFee returns the most that a transaction for an offer may cost, under the limits of its fee token.
func (s *Session) mostFee(ctx context.Context, origin string, o channel.Offer, limits rule.Limits) voucher.Amount {
	asset := channel.Asset{ChainID: o.ChainID, Token: cmp.Or(o.FeeToken, o.Token)}
	if limits.For(asset) != nil {
		in := s.called(asset)
		lim, err := s.limits(ctx, origin, in)
		if err != nil || in.Symbol == "" {
			return voucher.Amount{} // there are no limits for it, and nothing is signed that costs anything
		}
		limits = rule.Limits{Limits: lim}
	}
	most, _ := limits.FeeBudgets()
	return most
}
