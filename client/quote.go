package client

import (
	"cmp"
	"context"
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
	d, funding, err := s.decide(ctx, from.Text, r.found)
	if err != nil {
		return nil, status, err
	}
	p := Proposal{
		Origin: from.Text, Route: cmp.Or(req.Method, http.MethodGet) + " " + out.at.EscapedPath(),
		Offer: r.found.offer, Terms: r.found.wants.Terms, Funding: funding,
	}
	return &Quote{p, d}, status, nil
}

// decide returns what the limits decide about an offer, on the channel that would pay for it, and
// whether a channel would be opened or topped up for it.
func (s *Session) decide(
	ctx context.Context, origin string, c *challenge,
) (d channel.Decision, funding bool, err error) {
	lim, err := s.limits(ctx, origin)
	if err != nil {
		return d, false, err
	}
	limits, err := s.ledger.Limited(ctx, ledger.Terms{Limits: lim, Origin: origin}, c.scope)
	if err != nil {
		return d, false, err
	}
	account, err := s.ledger.Lookup(ctx, c.scope)
	if err != nil || account == nil || !account.State().Payable() {
		return limits.Decide(nil, c.request), true, err
	}
	state := account.State()
	none := voucher.Amount{}
	plan, refused := rule.PlanPayment(&state, c.request, none, none, rule.Of(lim))
	return limits.Decide(&state, c.request), refused == nil && plan.Step != rule.Pay, nil
}
