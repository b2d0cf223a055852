package model_test

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func (g *gate) price() voucher.Amount {
	return u([]uint64{100, 1, 37, 999, 1000, 1001, 0}[g.draw(7, "price")])
}

// reported returns an amount that a server may report.
func (g *gate) reported() voucher.Amount {
	s := g.disk.state(g, g.id)
	near := []voucher.Amount{
		{}, s.Signed, s.Claimed, s.Authorized(), s.Deposit, s.Spent, u(100), voucher.MaxAmount,
	}[g.draw(8, "near")]
	by := u(uint64(g.draw(128, "by")))
	if g.draw(2, "below") == 1 {
		return near.SubFloor(by)
	}
	return near.AddCapped(by)
}

// open returns a pending reservation of the process, or nil.
func (g *gate) open(p *gateProcess, stream bool) *gateRequest {
	var all []*gateRequest
	for _, a := range g.requests {
		if a.p == p && !a.ended && (!stream || !a.unit.IsZero()) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[g.draw(len(all), "reservation")]
}

func (g *gate) step() { g.stepOf(g.processes[g.draw(2, "process")], 0) }

// stepOf runs a step of a process. The other process may run one in the middle of its write or
// signature.
func (g *gate) stepOf(p *gateProcess, depth int) {
	if depth == 0 {
		other := g.processes[1-g.index(p)]
		nested := func() { g.stepOf(other, depth+1) }
		switch g.draw(8, "meanwhile") {
		case 6:
			p.atPut = nested
		case 7:
			p.atSign = nested
		}
	}
	ctx := context.Background()
	g.guard(p, func() {
		switch g.draw(20, "step") {
		case 0, 1, 2, 3:
			g.issue(ctx, p)
		case 4:
			g.renew(ctx, p)
		case 5, 6:
			g.refused(ctx, p)
		case 7:
			g.startStream(p)
		case 8, 9:
			g.more(ctx, p)
		case 10, 11, 12:
			g.finish(ctx, p)
		case 13:
			w := channel.Report{Accepted: g.reported(), Spent: g.reported()}
			g.logf("%d gets a report: spent %s of %s", g.index(p), w.Spent, w.Accepted)
			var c *ledger.Reservation
			if a := g.open(p, false); a != nil && g.draw(2, "in a response") == 1 {
				c = a.reservation
			}
			_ = p.account.Reconcile(ctx, c, w)
		case 14:
			g.fault(p)
		case 15:
			if depth == 0 {
				g.concurrent(p)
			}
		case 16:
			g.learn(ctx, p)
		case 17:
			g.fund(ctx, p)
		case 18:
			g.logf("%d flushes", g.index(p))
			_ = p.ledger.Flush(ctx)
		case 19:
			if depth == 0 {
				g.restart(p)
			}
		}
	})
}

func (g *gate) issue(ctx context.Context, p *gateProcess) {
	a := &gateRequest{p: p, price: g.price(), ended: true}
	want := rule.Request{
		Price:    a.price,
		MinDelta: u([]uint64{0, 0, 0, 150}[g.draw(4, "min delta")]),
	}
	g.logf("%d reserves %s", g.index(p), a.price)
	if rule.Of(g.lim).CheckPrice(a.price) == nil {
		g.requests = append(g.requests, a)
	}
	reservation, signed, err := p.account.Reserve(ctx, g.terms(), want)
	g.logf("  %d: %s, %v", g.index(p), signed.Cumulative, err)
	if err == nil {
		g.checkSigned(signed)
		a.reservation, a.last, a.ended = reservation, signed.Cumulative, false
	}
}

// renew reserves another price in a pending reservation, or in a released one.
func (g *gate) renew(ctx context.Context, p *gateProcess) {
	price := g.price()
	for _, a := range g.requests {
		if a.p == p && a.released && g.draw(2, "follow") == 1 {
			g.logf("%d follows the released %s with %s", g.index(p), a.price, price)
			g.costs(a, price)
			signed, err := a.reservation.Decide(ctx, rule.Request{Price: price})
			g.decided(a, signed, err)
			if err == nil {
				a.ended, a.released = false, false
			}
			return
		}
	}
	if a := g.open(p, false); a != nil && a.unit.IsZero() {
		g.logf("%d reserves %s in place of %s", g.index(p), price, a.price)
		g.costs(a, price)
		signed, err := a.reservation.Decide(ctx, rule.Request{Price: price})
		g.decided(a, signed, err)
	}
}

// costs records a price that the caller agrees to.
func (g *gate) costs(a *gateRequest, price voucher.Amount) {
	if rule.Of(g.lim).CheckPrice(price) == nil {
		a.price = a.price.Max(price)
	}
}

func (g *gate) decided(a *gateRequest, signed voucher.Signed, err error) {
	g.logf("  %d: %s, %v", g.index(a.p), signed.Cumulative, err)
	if err == nil {
		g.checkSigned(signed)
		a.last = signed.Cumulative
	}
}

// refused handles a server that refused the voucher that was sent.
func (g *gate) refused(ctx context.Context, p *gateProcess) {
	a := g.open(p, false)
	if a == nil {
		return
	}
	presented := a.last
	if g.draw(4, "older") == 3 {
		presented = presented.SubFloor(u(100))
	}
	g.logf("%d: the server refuses %s for %s", g.index(p), presented, a.price)
	signed, err := a.reservation.Again(ctx, presented)
	g.decided(a, signed, err)
}

// startStream turns a request into a stream.
func (g *gate) startStream(p *gateProcess) {
	if a := g.open(p, false); a != nil && a.unit.IsZero() {
		a.unit = a.price
		g.logf("%d streams at %s", g.index(p), a.unit)
		a.reservation.Stream(a.unit, func() uint64 { return a.events })
		if g.draw(2, "runs ahead") == 1 {
			a.reservation.RunAhead(func() uint64 { return a.contents })
		}
	}
}

// more delivers events of a stream and requires a voucher for the next.
func (g *gate) more(ctx context.Context, p *gateProcess) {
	a := g.open(p, true)
	if a == nil {
		return
	}
	came := uint64([]int{0, 1, 2, 8}[g.draw(4, "events")])
	a.events += came
	if g.draw(4, "empty") != 3 {
		a.contents += came
	}
	required := g.reported()
	a.mores++
	g.logf(
		"%d: a stream of %s delivered %d and requires %s", g.index(p), a.unit, a.events, required,
	)
	signed, err := a.reservation.More(ctx, required)
	g.decided(a, signed, err)
}

func (g *gate) finish(ctx context.Context, p *gateProcess) {
	a := g.open(p, false)
	if a == nil {
		return
	}
	a.ended = true
	if !a.unit.IsZero() && g.draw(2, "read to its end") == 1 {
		a.reservation.Complete()
	}
	switch g.draw(3, "end") {
	case 0:
		w := channel.Report{Accepted: g.reported(), Spent: g.reported()}
		g.logf("%d settles %s: spent %s of %s", g.index(p), a.price, w.Spent, w.Accepted)
		_ = a.reservation.Settle(ctx, w)
	case 1:
		g.logf("%d keeps %s", g.index(p), a.price)
		a.reservation.Keep()
	case 2:
		g.logf("%d releases %s", g.index(p), a.price)
		a.reservation.Release()
		a.released = a.unit.IsZero()
	}
}

func (g *gate) fault(p *gateProcess) {
	kind, soon := g.draw(4, "fault"), 1+g.draw(3, "soon")
	g.logf("%d: fault %d in %d", g.index(p), kind, soon)
	p.stored = kind&1 == 1
	if kind < 2 {
		p.failsAt = p.puts + soon
	} else {
		p.crashesAt = p.puts + soon
	}
}

// learn recovers a voucher from a server, requests the voucher of a close, or reads the chain.
func (g *gate) learn(ctx context.Context, p *gateProcess) {
	switch kind := g.draw(4, "learns"); {
	case kind == 0 && g.real != nil && len(g.vouchers) > 0:
		v := g.vouchers[g.draw(len(g.vouchers), "voucher")]
		if g.draw(2, "forged") == 1 {
			v.Cumulative = g.reported()
		}
		g.logf("%d recovers %s", g.index(p), v.Cumulative)
		_ = p.account.Update(ctx, func(s rule.State) rule.State {
			next, err := s.Recover(v)
			if err != nil {
				return s
			}
			return next
		})
	case kind == 1:
		signed, err := p.account.CloseVoucher(ctx, voucher.Amount{})
		g.logf("%d: closing voucher %s, %v", g.index(p), signed.Cumulative, err)
		if err == nil && !signed.Cumulative.IsZero() {
			g.checkSigned(signed)
		}
	default:
		if len(g.vouchers) > 0 && g.draw(2, "settles") == 1 {
			shown := g.vouchers[g.draw(len(g.vouchers), "voucher")].Cumulative
			g.chain.Settled = g.chain.Settled.Max(shown).
				Min(g.chain.Deposit)
		}
		g.logf("%d reads the chain: settled %s of %s", g.index(p), g.chain.Settled, g.chain.Deposit)
		c := g.chain
		_ = p.account.Update(ctx, func(s rule.State) rule.State { return s.Settle(c) })
	}
}

// fund makes a top-up, which the chain may mine.
func (g *gate) fund(ctx context.Context, p *gateProcess) {
	more := u(uint64(500 * (1 + g.draw(4, "more"))))
	before, left := p.account.State(), false
	if before.ToppingUp.Pending() || g.lim.Deposit.Less(before.Deposit.AddCapped(more)) {
		return
	}
	raw := []byte{0x76, byte(len(g.requests))}
	err := p.account.Update(ctx, func(s rule.State) rule.State {
		if left = s.Deposit == before.Deposit && !s.ToppingUp.Pending(); !left {
			return s
		}
		return s.Funded(
			rule.Funding{Amount: more, Raw: raw, Hash: common.Hash{1}, ValidBefore: 100},
		)
	})
	g.logf("%d tops up by %s: %t, %v", g.index(p), more, left, err)
	if err != nil || !left {
		return
	}
	if g.draw(4, "mined") > 0 {
		g.chain.Deposit = g.chain.Deposit.AddCapped(more)
	}
	if g.draw(4, "reported") > 0 {
		_ = p.account.Update(ctx, rule.State.ToppedUp)
	}
}
