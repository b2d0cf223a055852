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
		pkg: "internal/rule", fn: "State.CatchUp", from: `grown := total.Min(lim.Stream).SubFloor(`, to: `grown := total.SubFloor(`, tests: inRule,
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
		name: "stream: a frame's deposit believed", breaks: "what a frame says the channel holds fills nothing",
		pkg: "client", fn: "meter.need", from: `	before := reserved.Price()
`, to: `	_ = m.a.account.Update(m.ctx, func(s rule.State) rule.State { s.Deposit = s.Deposit.Max(n.Deposit); return s })
	before := reserved.Price()
`, tests: inClient, run: `^TestFrameThatClaims`,
	},
	{
		name: "stream: a frame's receipt is not bound", breaks: "a receipt frame counts for its own channel and challenge only",
		pkg: "client", fn: "meter.receipt", from: `		err = m.a.bound(r)
`, to: `		_ = m.a.bound(r)
`, tests: inClient, run: `^TestForgedReceiptFrames$`,
	},
	{
		name: "stream: no event is waited for too long", breaks: "a stream that was paid and delivers nothing is ended",
		pkg: "client", fn: "meter.arm", from: `	if m.owing {`, to: `	if false {`, tests: inClient, run: `^Test(Stall|NoStall|EndlessKeepAlives)$`,
	},
	{
		name: "stream: paid once is charged again", breaks: "a stream by the request costs one price",
		pkg: "client", fn: "attempt.meter", from: `once: a.challenge.offer.UnitType == "request"`, to: `once: false`, tests: inClient, run: `^Test(StreamPaidOnce|PaidOnce)`,
	},
	{
		name: "stream: comments are events", breaks: "a stream that delivers no event after its voucher is ended",
		pkg: "client", fn: "meter.read", from: `if m.owing && m.paid < m.filter.Events() {`, to: `if m.owing && n > 0 {`, tests: inClient, run: `^Test(Stall|EndlessKeep)`,
	},
	{
		name: "stream: the stall timer runs while nobody reads", breaks: "a caller who takes its time is not the payee's fault",
		pkg: "client", fn: "meter.disarm", from: `	if m.stall.Stop() {`, to: `	if false {`, tests: inClient, run: `^Test(NoStall|Stall)`,
	},
}
