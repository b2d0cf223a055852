package main

// theStream is what a stream may ask for.
var theStream = []defect{
	{
		name: "stream: frame for another channel answered", breaks: "a need-voucher frame for another channel ends the stream",
		file: "client/frame.go", from: `if n.ChannelID != p.account.ID() {`, to: `if false {`, tests: inClient,
	},
	{
		name: "stream: endless idle frames answered", breaks: "a stream that asks and brings nothing is ended",
		file: "client/frame.go", from: `if (m.asks >= maxIdleAsks && p.account.State().Signed.Less(n.Required)) || m.repeats`, to: `if m.repeats`, tests: inClient,
	},
	{
		name: "stream: endless repeated frames answered", breaks: "a stream that asks for what it has and brings nothing is ended",
		file: "client/frame.go", from: ` || m.repeats >= maxRepeats {`, to: ` {`, tests: inClient,
	},
	{
		name: "stream: a frame's deposit believed", breaks: "what a frame says the channel holds fills nothing",
		file: "client/frame.go", from: `	before := p.claim.Price()
`, to: `	_ = p.account.Update(m.ctx, func(s rule.State) rule.State { s.Deposit = s.Deposit.Max(n.Deposit); return s })
	before := p.claim.Price()
`, tests: inClient,
	},
	{
		name: "stream: a frame's receipt is not bound", breaks: "a receipt frame counts for its own channel and challenge only",
		file: "client/frame.go", from: `	if err == nil {
		err = m.p.bound(r)
	}`, to: `	if err == nil && r.Session && r.ChannelID == (zeroHash) {
		err = m.p.bound(r)
	}`, tests: inClient,
	},
	{
		name: "stream: no voucher is waited for too long", breaks: "a stream that was paid and brings nothing is ended",
		file: "client/meter.go", from: `	if m.owing {
		m.stall.Reset`, to: `	if false {
		m.stall.Reset`, tests: inClient,
	},
	{
		name: "stream: what a stream brings is not counted", breaks: "pieces that came are counted before a receipt is believed",
		file: "internal/ledger/stream.go", from: `a.deliver(r, a.view.Signed)`, to: `_ = r`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "stream: what comes out of Ahead counts without a limit", breaks: "one streamed answer costs no more than Limits.Stream",
		file: "internal/ledger/stream.go", from: `	lim := rule.Of(r.terms.Limits)
`, to: `	lim := rule.Of(r.terms.Limits)
	lim.Stream = voucher.MaxAmount
`, tests: inLedger,
	},
	{
		name: "stream: what is counted signs", breaks: "counting what came signs nothing",
		file: "internal/rule/reconcile.go", from: `return s.deliver(c, total, s.Signed)`, to: `return s.deliver(c, total, voucher.MaxAmount)`, tests: inRule,
	},
	{
		name: "stream: catching up beyond the limit", breaks: "what a stream took unasked stays within Limits.Stream",
		file: "internal/rule/reconcile.go", from: `total.Min(lim.Stream), most)`, to: `total, most)`, tests: inRule,
	},
}
