package model_test

import (
	"context"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// runBudget bounds the cost of all calls of a run.
const runBudget = 250

// within returns the context of a call: the process's own, or that of its run.
func (proc *process) within(run bool) context.Context {
	if !run {
		return proc.ctx
	}
	if proc.run == nil {
		proc.run = client.WithBudget(proc.ctx, client.NewBudget(proc.w.asset(), u(runBudget)))
	}
	return proc.run
}

func (w *world) asset() channel.Asset {
	return channel.Asset{ChainID: w.srv.ChainID, Token: w.srv.Token}
}

// countCost counts a voucher that is about to be sent. The call pays for its increase over all
// vouchers that were sent before on the channel.
func (w *world) countCost(proc *process, id common.Hash, cumulative voucher.Amount) {
	by := cumulative.SubFloor(w.sent[id])
	w.sent[id] = w.sent[id].Max(cumulative)
	call := w.call()
	if call == nil || by.IsZero() {
		return
	}
	call.cost[id] = call.cost[id].AddCapped(by)
	if call.run {
		proc.spent = proc.spent.AddCapped(by)
	}
}

// exact reports whether each voucher exceeds the one before by the price of its own call. That is
// so if no voucher got lost and nothing is authorized ahead.
func (w *world) exact() bool { return w.noFaults && w.lim.Ahead.IsZero() }

// checkCalls checks what each call made redeemable on all channels together: one price, or two if
// the payee refused the first payment for good.
func (w *world) checkCalls() {
	if !w.exact() {
		return
	}
	for _, c := range w.calls {
		var sum voucher.Amount
		for id, by := range c.cost {
			if w.srv.Chain.Channel(id).Exists {
				sum = sum.AddCapped(by)
			}
		}
		agreed := w.agreed(c)
		if twice := agreed.AddCapped(agreed); twice.Less(sum) {
			w.fail("one call cost more than two prices", "%s, agreed to %s", sum, agreed)
		}
	}
}

// checkBudgets checks the budgets of runs and of the hour.
func (w *world) checkBudgets(authorized voucher.Amount) {
	for _, proc := range w.processes {
		if w.exact() && u(runBudget).Less(proc.spent) {
			w.fail("a run cost more than its budget", "%s of %d", proc.spent, runBudget)
		}
	}
	now := time.Now()
	w.samples = append(w.samples, sample{now, authorized})
	hour := w.lim.All.Hour
	if hour.IsZero() {
		return
	}
	// Neither of the two processes must have seen the other's latest writes.
	most := hour.AddCapped(hour)
	for _, s := range w.samples {
		if now.Sub(s.at) < time.Hour && most.Less(authorized.SubFloor(s.authorized)) {
			w.fail(
				"an hour authorized more than its budget", "%s of %s",
				authorized.SubFloor(s.authorized), hour,
			)
		}
	}
}

// sample is the sum that all channels had authorized at a time.
type sample struct {
	at         time.Time
	authorized voucher.Amount
}
