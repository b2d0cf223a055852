package client

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
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
	failed intervals // the channels whose last one failed

	mu     sync.Mutex // guards what follows; held shortly
	closed bool
	busy   map[common.Hash]context.CancelFunc
	all    sync.WaitGroup // those in busy
}

// begin returns the context for a top-up of a channel, with the values of ctx, and the function that ends
// it. It returns nil if none may begin.
func (b *beside) begin(ctx context.Context, id common.Hash) (context.Context, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.busy[id] != nil || b.failed.within(besideRest, id.Hex()) {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), besideWait)
	if b.busy == nil {
		b.busy = map[common.Hash]context.CancelFunc{}
	}
	b.busy[id] = cancel
	b.all.Add(1)
	return ctx, func() {
		cancel()
		b.mu.Lock()
		delete(b.busy, id)
		b.mu.Unlock()
		b.all.Done()
	}
}

// end lets none begin any more, and waits for those under way. After a grace, or if ctx ends, it cancels
// them: what was recorded is presented again by the next session.
func (b *beside) end(ctx context.Context) {
	b.mu.Lock()
	b.closed = true
	idle := len(b.busy) == 0
	b.mu.Unlock()
	if idle {
		return
	}
	ended := make(chan struct{})
	go func() {
		b.all.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, besideGrace)
	defer cancel()
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	b.mu.Lock()
	for _, cancel := range b.busy {
		cancel()
	}
	b.mu.Unlock()
	late := time.NewTimer(besideGrace)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C: // a round tripper or a policy that ignores its context
	}
}

// topUpBeside begins the next top-up of a channel whose deposit covers few requests more, so that none of
// them waits for it. It is held to what this request is held to: its limits, but for its own budgets,
// which a deposit does not spend, and the policy, which is asked again. Limits over time have to leave
// room for all of the deposit and one more request. A payee that serves nothing, or reports impossible
// numbers, gets none.
func (a *attempt) topUpBeside(ctx context.Context, state rule.State) {
	s := a.s
	switch {
	case s.cfg.FundAsNeeded, s.cfg.Chain == nil, s.cfg.Payer == nil:
		return
	case a.resp.StatusCode >= http.StatusMultipleChoices, state.Untrusted, state.Phase() != channel.Open:
		return
	}
	ctx, end := s.beside.begin(ctx, state.ID)
	if ctx == nil {
		return
	}
	info := &Payment{Operation: a.info.Operation}
	ctx = context.WithValue(ctx, paymentKey{}, info)
	b := &attempt{
		bought: &bought{decision: purchase.New(0)}, s: s, out: a.out.alone(ctx), origin: a.origin, route: a.route, terms: a.terms,
		challenge: a.challenge, account: a.account, price: a.price, info: info, start: time.Now(),
	}
	b.terms.Charge = nil
	a.addCookies(b.out.req.Header)
	go b.runBeside(ctx, end)
}

// runBeside makes one top-up, and notes if the deposit did not grow.
func (a *attempt) runBeside(ctx context.Context, end func()) {
	defer end()
	before := a.account.State().Deposit
	var err error
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
		if err != nil || !before.Less(a.account.State().Deposit) {
			a.s.beside.failed.begin(a.account.ID().Hex(), 0)
			a.s.log.DebugContext(ctx, "no top-up was made beside the requests", "channel", a.account.ID(), "error", err)
		}
	}()
	_, err = a.topUp(ctx, a.challenge.request, func() rule.State {
		state := a.account.State()
		state.Claimed = state.Claimed.Max(state.Deposit) // as if it were used up
		return state
	})
}

// alone returns the request without what belongs to its one sending, for requests that outlive it.
func (o *outgoing) alone(ctx context.Context) *outgoing {
	req := o.req.Clone(ctx)
	req.Body, req.GetBody, req.Response = nil, nil, nil
	req.Cancel = nil //nolint:staticcheck // it ends with the caller's request
	at := *o.at
	return &outgoing{req: req, at: &at, base: o.base}
}
