package model_test

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// runBudget is what the calls of one run may cost together.
const runBudget = 250

// within returns the context of a call of the life, in its run or not.
func (l *life) within(run bool) context.Context {
	if !run {
		return l.ctx
	}
	if l.run == nil {
		l.run = client.WithBudget(l.ctx, client.NewBudget(l.w.asset(), u(runBudget)))
	}
	return l.run
}

func (w *world) asset() channel.Asset {
	return channel.Asset{ChainID: w.srv.ChainID, Token: w.srv.Token}
}

// rises notes a voucher that is about to leave. By how much it is above all that left before on its
// channel is the cost of the call under way.
func (w *world) rises(l *life, id common.Hash, cumulative voucher.Amount) {
	by := cumulative.SubFloor(w.left[id])
	w.left[id] = w.left[id].Max(cumulative)
	call := w.call()
	if call == nil || by.IsZero() {
		return
	}
	call.risen[id] = call.risen[id].AddCapped(by)
	if call.run {
		l.spent = l.spent.AddCapped(by)
	}
}

// exact reports whether each voucher that leaves is above the one before by the price of its own call:
// nothing that was authorized got lost on the way, and nothing is authorized ahead.
func (w *world) exact() bool { return w.sound && w.lim.Ahead.IsZero() }

// checkCalls checks what each call made redeemable, on all channels together: one price, or two if the
// payee took back what it had asked to be paid by.
func (w *world) checkCalls() {
	if !w.exact() {
		return
	}
	for _, c := range w.calls {
		var sum voucher.Amount
		for id, by := range c.risen {
			if w.srv.Chain.Channel(id).Exists {
				sum = sum.AddCapped(by)
			}
		}
		agreed := w.agreed(c)
		if twice := agreed.AddCapped(agreed); twice.Less(sum) {
			w.broken("one call cost more than two prices", "%s, agreed to %s", sum, agreed)
		}
	}
}

// checkBudgets checks the budgets of runs and of the hour.
func (w *world) checkBudgets(authorized voucher.Amount) {
	for _, l := range w.lives {
		if w.exact() && u(runBudget).Less(l.spent) {
			w.broken("a run cost more than its budget", "%s of %d", l.spent, runBudget)
		}
	}
	now := time.Now()
	w.samples = append(w.samples, sample{now, authorized})
	hour := w.lim.All.Hour
	if hour.IsZero() {
		return
	}
	// Each of two processes may not have seen what the other did a moment ago.
	most := hour.AddCapped(hour)
	for _, s := range w.samples {
		if now.Sub(s.at) < time.Hour && most.Less(authorized.SubFloor(s.authorized)) {
			w.broken("an hour authorized more than its budget", "%s of %s", authorized.SubFloor(s.authorized), hour)
		}
	}
}

// sample is what all channels had authorized at one time.
type sample struct {
	at         time.Time
	authorized voucher.Amount
}
