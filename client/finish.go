package client

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// lost is the end of a payment whose request failed on the way: what was sent stays counted.
func (p *payment) lost(ctx context.Context, err error) error {
	err = unwrapURL(err)
	if p.claim == nil {
		return err
	}
	p.info.Outcome = Unknown
	if p.info.sent {
		p.claim.Keep()
	} else {
		p.info.Outcome = NotSent
		p.claim.Release()
		p.terms.Charge.Refund()
	}
	p.tellPaid(ctx, 0, nil, err)
	p.record(ctx, journal.KindPay, p.info.Outcome, 0, nil)
	return p.error(err)
}

// refuse is the end of a payment that we stop. A funding transaction that was signed for it exists: one that was shown to
// the payee may be mined, whatever it answered.
func (p *payment) refuse(ctx context.Context, err error) error {
	switch {
	case p.info.sent:
		p.info.Outcome = Rejected // by the payee, before it was by us
	case p.funded:
		p.info.Outcome = Unknown
	case p.openTx != nil:
		p.info.Outcome = NotSent
	default:
		p.info.Outcome = Refused
	}
	if p.claim != nil {
		p.claim.Release()
	}
	p.terms.Charge.Refund()
	p.record(ctx, journal.KindPay, p.info.Outcome, 0, nil)
	return p.error(err)
}

// part ends what this request did on a channel that it leaves: nothing was charged there.
func (p *payment) part(ctx context.Context, status int) {
	outcome := Refused
	if p.info.sent {
		outcome = Rejected
	}
	p.claim.Release()
	p.record(ctx, journal.KindPay, outcome, status, nil)
	p.claim = nil
}

func (p *payment) error(err error) *Error {
	e := &Error{Op: "pay", Outcome: p.info.Outcome, Origin: p.origin, Cumulative: p.signed.Cumulative, Problem: p.info.Problem, Err: err}
	if p.known != nil {
		e.Price = p.known.offer.Price
	}
	if p.account != nil {
		e.ChannelID = p.account.ID()
	}
	if p.openTx != nil {
		e.Op = "open"
	}
	return e
}

// finish books the answer and hands it over. A bad receipt never costs the caller a paid response.
func (p *payment) finish(ctx context.Context, resp *http.Response) (*http.Response, error) {
	if p.claim == nil {
		p.record(ctx, journal.KindPay, Refused, resp.StatusCode, nil)
		return resp, nil
	}
	if resp.StatusCode == http.StatusPaymentRequired || resp.StatusCode == http.StatusGone {
		p.info.Outcome = Rejected
		p.claim.Release()
		p.s.drop(p.route, p.known)
		p.tellPaid(ctx, resp.StatusCode, nil, nil)
		p.record(ctx, journal.KindPay, Rejected, resp.StatusCode, nil)
		return resp, nil
	}
	r := p.reconcile(ctx, resp)
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	switch {
	case ok && resp.StatusCode != http.StatusNoContent:
		p.info.Outcome = Accepted
	case ok || r != nil:
		p.info.Outcome = AcceptedNoContent
	default:
		p.info.Outcome = Unknown
	}
	if r != nil && p.openTx != nil {
		p.opened(ctx)
	}
	if ok && p.known.account != p.account {
		n := *p.known
		n.account = p.account
		p.s.remember(p.route, &n)
	}
	streams := isEventStream(resp) && ok
	if streams {
		p.meter(ctx, resp)
	} else if redirected := resp.StatusCode >= 300 && resp.StatusCode < 400; redirected && r == nil {
		p.claim.Release() // the price is still to be asked for where the redirect leads
		p.info.left = p.claim
	} else {
		p.settleClaim(ctx, r)
	}
	p.tellPaid(ctx, resp.StatusCode, r, nil)
	if !streams { // a stream has its line when it ends
		p.record(ctx, journal.KindPay, p.info.Outcome, resp.StatusCode, r)
	}
	return resp, nil
}

// reconcile reads the receipt of the answer to our credential, if it is for this challenge and this channel.
func (p *payment) reconcile(ctx context.Context, resp *http.Response) *receipt.Receipt {
	text := resp.Header.Get(wire.HeaderPaymentReceipt)
	if text == "" {
		return nil
	}
	r, err := receipt.Parse(text)
	if err == nil {
		err = p.bound(r)
	}
	if err != nil {
		p.tellViolation(ctx, err)
		return nil
	}
	p.info.setReceipt(r)
	return &r
}

// bound checks that a receipt answers this payment's challenge on this payment's channel.
func (p *payment) bound(r receipt.Receipt) error {
	switch {
	case !r.Session:
		return nil // an acknowledgement without numbers
	case r.ChannelID != p.account.ID():
		return fmt.Errorf("%w: a receipt for channel %s on an answer for channel %s", channel.ErrServerReport, r.ChannelID, p.account.ID())
	case r.ChallengeID != p.known.challenge.ID:
		return fmt.Errorf("%w: a receipt for another challenge", channel.ErrServerReport)
	}
	return nil
}

// settleClaim ends the claim with what the receipt says was really charged; without one it stays counted.
func (p *payment) settleClaim(ctx context.Context, r *receipt.Receipt) {
	if r == nil || !r.Session {
		p.claim.Keep()
		return
	}
	if err := p.claim.Settle(ctx, word(*r)); err != nil {
		p.tellViolation(ctx, err)
	}
}

func word(r receipt.Receipt) channel.Report {
	return channel.Report{Accepted: r.Accepted, Spent: r.Spent, Units: r.Units}
}

func (p *payment) tellPaid(ctx context.Context, status int, r *receipt.Receipt, err error) {
	state := p.account.State()
	p.info.ChannelID, p.info.Price, p.info.Cumulative = state.ID, p.known.offer.Price, p.signed.Cumulative
	p.s.tell(ctx, Event{
		Kind: EventPaid, Origin: p.origin, ChannelID: state.ID, Price: p.known.offer.Price, Cumulative: p.signed.Cumulative,
		Deposit: state.Deposit, Outcome: p.info.Outcome, Status: status, Receipt: r, Err: err,
	})
}

func (p *payment) tellViolation(ctx context.Context, err error) {
	p.s.tell(ctx, Event{Kind: EventViolation, Origin: p.origin, ChannelID: p.account.ID(), Outcome: p.info.Outcome, Err: err})
}

// land ends the flight that an opening request holds, so that the requests that wait for the channel go
// on.
func (p *payment) land() {
	if p.opening != nil {
		p.opening.end()
		p.opening = nil
	}
}
