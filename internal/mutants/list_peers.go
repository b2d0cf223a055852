package main

// forTheirServer are mistakes of our client that a flow with a foreign server must notice, flow by flow.
var forTheirServer = []defect{
	{
		name: "their server: open", breaks: "the ledger holds the deposit that was sent",
		pkg: "client", fn: "attempt.open", from: `				Amount: tx.Deposit, Raw`, to: `				Amount: tx.Deposit.AddCapped(voucher.Units(1)), Raw`, flows: server("open"),
	},
	{
		name: "their server: stream", breaks: "payment frames are not the application's",
		pkg: "internal/sse", fn: "eventName", from: `		return Receipt, ok`, to: `		return "", ok`, flows: server("stream"),
	},
	{
		name: "their server: stream with a query", breaks: "a voucher goes by HEAD where a POST would be content",
		pkg: "client", fn: "attempt.voucherMethods", from: `return []string{http.MethodHead}`, to: `return []string{http.MethodPost}`, flows: server("stream_with_a_query"),
	},
	{
		name: "their server: sponsored", breaks: "a sponsored transaction travels in the hand-off form",
		pkg: "channel/escrow", fn: "Tx.wire", from: `		return t.Handoff(), common.Hash{}`, to: `		return t.Serialize(), common.Hash{}`, flows: server("sponsored"),
	},
	{
		name: "their server: settled in mid-session", breaks: "the ledger holds what the chain has settled",
		pkg: "internal/rule", fn: "State.Settle", from: `	s.Settled = s.Settled.Max(c.Settled)
`, to: ``, flows: server("settled_in_mid-session"),
	},
	{
		name: "their server: resumed in a fresh process", breaks: "a channel in the store is used again",
		pkg: "internal/ledger", fn: "Ledger.Lookup", from: `	a, err := l.Account(ctx, found.ChannelID)
`, to: `	if l.accounts[found.ChannelID] == nil {
		return nil, nil
	}
	a, err := l.Account(ctx, found.ChannelID)
`, flows: server("resumed_in_a_fresh_process"),
	},
	{
		name: "their server: least growth of a voucher", breaks: "Ahead is what the caller allows, and no less",
		pkg: "internal/rule", fn: "State.Renew", from: `target := most.Min(`, to: `target := most.Min(claimed).Min(`, flows: server("least_growth_of_a_voucher"),
	},
	{
		name: "their server: closed together", breaks: "a close pays what was used, not what was signed",
		pkg: "internal/rule", fn: "State.CloseDue", from: `	due := s.Claimed.Min(s.MayExist()).Max(s.Settled)`, to: `	due := s.Signed`, flows: server("closed_together"),
	},
	{
		name: "their server: closed alone", breaks: "after the grace period the rest comes back",
		pkg: "channel/escrow", fn: "Client.Withdraw", from: `selWithdrawV1, selWithdrawV2)`, to: `selCloseV1, selCloseV2)`, flows: server("closed_alone"),
	},
	{
		name: "their server: requests", breaks: "one challenge serves many requests",
		pkg: "client", fn: "attempt.started", from: `if c == nil || a.termsErr`, to: `if true || a.termsErr`, flows: server("requests"),
	},
	{
		name: "their server: prices", breaks: "a price that was changed is counted once",
		pkg: "client", fn: "attempt.issue", from: `	case a.reserved == nil:
`, to: `	case true:
`, flows: server("prices"),
	},
	{
		name: "their server: bodies", breaks: "the body is sent again with the credential",
		pkg: "client", fn: "outgoing.build", from: `	if o.body != nil {`, to: `	if o.body != nil && !paid {`, flows: server("bodies"),
	},
	{
		name: "their server: stream asked for as one", breaks: "a v1 stream on an open channel is asked for with */*",
		pkg: "client", fn: "outgoing.build", from: `		replace(out.Header, "Accept", "*/*")`, to: `		_ = v1Stream`, flows: []string{"v1/server/stream_asked_for_as_one"},
	},
	{
		name: "their server: stream asked for as the caller asks", breaks: "the caller's Accept header is not touched elsewhere",
		pkg: "client", fn: "outgoing.build", from: `	if v1Stream {`, to: `	if true {`, flows: []string{"v2/server/stream_asked_for_as_one"},
	},
	{
		name: "their server: top-up", breaks: "a top-up is as large as the payee suggests, within the limits",
		pkg: "client", fn: "attempt.topUp", from: `&planned, req, wish)`, to: `&planned, req, rule.Wish{Exact: true})`, flows: server("top-up"),
	},
	{
		name: "their server: top-up in a stream", breaks: "a stream that needs more deposit gets it",
		pkg: "client", fn: "meter.obtain", from: `	case errors.Is(err, channel.ErrDeposit):`, to: `	case false && errors.Is(err, channel.ErrDeposit):`, flows: server("top-up_in_a_stream"),
	},
	{
		name: "their server: snapshot", breaks: "an unpaid request names our channel, so that the server can tell about it",
		pkg: "client", fn: "outgoing.build", from: `!ok && hint != "" {`, to: `!ok && false {`, flows: server("snapshot"),
	},
	{
		name: "their server: snapshot is not believed", breaks: "a voucher of our own in a snapshot proves what we signed",
		pkg: "client", fn: "Session.absorb", from: `state.Authorized().Less(v.Cumulative)`, to: `false`, flows: []string{"v2/server/snapshot"},
	},
	{
		name: "their server: bootstrap", breaks: "a proof is for the account that it is of",
		pkg: "client", fn: "attempt.exchangeProof", from: `wire.FormatSource(proof.ChainID, proof.Account)`, to: `wire.FormatSource(proof.ChainID, a.challenge.offer.Payee)`, flows: []string{"v2/server/bootstrap"},
	},
	{
		name: "their server: who the payer is", breaks: "the proof says whose it is",
		pkg: "client", fn: "attempt.proofOf", from: `source := wire.FormatSource(who.proof.ChainID, who.proof.Account)`, to: `source := wire.FormatSource(who.proof.ChainID, who.offer.Payee)`, flows: server("who_the_payer_is"),
	},
	{
		name: "their server: least growth announced", breaks: "a growth that the challenge announces is decided before anything is signed",
		pkg: "client", fn: "Session.recognize", from: `rule.Request{Price: o.Price, MinDelta: o.MinDelta}`, to: `rule.Request{Price: o.Price}`, flows: []string{"v2/server/least_growth_of_a_voucher"},
	},
	{
		name: "their server: forgotten", breaks: "after a 410 another channel is opened, once",
		pkg: "internal/purchase", fn: "aftermath", from: `return p.mayPayTwice(e.Recent) && !p.named && !p.Carrying`, to: `return false`, flows: server("forgotten"),
	},
}
