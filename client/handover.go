package client

import (
	"cmp"
	"context"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/sse"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// handOver books the answer at hand and returns it. A bad receipt never costs the caller a paid
// response.
func (a *attempt) handOver(ctx context.Context, do purchase.Action) *http.Response {
	if a.out.body != nil {
		a.out.body.release()
	}
	a.info.Outcome, a.info.Err = Outcome(do.Outcome), do.Err
	a.info.ChannelID, a.info.Price, a.info.Cumulative = a.last.channel, a.last.price, a.last.cumulative
	a.info.cost, a.info.fees = do.Cost, &a.fees
	resp := a.resp
	served := do.Outcome == purchase.Accepted || do.Outcome == purchase.AcceptedNoContent
	if (!served || a.reserved == nil) && !a.mayBePaid(ctx, do.Outcome) {
		a.end(ctx, do)
		return resp
	}
	if a.challenge.account != a.account || a.s.twice.any.Load() {
		a.remember(do.Outcome)
	}
	streams := do.Outcome == purchase.Accepted && sse.IsEventStream(resp.Header.Get("Content-Type"))
	switch {
	case streams:
		a.meter(ctx, resp)
	case do.Redirected:
		a.reserved.Release() // the price goes on where the redirect leads
		a.leave()
	default:
		a.settle(ctx, a.receipt)
	}
	if a.s.watched {
		a.reportPaid(ctx, a.receipt, nil)
	}
	if a.s.cfg.Journal != nil && !streams { // a stream has its line when it ends
		a.record(ctx, journal.KindPay, a.info.Outcome, a.receipt)
	}
	if resp.StatusCode >= 300 {
		a.redirect(do)
	}
	return resp
}

// mayBePaid reports whether an answer that is not for an accepted voucher may be for a voucher that was taken. It
// teaches nothing about how the payee treats vouchers, may be for a purchase that an earlier request paid, and
// gets the cookies that were set after it.
func (a *attempt) mayBePaid(ctx context.Context, o purchase.Outcome) bool {
	if a.cookies.here < len(a.cookies.lines) {
		a.cookies.finish(a.resp)
	}
	if o == purchase.None && a.byKey && a.keyed == nil {
		a.servedBefore(ctx)
	}
	if a.reserved == nil {
		return false
	}
	a.reserved.Unserved()
	return o == purchase.Unknown
}

// remember keeps the paid challenge for the next request of its route, and notes that the payee served
// a request that it was paid once for.
func (a *attempt) remember(o purchase.Outcome) {
	if o != purchase.Unknown && a.resp.StatusCode < 300 && a.challenge.account != a.account {
		c := *a.challenge
		c.account = a.account
		a.s.challenges.put(a.route, &c, a.last.channel)
	}
	if a.s.proofs.any.Load() && a.resp.StatusCode < 300 {
		a.s.proofs.ended(a.origin.Text, true)
	}
	if o == purchase.Accepted && !a.second && a.s.twice.any.Load() {
		a.s.twice.forget(a.start, a.origin.Text, a.challenge.offer.Payee.Hex())
	}
}

// redirect ends a hop: the target goes on with what was released, or has a price of its own.
func (a *attempt) redirect(do purchase.Action) {
	if !do.Redirected {
		delete(a.left, a.account.ID())
	} else if a.s.cfg.Journal != nil {
		a.noteWritten()
	}
}

// fail ends the request with an error. What was signed for it stays counted if it may have arrived.
func (a *attempt) fail(ctx context.Context, do purchase.Action) error {
	if a.out.body != nil {
		a.out.body.abort()
	}
	if a.resp != nil {
		discard(a.resp)
	}
	if a.reserved != nil {
		a.reserved.Unserved()
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
	if a.reserved != nil {
		a.leave()
	}
	for _, r := range a.left {
		if do.Outcome == purchase.Unknown {
			r.Keep()
			a.info.cost = a.info.cost.AddCapped(r.Price())
		} else {
			r.Release()
		}
	}
	if a.s.watched && do.Err != nil {
		a.reportRefused(ctx, do)
	}
	a.charge.Refund() // does nothing once a credential left
	defer func() {    // after the journal has what became of this hop
		if do.Outcome == purchase.Rejected && !a.decision.Charged.IsZero() {
			a.info.Outcome = OutcomeAcceptedNoContent // a redirect was charged before
		}
	}()
	if a.account == nil {
		return
	}
	if do.Outcome == purchase.Rejected {
		a.s.challenges.drop(a.route, a.s.challenges.get(a.route))
	}
	if a.reserved != nil && do.Outcome != purchase.Refused {
		a.reportPaid(ctx, nil, do.Err)
	}
	a.record(ctx, journal.KindPay, a.info.Outcome, nil)
}

// settle ends the reservation with what the receipt says was really charged. Without a receipt it
// stays counted. If the deposit covers few requests more, the next top-up begins.
func (a *attempt) settle(ctx context.Context, r *receipt.Receipt) {
	if r == nil || !r.Session {
		a.reserved.Keep()
	} else if err := a.reserved.Settle(ctx, channel.Report{Accepted: r.Accepted, Spent: r.Spent, Units: r.Units}); err != nil {
		a.reportViolation(ctx, err)
	}
	state := a.account.State()
	funded, _ := a.price.Mul(rule.FundedRequests)
	few := cmp.Or(a.terms.Limits.Fund, state.Deposit.Max(funded)) // the owner may want less locked than that
	left, err := state.Deposit.SubFloor(state.Claimed).Mul(rule.FundedShare)
	if err == nil && left.Less(few) && state.Deposit.Less(a.terms.Limits.Deposit) {
		a.topUpBeside(ctx, state)
	}
}

// shown is a voucher that left, and what it was to pay.
type shown struct {
	channel           common.Hash
	price, cumulative voucher.Amount
	challenge         *challenge // that it answered
	signature         []byte
}

func (a *attempt) error(err error) *Error {
	e := &Error{
		Op: "pay", Outcome: a.info.Outcome, Origin: a.origin.Text, Price: a.price,
		Cumulative: a.signed.Cumulative, Problem: a.info.Problem, Err: err,
	}
	if a.challenge != nil {
		e.Currency = a.challenge.offer.Currency
		e.Price = cmp.Or(e.Price, a.challenge.offer.Price)
	}
	if a.account != nil {
		e.ChannelID = a.account.ID()
	}
	if a.decision.Sent && (a.account == nil || a.signed.Cumulative.IsZero()) {
		e.ChannelID, e.Cumulative = a.last.channel, a.last.cumulative // nothing was signed since
	}
	if a.decision.Carrying {
		e.Op = "open"
	}
	return e
}

func (a *attempt) reportPaid(ctx context.Context, r *receipt.Receipt, err error) {
	state, status := a.account.State(), 0
	if a.resp != nil {
		status = a.resp.StatusCode
	}
	a.s.tell(ctx, Event{
		Kind: EventPaid, Origin: a.origin.Text, ChannelID: state.ID, Price: a.price, Cumulative: a.signed.Cumulative,
		Deposit: state.Deposit, Outcome: a.info.Outcome, Status: status, Receipt: r, Err: err,
		Sendings: a.decision.Sendings(),
	})
}

// reportRefused tells that nothing was sent for an answer that asks to be paid, and why.
func (a *attempt) reportRefused(ctx context.Context, do purchase.Action) {
	asked := a.resp != nil && a.resp.StatusCode == http.StatusPaymentRequired
	if do.Outcome != purchase.Refused && (do.Outcome != purchase.None || !asked) {
		return
	}
	e := a.error(do.Err)
	status := 0
	if a.resp != nil {
		status = a.resp.StatusCode
	}
	a.s.tell(ctx, Event{
		Kind: EventRefused, Currency: e.Currency, Origin: e.Origin, ChannelID: e.ChannelID, Price: e.Price, Outcome: e.Outcome, Status: status, Err: do.Err,
	})
}

func (a *attempt) reportViolation(ctx context.Context, err error) {
	if a.violations++; a.violations > maxViolations {
		return
	}
	a.s.tell(ctx, Event{Kind: EventViolation, Origin: a.origin.Text, ChannelID: a.account.ID(), Outcome: a.info.Outcome, Err: err})
}

// maxViolations bounds how many impossible reports of one request are told.
const maxViolations = 16
