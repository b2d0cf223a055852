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

// word is anything that a server may say.
func (g *gate) word() voucher.Amount {
	s := g.disk.state(g, g.id)
	near := []voucher.Amount{{}, s.Signed, s.Claimed, s.Authorized(), s.Deposit, s.Spent, u(100), voucher.MaxAmount}[g.draw(8, "near")]
	by := u(uint64(g.draw(128, "by")))
	if g.draw(2, "below") == 1 {
		return near.SubFloor(by)
	}
	return near.AddCapped(by)
}

// open is a claim in flight of the process, nil where there is none.
func (g *gate) open(p *process, stream bool) *ask {
	var all []*ask
	for _, a := range g.asks {
		if a.p == p && !a.ended && (!stream || !a.unit.IsZero()) {
			all = append(all, a)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[g.draw(len(all), "claim")]
}

func (g *gate) step() { g.stepOf(g.lives[g.draw(2, "process")], 0) }

// stepOf does one thing in a process. In the middle of its write, or of its signature, the other may do one too.
func (g *gate) stepOf(p *process, depth int) {
	if depth == 0 {
		other := g.lives[1-g.index(p)]
		nested := func() { g.stepOf(other, depth+1) }
		switch g.draw(8, "meanwhile") {
		case 6:
			p.atPut = nested
		case 7:
			p.atSign = nested
		}
	}
	ctx := context.Background()
	g.lived(p, func() {
		switch g.draw(20, "step") {
		case 0, 1, 2, 3:
			g.issue(ctx, p)
		case 4:
			g.renew(ctx, p)
		case 5, 6:
			g.again(ctx, p)
		case 7:
			g.begin(p)
		case 8, 9:
			g.more(ctx, p)
		case 10, 11, 12:
			g.endOf(ctx, p)
		case 13:
			w := channel.Report{Accepted: g.word(), Spent: g.word()}
			g.note("%d hears %s of %s", g.index(p), w.Spent, w.Accepted)
			var c *ledger.Reservation
			if a := g.open(p, false); a != nil && g.draw(2, "on an answer") == 1 {
				c = a.claim
			}
			_ = p.account.Reconcile(ctx, c, w)
		case 14:
			g.trouble(p)
		case 15:
			if depth == 0 {
				g.together(p)
			}
		case 16:
			g.learn(ctx, p)
		case 17:
			g.fund(ctx, p)
		case 18:
			g.note("%d is flushed", g.index(p))
			_ = p.ledger.Flush(ctx)
		case 19:
			if depth == 0 {
				g.rebirth(p)
			}
		}
	})
}

func (g *gate) issue(ctx context.Context, p *process) {
	a := &ask{p: p, price: g.price(), ended: true}
	want := rule.Request{Price: a.price, MinDelta: u([]uint64{0, 0, 0, 150}[g.draw(4, "min delta")])}
	g.note("%d asks for %s", g.index(p), a.price)
	if rule.Of(g.lim).CheckPrice(a.price) == nil {
		g.asks = append(g.asks, a)
	}
	claim, signed, err := p.account.Reserve(ctx, g.terms(), want)
	g.note("  %d: %s, %v", g.index(p), signed.Cumulative, err)
	if err == nil {
		g.issued(signed)
		a.claim, a.last, a.ended = claim, signed.Cumulative, false
	}
}

// renew decides a claim again, or follows one that was released.
func (g *gate) renew(ctx context.Context, p *process) {
	price := g.price()
	for _, a := range g.asks {
		if a.p == p && a.released && g.draw(2, "follow") == 1 {
			g.note("%d follows %s with %s", g.index(p), a.price, price)
			g.costs(a, price)
			signed, err := a.claim.Decide(ctx, rule.Request{Price: price})
			g.decided(a, signed, err)
			if err == nil {
				a.ended, a.released = false, false
			}
			return
		}
	}
	if a := g.open(p, false); a != nil && a.unit.IsZero() {
		g.note("%d asks for %s in place of %s", g.index(p), price, a.price)
		g.costs(a, price)
		signed, err := a.claim.Decide(ctx, rule.Request{Price: price})
		g.decided(a, signed, err)
	}
}

// costs notes a price that the caller agrees to.
func (g *gate) costs(a *ask, price voucher.Amount) {
	if rule.Of(g.lim).CheckPrice(price) == nil {
		a.price = a.price.Max(price)
	}
}

func (g *gate) decided(a *ask, signed voucher.Signed, err error) {
	g.note("  %d: %s, %v", g.index(a.p), signed.Cumulative, err)
	if err == nil {
		g.issued(signed)
		a.last = signed.Cumulative
	}
}

// again is a server that refuses what was presented.
func (g *gate) again(ctx context.Context, p *process) {
	a := g.open(p, false)
	if a == nil {
		return
	}
	presented := a.last
	if g.draw(4, "older") == 3 {
		presented = presented.SubFloor(u(100))
	}
	g.note("%d is refused %s for %s", g.index(p), presented, a.price)
	signed, err := a.claim.Again(ctx, presented)
	g.decided(a, signed, err)
}

// begin makes a stream of a request.
func (g *gate) begin(p *process) {
	if a := g.open(p, false); a != nil && a.unit.IsZero() {
		a.unit = a.price
		g.note("%d streams at %s", g.index(p), a.unit)
		a.claim.Stream(a.unit, func() uint64 { return a.events })
	}
}

// more brings events of a stream, and asks for the next.
func (g *gate) more(ctx context.Context, p *process) {
	a := g.open(p, true)
	if a == nil {
		return
	}
	a.events += uint64(g.draw(4, "events"))
	required := g.word()
	a.mores++
	g.note("%d: a stream of %s brought %d and requires %s", g.index(p), a.unit, a.events, required)
	signed, err := a.claim.More(ctx, required)
	g.decided(a, signed, err)
}

func (g *gate) endOf(ctx context.Context, p *process) {
	a := g.open(p, false)
	if a == nil {
		return
	}
	a.ended = true
	switch g.draw(3, "end") {
	case 0:
		w := channel.Report{Accepted: g.word(), Spent: g.word()}
		g.note("%d is done with %s: %s of %s", g.index(p), a.price, w.Spent, w.Accepted)
		_ = a.claim.Settle(ctx, w)
	case 1:
		g.note("%d is done with %s", g.index(p), a.price)
		a.claim.Keep()
	case 2:
		g.note("%d was not charged %s", g.index(p), a.price)
		a.claim.Release()
		a.released = a.unit.IsZero()
	}
}

func (g *gate) trouble(p *process) {
	kind, soon := g.draw(4, "trouble"), 1+g.draw(3, "soon")
	g.note("%d gets trouble %d in %d", g.index(p), kind, soon)
	p.stored = kind&1 == 1
	if kind < 2 {
		p.failsAt = p.puts + soon
	} else {
		p.diesAt = p.puts + soon
	}
}

// learn is a voucher that somebody shows, the chain's word, or the voucher of a close.
func (g *gate) learn(ctx context.Context, p *process) {
	switch kind := g.draw(4, "learns"); {
	case kind == 0 && g.real != nil && len(g.made) > 0:
		v := g.made[g.draw(len(g.made), "voucher")]
		if g.draw(2, "forged") == 1 {
			v.Cumulative = g.word()
		}
		g.note("%d is shown %s", g.index(p), v.Cumulative)
		_ = p.account.Update(ctx, func(s rule.State) rule.State {
			next, err := s.Recover(v)
			if err != nil {
				return s
			}
			return next
		})
	case kind == 1:
		signed, err := p.account.CloseVoucher(ctx, voucher.Amount{})
		g.note("%d would close with %s, %v", g.index(p), signed.Cumulative, err)
		if err == nil && !signed.Cumulative.IsZero() {
			g.issued(signed)
		}
	default:
		if len(g.made) > 0 && g.draw(2, "settles") == 1 {
			g.chain.Settled = g.chain.Settled.Max(g.made[g.draw(len(g.made), "voucher")].Cumulative).Min(g.chain.Deposit)
		}
		g.note("%d sees the chain: %s of %s", g.index(p), g.chain.Settled, g.chain.Deposit)
		c := g.chain
		_ = p.account.Update(ctx, func(s rule.State) rule.State { return s.Settle(c) })
	}
}

// fund is a top-up, which the chain mines or not.
func (g *gate) fund(ctx context.Context, p *process) {
	more := u(uint64(500 * (1 + g.draw(4, "more"))))
	before, left := p.account.State(), false
	if before.ToppingUp.Pending() || g.lim.Deposit.Less(before.Deposit.AddCapped(more)) {
		return
	}
	raw := []byte{0x76, byte(len(g.asks))}
	err := p.account.Update(ctx, func(s rule.State) rule.State {
		if left = s.Deposit == before.Deposit && !s.ToppingUp.Pending(); !left {
			return s
		}
		return s.Funded(rule.Funding{Amount: more, Raw: raw, Hash: common.Hash{1}, ValidBefore: 100})
	})
	g.note("%d tops up by %s: %t, %v", g.index(p), more, left, err)
	if err != nil || !left {
		return
	}
	if g.draw(4, "mined") > 0 {
		g.chain.Deposit = g.chain.Deposit.AddCapped(more)
	}
	if g.draw(4, "said") > 0 {
		_ = p.account.Update(ctx, rule.State.ToppedUp)
	}
}
