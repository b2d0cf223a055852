package main

// theFees is what transactions cost, and what that counts in.
var theFees = []defect{
	{
		name: "fees: a session that starts beside others is refused", breaks: "one fee is enough for sessions that start at once on an empty store",
		pkg: "client", fn: "attempt.openedElsewhere", from: `return true`, to: `return false`, tests: inClient, run: `^TestFee`,
	},
	{
		name: "fees: an honest refusal waits", breaks: "a fee that the limits have no room for is refused at once if nobody else opens",
		pkg: "internal/budget", fn: "Budgets.FeesUnderWay", from: `now < p.Until`, to: `now < p.Until+3600`, tests: inClient, run: `^TestFee`,
	},
	{
		name: "fees: a channel of others is waited for without an end", breaks: "a fee is refused after five seconds",
		pkg: "client", fn: "attempt.openedElsewhere", from: `openingsWait); `, to: `time.Hour); `, tests: inClient, run: `^TestFee`,
	},
	{
		name: "fees: not agreed to before the signature", breaks: "a transaction is signed after its highest fee was reserved",
		pkg: "channel/escrow", fn: "job.pays", from: `return j.agree(ctx, fee)`, to: `return nil`, tests: inEscrow,
	},
	{
		name: "fees: one transaction without a limit", breaks: "Limits.Fees.Transaction bounds each transaction",
		pkg: "internal/ledger", fn: "Ledger.ReserveFee", from: `most.Less(f.Max) && !free`, to: `false`, tests: inLedger,
	},
	{
		name: "fees: not in the total", breaks: "Limits.Total counts what fees can take",
		pkg: "internal/ledger", fn: "Ledger.fundFee", from: `if total.Less(l.funded[group].AddCapped(fee)) {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "fees: not in the limits of all payments", breaks: "what leaves a wallet counts in the limits over time",
		pkg: "internal/budget", fn: "Budgets.refuses", from: `if f.Returns {`, to: `if true {`, tests: inLedger,
	},
	{
		name: "fees: not in their own limits over time", breaks: "Limits.Fees bounds fees over time",
		pkg: "internal/budget", fn: "Budgets.FeeRooms", from: `used = used.AddCapped(p.Amount)`, to: `_ = p`, tests: inLedger,
	},
	{
		name: "fees: a withdrawal refused that brings back more", breaks: "limits on fees do not lock money up",
		pkg: "internal/ledger", fn: "Ledger.ReserveFee", from: `free := use.Returns && f.Max.Less(use.Back)`, to: `free := false`, tests: inLedger,
	},
	{
		name: "fees: given back in full", breaks: "what was charged goes on counting",
		pkg: "internal/budget", fn: "Budgets.CorrectFee", from: `charged.Min(p.Amount)`, to: `voucher.Amount{}`, tests: inLedger,
	},
	{
		name: "fees: a node's number above the highest", breaks: "no number of a node makes a fee count for more than was signed",
		pkg: "internal/rule", fn: "State.Charged", from: `amount = amount.Min(was.Max)`, to: `_ = was.Max`, tests: inRule,
	},
	{
		name: "fees: forgotten with the next top-up", breaks: "a fee that is not known stays on record",
		pkg: "internal/rule", fn: "State.Costing", from: `append(slices.Clone(s.fees.Due), f)`, to: `[]Fee{f}`, tests: inRule,
	},
	{
		name: "fees: another payer's receipt believed", breaks: "a receipt that is not of the payer's fee leaves the highest counting",
		pkg: "client", fn: "Session.feeTold", from: `r.FeePayer != account.State().Descriptor.Payer`, to: `false`, tests: inClient, run: `Fees`,
	},
	{
		name: "fees: a missing receipt believed at once", breaks: "one answer that shows nothing proves nothing",
		pkg: "client", fn: "Session.readFees", from: `case r.Time >= f.ValidBefore+unminedAfter:`, to: `case r.Time > 0:`, tests: inClient, run: `Fees`,
	},
	{
		name: "fees: not on record when a close request leaves", breaks: "what a transaction can cost is stored before it is sent",
		pkg: "channel/escrow", fn: "Client.onOwn", from: `if err := p.Record(ctx, t.fee()); err != nil {`, to: `if err := p.Record(ctx, t.fee()); false {`, tests: inEscrow,
	},
	{
		name: "fees: a receipt that a node forgot", breaks: "a fee of what the chain shows counts",
		pkg: "internal/rule", fn: "Fee.Missing", from: `if f.Mined {`, to: `if false {`, tests: inRule,
	},
	{
		name: "fees: signed above what was agreed to", breaks: "what can cost more than was agreed to does not leave",
		pkg: "client", fn: "feeHold.of", from: `h.fee.Max.Less(signed.Max)`, to: `false`, tests: inClient, run: `TestChains`,
	},
	{
		name: "fees: a longer limit raises the shorter ones", breaks: "limits of a context only lower",
		pkg: "internal/rule", fn: "Limits.Override", from: `bound.Less(is[i].Allowed)`, to: `is[i].Allowed.Less(is[i].Allowed)`, tests: inRule,
	},
}
