package client

import (
	"context"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// handOver books the answer at hand and returns it. A bad receipt never costs the caller a paid
// response.
func (a *attempt) handOver(ctx context.Context, do purchase.Action) *http.Response {
	a.out.body.release()
	a.info.Outcome, a.info.Err = Outcome(do.Outcome), do.Err
	resp := a.resp
	served := do.Outcome == purchase.Accepted || do.Outcome == purchase.AcceptedNoContent
	if a.reservation() == nil || (!served && do.Outcome != purchase.Unknown) {
		a.end(ctx, do)
		return resp
	}
	if served {
		a.remember()
	}
	streams := isEventStream(resp) && do.Outcome == purchase.Accepted
	switch r := a.reservation(); {
	case streams:
		a.meter(ctx, resp)
	case do.Redirected:
		r.Release() // the price goes on where the redirect leads
	default:
		a.settle(ctx, a.receipt)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && !do.Redirected {
		defer delete(a.reservations, a.account.ID()) // charged: the target has a price of its own
	}
	a.reportPaid(ctx, resp.StatusCode, a.receipt, nil)
	if !streams { // a stream has its line when it ends
		a.record(ctx, journal.KindPay, a.info.Outcome, resp.StatusCode, a.receipt)
	}
	return resp
}

// fail ends the request with an error. What was signed for it stays counted if it may have arrived.
func (a *attempt) fail(ctx context.Context, do purchase.Action) error {
	a.out.body.abort()
	if a.resp != nil {
		discard(a.resp)
	}
	if do.Outcome == purchase.None {
		return do.Err // nothing was to be paid
	}
	a.info.Outcome, a.info.Err = Outcome(do.Outcome), do.Err
	a.end(ctx, do)
	return a.error(do.Err)
}

// end ends the reservations of a request that was not served.
func (a *attempt) end(ctx context.Context, do purchase.Action) {
	for _, r := range a.reservations {
		if do.Outcome == purchase.Unknown {
			r.Keep()
		} else {
			r.Release()
		}
	}
	a.charge.Refund() // does nothing once a credential left
	if a.account == nil {
		return
	}
	if do.Outcome == purchase.Rejected {
		a.s.challenges.drop(a.route, a.challenge)
	}
	if a.reservation() != nil && do.Outcome != purchase.Refused {
		a.reportPaid(ctx, a.status(), nil, do.Err)
	}
	a.record(ctx, journal.KindPay, a.info.Outcome, a.status(), nil)
}

// remember keeps the paid challenge for the next request of its route, and notes that the payee
// served.
func (a *attempt) remember() {
	a.served()
	if success := a.resp.StatusCode < 300; success && a.challenge.account != a.account {
		c := *a.challenge
		c.account = a.account
		a.s.challenges.put(a.route, &c)
	}
}

// settle ends the reservation with what the receipt says was really charged. Without a receipt it
// stays counted.
func (a *attempt) settle(ctx context.Context, r *receipt.Receipt) {
	if r == nil || !r.Session {
		a.reservation().Keep()
		return
	}
	if err := a.reservation().Settle(ctx, reportOf(*r)); err != nil {
		a.reportViolation(ctx, err)
	}
}

func (a *attempt) error(err error) *Error {
	e := &Error{
		Op: "pay", Outcome: a.info.Outcome, Origin: a.origin, Price: a.price,
		Cumulative: a.signed.Cumulative, Problem: a.info.Problem, Err: err,
	}
	if a.challenge != nil && e.Price.IsZero() {
		e.Price = a.challenge.offer.Price
	}
	if a.account != nil {
		e.ChannelID = a.account.ID()
	}
	if a.decision.Carrying {
		e.Op = "open"
	}
	return e
}

func (a *attempt) reportPaid(ctx context.Context, status int, r *receipt.Receipt, err error) {
	state := a.account.State()
	a.info.ChannelID, a.info.Price, a.info.Cumulative = state.ID, a.price, a.signed.Cumulative
	a.s.tell(ctx, Event{
		Kind: EventPaid, Origin: a.origin, ChannelID: state.ID, Price: a.price, Cumulative: a.signed.Cumulative,
		Deposit: state.Deposit, Outcome: a.info.Outcome, Status: status, Receipt: r, Err: err,
	})
}

func (a *attempt) reportViolation(ctx context.Context, err error) {
	if a.violations++; a.violations > maxViolations {
		return
	}
	a.s.tell(ctx, Event{Kind: EventViolation, Origin: a.origin, ChannelID: a.account.ID(), Outcome: a.info.Outcome, Err: err})
}

// maxViolations bounds how many impossible reports of one request are told.
const maxViolations = 16
