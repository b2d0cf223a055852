package main

// theFunding is finding, opening, filling and closing channels.
var theFunding = []defect{
	{
		name: "find: a channel that cannot be recorded is passed over", breaks: "no second deposit in place of a channel that the payee shows",
		pkg: "client", fn: "attempt.try", from: `if err == nil || errors.Is(err, channel.ErrNotOurs) ||`, to: `if err == nil || err.Error() != "" ||`,
		tests: inClient, run: `^TestFoundChannel`,
	},
	{
		name: "fund: what the caller names is not checked", breaks: "a named channel fits the challenge and takes vouchers",
		pkg: "client", fn: "Session.named", from: `if have != scope || !state.Payable() {`, to: `if false {`, tests: inClient, run: `^Test(NamedChannel|WithChannel)`,
	},
	{
		name: "fund: a mined top-up is given back to the total", breaks: "what left counts against Limits.Total unless it can never be mined",
		pkg: "internal/ledger", fn: "Ledger.Correct", from: ` && !before.ToppingUp.Before.Less(after.Deposit) {`, to: ` {`, tests: inLedger,
	},
	{
		name: "fund: hint's deposit believed", breaks: "a deposit is what we put in or the chain has, not what a snapshot says",
		pkg: "client", fn: "claimed", from: `	if snap.Voucher == nil && state.Settled`, to: `	state.Deposit = state.Deposit.Max(snap.Deposit)
	if snap.Voucher == nil && state.Settled`, tests: inClient, run: `Snapshot|Hints|^TestBootstrap`,
	},
	{
		name: "fund: a challenge's deposit believed", breaks: "what a challenge says of a channel that we have fills nothing",
		pkg: "client", fn: "Session.absorb", from: `	if err := account.Reconcile(ctx, r, snap.Report); err != nil {`, to: `	_ = account.Update(ctx, func(s rule.State) rule.State { s.Deposit = s.Deposit.Max(snap.Deposit); return s })
	if err := account.Reconcile(ctx, r, snap.Report); err != nil {`, tests: inClient, run: `Snapshot|Hints|Claims`,
	},
	{
		name: "fund: snapshot voucher not verified", breaks: "a voucher in a snapshot is verified before the channel is used",
		pkg: "client", fn: "claimed", from: `if state, err = state.Recover(*snap.Voucher); err != nil {`, to: `if _, err = state.Recover(*snap.Voucher); false {`, tests: inClient, run: `Snapshot|Hints|^TestBootstrap`,
	},
	{
		name: "fund: accepted without a voucher believed", breaks: "flat hints prove nothing: a channel whose numbers nobody proves is not used",
		pkg: "client", fn: "claimed", from: `	if snap == nil {`, to: `	if snap == nil || snap.Voucher == nil {`, tests: inClient, run: `Snapshot|Hints|^TestB`,
	},
	{
		name: "fund: a snapshot that contradicts itself is used", breaks: "a server whose numbers cannot be is not resumed",
		pkg: "client", fn: "claimed", from: `	if err != nil {
		err = fmt.Errorf("%w: %w"`, to: `	err = nil
	if err != nil {
		err = fmt.Errorf("%w: %w"`, tests: inClient, run: `Snapshot|Hints|^TestBootstrap`,
	},
	{
		name: "fund: a hint replaces our channel", breaks: "what a server names never replaces a usable channel of ours",
		pkg: "internal/purchase", fn: "Purchase.use", from: `	case p.standing == Usable:
`, to: `	case p.standing == Usable && p.nameable:
		return Action{Do: Open}
	case p.standing == Usable:
`, tests: []string{"client"}, run: `Snapshot|Hints|Announcing`,
	},
	{
		name: "fund: an opening is signed twice", breaks: "one opening transaction for one need, presented until it is decided",
		pkg: "internal/purchase", fn: "Purchase.use", from: `return p.read(readOpening)`, to: `return Action{Do: Open}`, tests: []string{"client"}, run: `^TestOpening|^TestLostAnswerToAnOpening`,
	},
	{
		name: "fund: a closed session tops up beside requests", breaks: "top-ups beside requests end with Session.Close",
		pkg: "client", fn: "beside.begin", from: `busy || b.closed || `, to: `busy || `, tests: inClient, run: `^TestNoTopUpBesideRequests$`,
	},
	{
		name: "fund: a failed top-up beside requests is tried again at once", breaks: "a payee that refuses one costs one try a while",
		pkg: "client", fn: "beside.begin", from: ` || b.rest.within(besideRest, id.Hex())`, to: ``, tests: inClient, run: `^TestNoTopUpBesideRequests$`,
	},
	{
		name: "fund: the first request that leaves little tops up", breaks: "a program with one request pays for no second",
		pkg: "client", fn: "beside.begin", from: ` || !steady`, to: ` || steady && false`, tests: inClient, run: `^TestNoTopUpBesideRequests$`,
	},
	{
		name: "fund: a price that a person approves tops up", breaks: "nothing is locked for requests that a person may not approve",
		pkg: "client", fn: "attempt.topUpBeside", from: `, !ask.IsZero() && ask.Less(a.price):`, to: `, ask.Less(ask):`, tests: inClient, run: `^TestNoTopUpBesideRequests$`,
	},
	{
		name: "fund: two sessions top up beside requests", breaks: "a top-up that another made since is not made again",
		pkg: "client", fn: "attempt.runBeside", from: `state.Claimed.Max(before)`, to: `state.Claimed.Max(state.Deposit)`, tests: inClient, run: `^TestTopUpBesideTwoSessions$`,
	},
	{
		name: "fund: a close request overtakes a top-up", breaks: "a top-up that is mined later cancels no close request",
		pkg: "client", fn: "Channels.RequestClose", from: `c.s.beside.spare(ctx, id)`, to: ``, tests: inClient, run: `^TestCloseRequestWaitsForTopUps$`,
	},
	{
		name: "close: a session without a store leaves its channels open", breaks: "what nobody can pay from later is closed",
		pkg: "client", fn: "Config.complete", from: `store.NewMem(), true`, to: `store.NewMem(), c.CloseChannels`, tests: inClient, run: `^TestSessionsWithoutStore`,
	},
	{
		name: "close: what stays locked is not told", breaks: "Session.Close tells what stays in channels",
		pkg: "client", fn: "Session.tellUsed", from: `case !st.HoldsMoney():`, to: `case st.HoldsMoney():`, tests: inClient, run: `^TestCloseTells`,
	},
	{
		name: "close: every record of other channels is read", breaks: "a program that ends soon has no time for ten thousand",
		pkg: "client", fn: "Session.tellLocked", from: `if most--; most < 0 {`, to: `if most--; most < -1<<20 {`, tests: inClient, run: `^TestCloseReadsFew`,
	},
	{
		name: "credit of others: a payee that refuses equal vouchers is sent one", breaks: "nothing is sent that is refused for certain",
		pkg: "internal/purchase", fn: "prepared", from: `if e.Apart {`, to: `if false {`, tests: inPurchase, run: `^TestCreditThatOthersUse`,
	},
	{
		name: "close: a channel in use is closed as idle", breaks: "only what was not paid from for a time is closed",
		pkg: "client", fn: "Session.closeIdle", from: `> idle`, to: `> 0`, tests: inClient, run: `^TestCloseIdle$`,
	},
	{
		name: "fund: second top-up signed for the same need", breaks: "one top-up for one need, presented until it is decided",
		pkg: "client", fn: "attempt.topUp", from: `	if !state.ToppingUp.Pending() {
`, to: `	if true {
`, tests: inClient, run: `TopUp`,
	},
	{
		name: "fund: a top-up by hand above Deposit", breaks: "limits bind a top-up that the owner asks for",
		pkg: "internal/rule", fn: "PlanTopUp", from: `lim.Deposit.Less(deposit)`, to: `lim.Deposit.Less(amount)`, tests: inClient, run: `^TestTopUpByHand`,
	},
	{
		name: "fund: a top-up by hand above Total", breaks: "limits bind a top-up that the owner asks for",
		pkg: "internal/rule", fn: "PlanTopUp", from: `total.Less(all)`, to: `total.Less(amount)`, tests: inRule, run: `^TestPlanTopUp$`,
	},
	{
		name: "fund: the fee of a top-up by hand is outside the run", breaks: "the budgets of a context bound what calls under it cost",
		pkg: "client", fn: "toppingUp.prepare", from: `a.charge = ledger.NewCharge(budgets...)`, to: `_ = ledger.NewCharge(budgets...)`, tests: inClient, run: `^TestTopUpByHandCosts`,
	},
	{
		name: "fund: a top-up by hand that was mined is made again", breaks: "the same call again adds nothing to what it began",
		pkg: "client", fn: "toppingUp.once", from: `begun && was.Deposit.Less(state.Deposit):`, to: `begun && false:`, tests: inClient, run: `^TestTopUpByHand`,
	},
	{
		name: "fund: a confirmed top-up counts as the next", breaks: "each call that returns no error adds its amount",
		pkg: "client", fn: "toppingUp.begun", from: ` && state.Deposit.Less(f.Before.AddCapped(f.Amount))`, to: ``, tests: inClient, run: `^TestTopUpByHand`,
	},
	{
		name: "fund: a top-up over another session's", breaks: "two sessions of one store stay within Limits.Deposit together",
		pkg: "client", fn: "attempt.recordTopUp", from: `if overtaken = s.Deposit != planned.Deposit || s.ToppingUp.Pending() || !s.Payable(); overtaken {`, to: `if overtaken = false; overtaken {`, tests: inClient, run: `^TestTwoSessions`,
	},
	{
		name: "fund: a second opening for one request", breaks: "one request opens one channel at most",
		pkg: "internal/purchase", fn: "Purchase.use", from: `len(p.openings) == 1 && !p.gone:`, to: `false:`, tests: inPurchase,
	},
	{
		name: "fund: a gone channel is not put aside", breaks: "a channel whose payee is gone is kept for its money and not paid from",
		pkg: "client", fn: "attempt.putAside", from: `a.account.Update(ctx, rule.State.Abandoned)`, to: `a.account.Update(ctx, func(s rule.State) rule.State { return s })`, tests: inClient, run: `^Test(Forgotten|AlwaysGone)`,
	},
	{
		name: "fund: close receipt unchecked", breaks: "a close receipt says what was sent, or the chain decides",
		pkg: "client", fn: "checkCloseReceipt", from: `case r.Accepted != state.CloseAmount:`, to: `case false:`, tests: inClient, run: `^TestClose`,
	},
	{
		name: "fund: a close that spends more is believed", breaks: "a close receipt above the close voucher is no receipt",
		pkg: "client", fn: "checkCloseReceipt", from: `case state.CloseAmount.Less(r.Spent):`, to: `case false:`, tests: inClient, run: `^TestClose`,
	},
	{
		name: "fund: a close is believed without the chain", breaks: "a channel is closed when the chain says so",
		pkg: "client", fn: "closing.confirm", from: `		if s.cfg.Chain == nil {
			return nil
		}`, to: `		return nil`, tests: inClient, run: `^TestClose`,
	},
	{
		name: "fund: receipts are not read", breaks: "a funding transaction that was mined and reverted is not waited for",
		pkg: "client", fn: "Session.observe", from: `tx != zeroHash && !o.stateOnly &&`, to: `false && tx != zeroHash && !o.stateOnly &&`, tests: inClient, run: `^TestReverted`,
	},
	{
		name: "fund: a close is requested without end", breaks: "a payee that refuses to close for nothing is asked a few times",
		pkg: "client", fn: "closing.send", from: `refused = signed.Cumulative.Max(voucher.Units(1))`, to: `refused, try = signed.Cumulative, 1`, tests: inClient, run: `^TestClose`,
	},
	{
		name: "fund: closed under other terms", breaks: "a close goes to the payee that the channel was opened for",
		pkg: "client", fn: "Session.managing", from: `if !sameScope(a.challenge.scope, state.Scope) {`, to: `if false {`, tests: inClient, run: `^TestClose|Close$`,
	},
	{
		name: "fund: a lost close is taken back", breaks: "a close that may have arrived keeps the channel closing",
		pkg: "client", fn: "closing.run", from: `return err // it may have arrived: the channel stays closing`, to: `return errors.Join(err, c.account.Update(ctx, rule.State.CloseRefused))`, tests: inClient, run: `Close`,
	},
}
