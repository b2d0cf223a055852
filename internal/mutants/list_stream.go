package main

// theStream is what a stream may ask for.
var theStream = []defect{
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
		name: "stream: catching up beyond the limit", breaks: "what a stream took unasked stays within Limits.Stream",
		file: "internal/rule/authorize_stream.go", from: `grown := total.Min(lim.Stream).SubFloor(`, to: `grown := total.SubFloor(`, tests: inRule,
	},
}
