package main

// theStream is what a stream may ask for.
var theStream = []defect{
	{
		name: "stream: what a stream brings is not counted", breaks: "pieces that came are counted before a receipt is believed",
		pkg: "internal/ledger", fn: "Account.countDelivered", from: `a.deliver(r, a.view.Signed)`, to: `_ = r`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "stream: what comes out of Ahead counts without a limit", breaks: "one streamed answer costs no more than Limits.Stream",
		pkg: "internal/ledger", fn: "Account.deliver", from: `	lim := rule.Of(r.terms.Limits)
`, to: `	lim := rule.Of(r.terms.Limits)
	lim.Stream = voucher.MaxAmount
`, tests: inLedger,
	},
	{
		name: "stream: catching up beyond the limit", breaks: "what a stream took unasked stays within Limits.Stream",
		pkg: "internal/rule", fn: "State.CatchUp", from: `came := total.Min(lim.Stream).SubFloor(`, to: `came := total.SubFloor(`, tests: inRule,
	},
	{
		name: "stream: half of what came is signed ahead", breaks: "a voucher runs ahead by a quarter of what the stream delivered",
		pkg: "internal/rule", fn: "share", from: `share = 4`, to: `share = 2`, tests: inRule,
	},
	{
		name: "stream: a lead before the first pieces", breaks: "nothing is signed ahead before four pieces came",
		pkg: "internal/rule", fn: "Limits.Delivered", from: `pieces + pieces/share + 1`, to: `pieces + (pieces+share)/share + 1`, tests: inRule,
	},
	{
		name: "stream: a lead beyond the stream's limit", breaks: "one streamed answer costs no more than Limits.Stream",
		pkg: "internal/rule", fn: "State.ahead", from: `top.Min(lim.Stream).SubFloor(has)`, to: `top.SubFloor(has)`, tests: inRule,
	},
	{
		name: "stream: a lead for what nobody paid for", breaks: "pieces that nobody asked to be paid for earn nothing",
		pkg: "internal/rule", fn: "State.ahead", from: `	top = top.Min(c.Price.AddCapped(part(c.Price)).AddCapped(unit))
`, to: ``, tests: inRule,
	},
	{
		name: "stream: a lead again and again", breaks: "what a stream was authorized ahead already counts in its lead",
		pkg: "internal/rule", fn: "State.ahead", from: `AddCapped(size).AddCapped(after.Lead).AddCapped(lim.Ahead)`, to: `AddCapped(size).AddCapped(lim.Ahead)`, tests: inRule,
	},
	{
		name: "stream: a lead beside Ahead", breaks: "of the lead and Limits.Ahead the larger counts, not the sum",
		pkg: "internal/rule", fn: "State.ahead", from: `AddCapped(size).AddCapped(after.Lead).AddCapped(lim.Ahead)`, to: `AddCapped(size).AddCapped(after.Lead)`, tests: inRule,
	},
	{
		name: "stream: a lead that the budgets do not pay for ends the stream", breaks: "budgets and the deposit make the lead shorter",
		pkg: "internal/rule", fn: "State.ahead", from: `grant = grant.Min(room)`, to: `_ = room`, tests: inRule,
	},
	{
		name: "stream: a piece beside the lead of a stream that is alone", breaks: "a frame of a stream that is alone uses up its lead",
		pkg: "internal/rule", fn: "State.ahead", from: ` && lim.lead.pooled {`, to: ` {`, tests: inRule,
	},
	{
		name: "stream: the switch for the lead does nothing", breaks: "Limits.PieceByPiece signs nothing ahead",
		pkg: "internal/rule", fn: "Limits.Delivered", from: `if !l.PieceByPiece {`, to: `if true {`, tests: inRule,
	},
	{
		name: "stream: the switch for the lead is cleared by a context", breaks: "WithLimits cannot clear Limits.PieceByPiece",
		pkg: "internal/rule", fn: "Limits.Override", from: `l.PieceByPiece = l.PieceByPiece || own.PieceByPiece`, to: `l.PieceByPiece = own.PieceByPiece`, tests: inRule,
	},
	{
		name: "stream: empty events earn a lead", breaks: "a piece without a byte of data earns nothing",
		pkg: "client", fn: "attempt.meter", from: `a.reserved.RunAhead(m.filter.Contents)`, to: `a.reserved.RunAhead(m.filter.Events)`, tests: inClient, run: `^TestStreamLeadBound$`,
	},
	{
		name: "stream: an empty line of data is content", breaks: "an event whose data is empty has no content",
		pkg: "internal/sse", fn: "Filter.whole", from: `f.content = f.content || len(value) > 0`, to: `f.content = f.content || len(value) >= 0`, tests: []string{"internal/sse"},
	},
	{
		name: "stream: a lead that is used up is claimed again", breaks: "pieces use the lead up before they count themselves",
		pkg: "internal/rule", fn: "State.CatchUp", from: `grown := came.SubFloor(led).Min(`, to: `grown := came.Min(`, tests: inRule,
	},
	{
		name: "stream: a report frees the lead of an open stream", breaks: "what a stream was authorized ahead is in flight while it is open",
		pkg: "internal/ledger", fn: "Account.own", from: `.AddCapped(r.claim.Lead)`, to: ``, tests: inLedger,
	},
	{
		name: "stream: the lead of a closed stream is free at once", breaks: "a stream that was closed early may have left pieces behind",
		pkg: "internal/ledger", fn: "Account.end", from: `	r.open = false
`, to: `	a.count(rule.Counts{Released: r.claim.Lead.Min(a.view.Claimed)})
	r.claim.Lead = voucher.Amount{}
	r.open = false
`, tests: inLedger,
	},
	{
		name: "stream: the lead stays claimed at the end", breaks: "what was signed ahead is credit after the stream was read",
		pkg: "client", fn: "meter.end", from: `		m.a.reserved.Complete()
`, to: ``, tests: inClient, run: `^TestLeadWithoutReceipts$`,
	},
	{
		name: "stream: the lead of a decision that was not signed stays", breaks: "a signer that refuses takes the lead back",
		pkg: "internal/ledger", fn: "Account.unclaim", from: `	r.claim.Lead = lead.SubFloor(d.after.Lead)
`, to: ``, tests: inLedger,
	},
	{
		name: "stream: pieces out of a lead that was not signed stay", breaks: "nothing is counted out of a lead that was taken back",
		pkg: "internal/ledger", fn: "Account.unclaim", from: `	r.claim.Price = r.claim.Price.SubFloor(d.after.Lead.SubFloor(lead))
`, to: ``, tests: inLedger,
	},
	{
		name: "stream: a lead that another stream used is free", breaks: "what an ended stream delivered out of a lead stays claimed",
		pkg: "internal/ledger", fn: "Account.cover", from: `a.arrears.SubFloor(led), r.claim.Lead.SubFloor(led)`, to: `a.arrears.SubFloor(led), r.claim.Lead`, tests: inLedger,
	},
	{
		name: "stream: a lead that another stream used is owed again", breaks: "what an ended stream delivered out of a lead was asked for",
		pkg: "internal/ledger", fn: "Account.cover", from: `a.arrears.SubFloor(led), r.claim.Lead.SubFloor(led)`, to: `a.arrears, r.claim.Lead.SubFloor(led)`, tests: inLedger,
	},
	{
		name: "stream: frame for another channel answered", breaks: "a need-voucher frame for another channel ends the stream",
		pkg: "client", fn: "meter.guard", from: `if n.ChannelID != m.a.account.ID() {`, to: `if false {`, tests: inClient, run: `^TestForgedFrames$`,
	},
	{
		name: "stream: endless idle frames answered", breaks: "a stream that asks and delivers nothing is ended",
		pkg: "client", fn: "meter.guard", from: `if (m.asks.raised >= maxIdleAsks && short()) || m.asks.repeats`, to: `if m.asks.repeats`, tests: inClient, run: `^Test(Forged|Stream|AskedFor)`,
	},
	{
		name: "stream: endless repeated frames answered", breaks: "a stream that asks for what it has and delivers nothing is ended",
		pkg: "client", fn: "meter.guard", from: ` || m.asks.repeats >= maxRepeats {`, to: ` {`, tests: inClient, run: `^Test(Forged|Stream|AskedFor)`,
	},
	{
		name: "stream: a frame's receipt is not bound", breaks: "a receipt frame counts for its own channel and challenge only",
		pkg: "client", fn: "meter.receipt", from: `if m.a.checkReceipt(m.ctx, r, err) == nil {`, to: `if m.a.checkReceipt(m.ctx, r, err) == nil && err != nil {`, tests: inClient, run: `^TestForgedReceiptFrames$`,
	},
	{
		name: "stream: no event is waited for too long", breaks: "a stream that was paid and delivers nothing is ended",
		pkg: "client", fn: "meter.silent", from: `	case m.owing.Load():`, to: `	case false:`, tests: inClient, run: `^Test(Stall|NoStall|EndlessKeepAlives)$`,
	},
	{
		name: "stream: paid once is charged again", breaks: "a stream by the request costs one price",
		pkg: "client", fn: "attempt.meter", from: `once: a.challenge.offer.UnitType == "request"`, to: `once: false`, tests: inClient, run: `^Test(StreamPaidOnce|PaidOnce)`,
	},
	{
		name: "stream: comments are events", breaks: "a stream that delivers no event after its voucher is ended",
		pkg: "client", fn: "meter.disarm", from: `m.came < now {`, to: `m.rest > 0 {`, tests: inClient, run: `^Test(Stall|EndlessKeep)`,
	},
	{
		name: "stream: the stall timer runs while nobody reads", breaks: "a caller who takes its time is not the payee's fault",
		pkg: "client", fn: "meter.disarm", from: `	if m.waiting.Swap(false) {`, to: `	if false {`, tests: inClient, run: `^Test(NoStall|Stall)`,
	},
	{
		name: "stream: one that others starve is waited for without an end", breaks: "a stream whose payee never asks again ends with an error",
		pkg: "client", fn: "meter.silent", from: `case m.a.reserved.Starved():`, to: `case false:`, tests: inClient, run: `^Test(Silent|Starved)`,
	},
	{
		name: "stream: silence ends a stream that has credit left", breaks: "a stream that has nothing to say is not ended",
		pkg: "internal/ledger", fn: "Reservation.Starved", from: `return others && a.view.Signed.Less(spent.AddCapped(r.unit))`, to: `return others`, tests: inClient, run: `^Test(Silent|Starved)`,
	},
	{
		name: "stream: silence ends a stream that is alone", breaks: "a stream that has nothing to say is not ended",
		pkg: "internal/ledger", fn: "Reservation.Starved", from: `others := r.among > 1 || a.opened > r.number`, to: `others := true`, tests: inClient, run: `^Test(Silent|Starved)`,
	},
}
