package client

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	// besideWait bounds one top-up beside the requests.
	besideWait = 2 * time.Minute
	// besideRest is how long none is tried after one that did not raise the deposit. Requests that need
	// a top-up still make their own.
	besideRest = 10 * time.Minute
	// besideGrace is how long [Session.Close] waits for those under way before it cancels them, and for
	// their end then.
	besideGrace = 5 * time.Second
)

// beside are the top-ups that are made beside the requests, one at a time for a channel. They are the
// only goroutines of a session that outlive the call that began them, and end with Session.Close.
type beside struct {
	rest intervals // the channels whose last one failed, and those that the caller ends

	mu     sync.Mutex // guards what follows; held shortly
	closed bool
	low    map[common.Hash]struct{} // channels that a request left with little
	busy   map[common.Hash]underway
}

// underway is a top-up beside the requests.
type underway struct {
	cancel context.CancelFunc
	ended  chan struct{} // closed then
}

// begin returns the context for a top-up of a channel, with the values of ctx, and the function that ends
// it. It returns nil if none may begin. The first request that leaves little begins none: who makes one
// request only does not pay for a second.
func (b *beside) begin(ctx context.Context, id common.Hash) (context.Context, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, steady := b.low[id]
	if b.low == nil {
		b.low, b.busy = map[common.Hash]struct{}{}, map[common.Hash]underway{}
	}
	b.low[id] = struct{}{}
	if _, busy := b.busy[id]; busy || b.closed || !steady || b.rest.within(besideRest, id.Hex()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), besideWait)
	ended := make(chan struct{})
	b.busy[id] = underway{cancel, ended}
	return ctx, func() {
		cancel()
		b.mu.Lock()
		delete(b.busy, id)
		b.mu.Unlock()
		close(ended)
	}
}

// end lets none begin any more, and waits for those under way as halt does.
func (b *beside) end(ctx context.Context) {
	b.mu.Lock()
	b.closed = true
	all := slices.Collect(maps.Values(b.busy))
	b.mu.Unlock()
	halt(ctx, all...)
}

// spare lets none begin for a channel that the caller is about to end, and waits for the one under way: a
// top-up that is mined later would cancel a close request.
func (b *beside) spare(ctx context.Context, id common.Hash) {
	b.rest.begin(id.Hex(), 0)
	b.mu.Lock()
	one, busy := b.busy[id]
	b.mu.Unlock()
	if busy {
		halt(ctx, one)
	}
}

// halt waits for top-ups. After a grace, or if ctx ends, it cancels them: what was recorded is presented
// again when a request needs it.
func halt(ctx context.Context, all ...underway) {
	wait := func(ctx context.Context) bool {
		ctx, cancel := context.WithTimeout(ctx, besideGrace)
		defer cancel()
		for _, one := range all {
			select {
			case <-one.ended:
			case <-ctx.Done():
				return false
			}
		}
		return true
	}
	if wait(ctx) {
		return
	}
	for _, one := range all {
		one.cancel()
	}
	wait(context.WithoutCancel(ctx)) // for one that ignores its context no longer
}

// topUpBeside begins the next top-up of a channel whose deposit covers few requests more, so that none of
// them waits for it. It is held to what this request is held to: its limits, its own budgets for
// the fee only, since a deposit does not spend them, and the policy, which is asked again. Limits over time have to leave
// room for all of the deposit and one more request. A payee that serves nothing, or reports impossible
// numbers, gets none, and neither does one whose price a person approves each time: the next request may
// not be wanted.
func (a *attempt) topUpBeside(ctx context.Context, state rule.State) {
	s, ask := a.s, a.terms.Limits.Ask
	switch {
	case s.cfg.FundAsNeeded, s.cfg.Chain == nil, s.cfg.Payer == nil, !ask.IsZero() && ask.Less(a.price):
		return
	case a.resp.StatusCode >= http.StatusMultipleChoices, state.Untrusted, state.Phase() != channel.Open:
		return
	}
	ctx, end := s.beside.begin(ctx, state.ID)
	if ctx == nil {
		return
	}
	info := &Payment{Operation: a.info.Operation, fees: &a.fees}
	ctx = context.WithValue(ctx, paymentKey{}, info)
	b := &attempt{
		bought: &bought{decision: new(purchase.Purchase), charge: a.charge}, s: s, out: a.out.alone(ctx), origin: a.origin, route: a.route, terms: a.terms,
		challenge: a.challenge, account: a.account, price: a.price, info: info, start: time.Now(),
	}
	b.terms.Charge = nil
	a.addCookies(b.out.req.Header)
	go b.runBeside(ctx, end, state.Deposit)
}

// runBeside makes one top-up of a deposit, and notes if it did not grow.
func (a *attempt) runBeside(ctx context.Context, end func(), before voucher.Amount) {
	defer end()
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
		if err != nil || !before.Less(a.account.State().Deposit) {
			a.s.beside.rest.begin(a.account.ID().Hex(), 0)
			a.s.log.DebugContext(ctx, "no top-up was made beside the requests", "channel", a.account.ID(), "error", err)
		}
	}()
	view := func() rule.State {
		state := a.account.State()
		state.Claimed = state.Claimed.Max(before) // as if it were used up, unless others topped it up meanwhile
		return state
	}
	req, state := a.challenge.request, view()
	lim, err := a.s.ledger.Limited(ctx, a.terms, a.challenge.scope, req.Price)
	if err == nil {
		_, err = rule.PlanPayment(&state, req, rule.Wish{}, a.s.ledger.Funded(a.challenge.scope), lim)
	}
	if err == nil { // nobody is asked about what the limits refuse
		_, err = a.topUp(ctx, req, view)
	}
}

// alone returns the request without what belongs to its one sending, for requests that outlive it.
func (o *outgoing) alone(ctx context.Context) *outgoing {
	req := o.req.Clone(ctx)
	req.Body, req.GetBody, req.Response = nil, nil, nil
	req.Cancel = nil //nolint:staticcheck // it ends with the caller's request
	at := *o.at
	return &outgoing{req: req, at: &at, base: o.base}
}
