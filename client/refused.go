package client

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
)

// young is how long after its opening a channel may be unknown to its payee, who learns of it from
// another request.
const young = 10 * time.Second

// refused reads a 402 or 410 to a credential.
func (a *attempt) refused(ctx context.Context, e *purchase.Event) {
	problem := problemOf(a.resp, readEarly(a.resp))
	a.info.Problem = problem.Name()
	e.Problem = classOf(problem.Code)
	e.Gone = e.Status == http.StatusGone || problem.Code.Gone()
	e.Finalized = problem.Code == wire.ProblemChannelFinalized
	r := a.s.recognize(ctx, a.out.req, a.origin, a.resp.Header)
	e.Others, e.Err = r.others, r.err
	state := a.account.State()
	e.Higher, e.Shared = a.signed.Cumulative.Less(state.Signed), a.account.Shared()
	e.Young = state.Accepted.IsZero() && time.Since(state.CreatedAt) < young
	a.judgeVoucher(ctx, problem.Code, e, r.found)
	if a.decision.Carrying {
		a.s.declined.begin(a.account.ID().Hex(), 0)
	}
	if e.Gone {
		a.goneOffer(r.found, e)
		return
	}
	if r.found == nil {
		if r.err == nil {
			a.readAsked(ctx, e)
		}
		return
	}
	e.Offered, e.Offer = true, r.found.wants
	e.Fresh = r.found.wire.ID != a.challenge.wire.ID
	same := r.found.scope == a.challenge.scope
	a.challenge = r.found
	switch snap := r.found.offer.Snapshot; {
	case !same || snap == nil || snap.ChannelID != a.account.ID():
	case a.decision.Carrying:
		e.Acknowledged = snap.Report.Accepted == a.signed.Cumulative
	default:
		e.Proved = a.absorb(ctx, r.found.offer)
	}
}

// goneOffer notes that the offer may be answered once more, from another channel, after the payee did
// not take this one: by the challenge of the refusal if it offers the same, or by the one that was
// answered, while it lives.
func (a *attempt) goneOffer(fresh *challenge, e *purchase.Event) {
	switch {
	case fresh != nil && fresh.wants == a.challenge.wants && fresh.scope == a.challenge.scope:
		a.challenge = fresh
	case fresh != nil || rule.Live(a.challenge.offer, time.Now().Add(a.challenge.skew)) != nil:
		return
	}
	e.Offered, e.Offer = true, a.challenge.wants
}

// judgeVoucher tells the channel whether the voucher was refused beside another one, so that later
// requests wait for that. The challenge is remembered if nothing but the voucher was refused.
func (a *attempt) judgeVoucher(ctx context.Context, code wire.ProblemCode, e *purchase.Event, offered *challenge) {
	low := e.Higher
	switch {
	case e.Gone:
	case code == wire.ProblemDeltaTooSmall:
		a.reserved.Unequal(ctx)
	case e.Higher, e.Problem == purchase.Unverified:
		a.reserved.Overtaken(e.Higher && !e.Shared)
	case e.Problem == purchase.Insufficient:
		a.reserved.Short()
	}
	switch e.Problem {
	case purchase.Unverified, purchase.TooLow, purchase.Insufficient:
		low = true
	}
	if e.Gone || !low || offered == nil || offered.wants != a.challenge.wants {
		a.s.challenges.drop(a.route, a.challenge)
	}
}

// classOf returns the class of a problem as the decision knows it.
func classOf(c wire.ProblemCode) purchase.Problem {
	switch {
	case c == wire.ProblemNone:
		return purchase.NoProblem
	case c == wire.ProblemInsufficientBalance:
		return purchase.Insufficient
	case c.TooLow():
		return purchase.TooLow
	case c == wire.ProblemAmountExceedsDeposit:
		return purchase.BeyondDeposit
	case c == wire.ProblemVerificationFailed:
		return purchase.Unverified
	case c.Stale():
		return purchase.Stale
	default:
		return purchase.OtherProblem
	}
}

// problemOf returns the problem details of a refusal whose body is text.
func problemOf(resp *http.Response, text []byte) wire.Problem {
	if coding := codingOf(resp.Header); coding != "" {
		text = inflate(coding, text)
	}
	problem, _ := wire.ParseProblem(resp.Header.Get("Content-Type"), text)
	return problem
}

// denied returns the gate's refusal.
func (a *attempt) denied(err error) purchase.Event {
	r := a.reserved
	e := purchase.Event{Kind: purchase.Denied, Err: err, Raised: r.Raised(), Alone: r.Alone()}
	e.Shared, e.Apart = a.account.Shared(), a.account.Apart()
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
