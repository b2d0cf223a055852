package main

// forTheirClient are mistakes of our test server and our test chain that a flow with a foreign client must notice,
// flow by flow.
var forTheirClient = []defect{
	{
		name: "their client: open", breaks: "the receipt of an opening names its transaction",
		pkg: "client/clienttest", fn: "paidRequest.receipt", from: `x.taken, x.tx); value != ""`, to: `x.taken, x.tx); false && value != ""`, flows: client("open"),
	},
	{
		name: "their client: requests", breaks: "each request is charged",
		pkg: "client/clienttest", fn: "Server.voucher", from: `	return a, unit(a)`, to: `	return a, nil`, flows: client("requests"),
	},
	{
		name: "their client: bodies", breaks: "a POST with a body is content",
		pkg: "client/clienttest", fn: "paidRequest.isContent", from: ` || x.r.ContentLength != 0`, to: ``, flows: client("bodies"),
	},
	{
		name: "their client: stream", breaks: "a stream's last receipt says what all of it cost",
		pkg: "client/clienttest", fn: "paidRequest.stream", from: `	_ = x.settleUp(false)
`, to: ``, flows: client("stream"),
	},
	{
		name: "their client: stream on an open channel", breaks: "a v1 voucher that asks for a stream is management, as with mppx 0.8.14",
		pkg: "client/clienttest", fn: "paidRequest.trapped", from: `!x.s.cfg.PlainV1 && x.isContent() &&`, to: `false &&`, flows: []string{"v1/client/stream_on_an_open_channel"},
	},
	{
		name: "their client: top-up", breaks: "a top-up adds to the deposit",
		pkg: "internal/devchain", fn: "reserveTopUp", from: `r.ch.deposit.Add(extra)`, to: `r.ch.deposit.Add(voucher.Amount{})`, flows: []string{"v2/client/top-up"},
	},
	{
		name: "their client: deposit used up", breaks: "a voucher above the deposit is refused",
		pkg: "client/clienttest", fn: "Server.compare", from: `	case a.deposit.Less(p.Cumulative):`, to: `	case false:`, flows: []string{"v1/client/deposit_used_up"},
	},
	{
		name: "their client: top-up in a stream", breaks: "a need-voucher frame says what the deposit is",
		pkg: "client/clienttest", fn: "account.need", from: `a.deposit.String()`, to: `required.String()`, flows: []string{"v2/client/top-up_in_a_stream"},
	},
	{
		name: "their client: sponsored", breaks: "a sponsored transaction is sent with the sponsor's signature",
		pkg: "client/clienttest", fn: "Chain.submit", from: `		raw = full
`, to: `		_ = full
`, flows: client("sponsored"),
	},
	{
		name: "their client: snapshot", breaks: "a challenge tells the payer about its channel",
		pkg: "client/clienttest", fn: "Server.hinted", from: `	return s.book.newest(t.Protocol, s.payee(t), payer)`, to: `	return s.book.newest(t.Protocol, s.payee(t), common.Address{})`, flows: client("snapshot"),
	},
	{
		name: "their client: bootstrap", breaks: "the snapshot header is spelled as mppx spells it",
		pkg: "client/clienttest", fn: "snapshotHeader", from: `base64.StdEncoding.EncodeToString(raw)`, to: `base64.RawURLEncoding.EncodeToString(raw[:len(raw)-1])`, flows: []string{"v2/client/bootstrap"},
	},
	{
		name: "their client: settled in mid-session", breaks: "the server knows what it settled",
		pkg: "client/clienttest", fn: "Server.Settle", from: `	a.settled = s.Chain.Channel(id).Settled
`, to: ``, flows: client("settled_in_mid-session"),
	},
	{
		name: "their client: resumed in a fresh process", breaks: "a voucher that was taken is kept, and the next one goes on from it",
		pkg: "client/clienttest", fn: "Server.compare", from: `	a.accept(p.Signed())
`, to: ``, flows: []string{"v2/client/resumed_in_a_fresh_process"},
	},
	{
		name: "their client: least growth of a voucher", breaks: "a voucher that grows too little is refused",
		pkg: "client/clienttest", fn: "Server.compare", from: `delta.Less(t.MinDelta) {`, to: `false {`, flows: client("least_growth_of_a_voucher"),
	},
	{
		name: "their client: forgotten", breaks: "a channel that the server does not know is gone",
		pkg: "client/clienttest/internal/message", fn: "ChannelNotFound", from: `Refuse(http.StatusGone, "session/channel-not-found"`, to: `Refuse(http.StatusPaymentRequired, "session/channel-not-found"`, flows: client("forgotten"),
	},
	{
		name: "their client: closed together", breaks: "a channel that was closed is finalized",
		pkg: "client/clienttest", fn: "Server.close", from: `a.deposit = true, false,`, to: `a.deposit = false, false,`, flows: client("closed_together"),
	},
	{
		name: "their client: closed alone", breaks: "a payer waits for the grace period",
		pkg: "internal/devchain", fn: "closeGrace", from: `const closeGrace = uint64(CloseGracePeriod / time.Second)`, to: `const closeGrace = uint64(CloseGracePeriod/time.Second) * 0`, flows: client("closed_alone"),
	},
}

var fidelity = []string{"fidelity"}

// forTheirChain are mistakes of our test chain that anvil must show.
var forTheirChain = []defect{
	{
		name: "their chain: tokens", breaks: "a token is no recipient of tokens",
		pkg: "internal/devchain", fn: "env.transfer", from: ` || isTIP20(to) {`, to: ` {`, flows: fidelity,
	},
	{
		name: "their chain: allowance", breaks: "an allowance without end is not used up",
		pkg: "internal/devchain", fn: "env.transferFrom", from: `	if allowed.Cmp(math.MaxBig256) != 0 {`, to: `	if true || allowed.Cmp(math.MaxBig256) != 0 {`, flows: fidelity,
	},
	{
		name: "their chain: settle", breaks: "a settlement is above the last",
		pkg: "internal/devchain", fn: "reserveSettle", from: `	case !r.ch.settled.Less(cumulative):`, to: `	case cumulative.Less(r.ch.settled):`, flows: fidelity,
	},
	{
		name: "their chain: close", breaks: "the payer gets back what is not captured",
		pkg: "internal/devchain", fn: "reserveCall.finish", from: `	refund := r.ch.deposit.SubFloor(capture)`, to: `	refund := r.ch.deposit.SubFloor(capture).SubFloor(voucher.Units(1))`, flows: fidelity,
	},
	{
		name: "their chain: grace", breaks: "a withdrawal waits fifteen minutes",
		pkg: "internal/devchain", fn: "reserveWithdraw", from: `r.now < r.ch.closeRequestedAt+closeGrace {`, to: `r.now+60 < r.ch.closeRequestedAt+closeGrace {`, flows: fidelity,
	},
	{
		name: "their chain: top-up of nothing", breaks: "a top-up of nothing takes a close request back",
		pkg: "internal/devchain", fn: "reserveTopUp", from: `	r.ch.deposit, r.ch.closeRequestedAt = total, 0`, to: `	r.ch.deposit = total`, flows: fidelity,
	},
	{
		name: "their chain: expiry", breaks: "a transaction is valid for thirty seconds at most (TIP-1009)",
		pkg: "internal/devchain", fn: "maxExpiry", from: `const maxExpiry = 30`, to: `const maxExpiry = 300`, flows: fidelity,
	},
	{
		name: "their chain: nonce", breaks: "nonces of a key are counted",
		pkg: "internal/devchain", fn: "Chain.admitNonce", from: `a.nonce != want {`, to: `a.nonce > want {`, flows: fidelity,
	},
	{
		name: "their chain: fee", breaks: "a fee is rounded up to a base unit",
		pkg: "internal/devchain", fn: "feeOf", from: `	atto.Add(atto, big.NewInt(1_000_000_000_000-1))
`, to: ``, flows: fidelity,
	},
}
