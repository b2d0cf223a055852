package client

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// keyedID returns what a retry has in common with the request: the caller's key, the place, and the
// budgets that its price counts in. Under other budgets it is another purchase, which they pay for.
func (a *attempt) keyedID(ctx context.Context) keyedID {
	req := a.out.req
	budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
	keys, _ := valuesOf(req.Header, "Idempotency-Key")
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %v", keys, a.origin.Text,
		cmp.Or(req.Host, req.URL.Host), cmp.Or(req.Method, http.MethodGet),
		req.URL.RequestURI(), budgets))
}

// name notes that the request has an Idempotency-Key of the caller's.
func (a *attempt) name() {
	a.byKey = true
	if a.out.body != nil {
		a.out.body.summed = true
	}
}

// startedKeyed begins a request that may be a retry. One that may go on with the purchase of
// another request begins without a credential: whether its body is the same is known after it was
// sent.
func (a *attempt) startedKeyed(ctx context.Context) purchase.Event {
	if a.keyed != nil {
		if err := a.rejoin(ctx); err != nil {
			return purchase.Event{Kind: purchase.Failed, Err: err}
		}
	}
	e := a.started(ctx)
	if e.Remembered && (a.decision.Paid || a.keyed == nil && !a.first(ctx)) {
		a.challenge, a.account, a.reserved = nil, nil, nil
		return purchase.Event{Kind: purchase.Started}
	}
	return e
}

// first remembers the purchase before its body was sent. It returns false if there is one with the
// key.
func (a *attempt) first(ctx context.Context) bool {
	e := a.s.keys.first(a.keyedID(ctx))
	if e == nil {
		return false
	}
	a.hold(e)
	return true
}

// join goes on with the purchase of an earlier request with the same key, or remembers this one. A
// body that cannot be compared makes it a new purchase that is not remembered. The error is
// [ErrKeyReused], or the context's.
func (a *attempt) join(ctx context.Context) error {
	sum, ok := a.out.sum()
	if !ok {
		return nil
	}
	e, err := a.s.keys.enter(ctx, a.keyedID(ctx), sum)
	if err != nil || e == nil {
		return err
	}
	a.hold(e)
	return nil
}

// rejoin goes on with a remembered purchase after a redirect.
func (a *attempt) rejoin(ctx context.Context) error {
	if err := a.s.keys.rejoin(ctx, a.keyed); err != nil {
		a.bought = &bought{decision: &purchase.Purchase{Retries: a.s.cfg.Retries}} // the other one may be in use
		a.decision.Resume(purchase.Unknown)
		return err
	}
	a.hold(a.keyed)
	return nil
}

// hold takes over what the tries before have bought. The attempt has the turn of e.
func (a *attempt) hold(e *keyed) {
	a.holds = true
	b, was := a.bought, e.bought
	e.bought, b.keyed = b, e
	if was == nil || was == b && b.tries == e.tries {
		return // its first try, or the same one after a redirect
	}
	b.decision, b.charge, b.left, b.written = was.decision, was.charge, was.left, was.written
	b.last, b.second = was.last, was.second
	a.terms.Charge = b.charge
	b.decision.Resume(e.last)
}

// done ends a try of a remembered purchase. It is forgotten if nothing was signed for it, or if its
// body cannot be compared with that of another request.
func (a *attempt) done() {
	e := a.keyed
	if a.reserved != nil && !a.redirected.Load() {
		a.leave()
		if a.s.cfg.Journal != nil {
			a.noteWritten()
		}
	}
	a.holds = false
	e.last = purchase.Outcome(a.info.Outcome)
	e.tries++
	a.tries = e.tries
	sum, ok := a.out.sum()
	keep := len(a.left) > 0 || !a.decision.Charged.IsZero()
	a.s.keys.end(e, keep && (ok || e.sum != nil), sum)
}

// present presents the voucher that exists, for a request that was paid before.
func (a *attempt) present(ctx context.Context) purchase.Event {
	var raised voucher.Amount
	if a.reserved != nil {
		raised = a.reserved.Raised()
	}
	signed, err := a.account.Present(ctx)
	if err != nil {
		return purchase.Event{
			Kind: purchase.Denied, Err: err, Denial: purchase.DeniedOther, Raised: raised,
		}
	}
	a.signed = signed
	return purchase.Event{Kind: purchase.Issued, Raised: raised}
}

// servedBefore notes what became of the purchase of an earlier request with the same key, for an answer
// that came without payment: the payee knows the key, or refused before it asked. Nothing was presented,
// so it costs nothing, and what the purchase counts stays as it is.
func (a *attempt) servedBefore(ctx context.Context) {
	sum, ok := a.out.sum()
	if !ok {
		return
	}
	last, at, ok := a.s.keys.before(a.keyedID(ctx), sum)
	if !ok {
		return
	}
	own, _ := valuesOf(a.out.req.Header, "Idempotency-Key")
	a.info.Operation, a.info.Outcome, a.info.ChannelID = own[0], Outcome(last), at.channel
	if a.s.cfg.Journal == nil {
		return
	}
	account, err := a.s.ledger.Account(ctx, at.channel)
	if err != nil {
		return // the line of the try before has all that was paid
	}
	e := lineOf(journal.KindPay, account.State(), ledger.Rise{})
	e.Operation, e.Origin, e.Outcome = own[0], a.origin.Text, string(a.info.Outcome)
	e.Status, e.Start, e.Route = a.resp.StatusCode, a.start, a.s.routeOf(a.out.req)
	a.s.write(ctx, e)
}
