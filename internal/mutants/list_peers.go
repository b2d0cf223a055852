package main

// forTheirServer are mistakes of our client that a flow with a foreign server must notice, flow by flow.
var forTheirServer = []defect{
	{
		name: "their server: open", breaks: "the ledger holds the deposit that was sent",
		file: "client/open.go", from: `		Amount: tx.Deposit, Raw`, to: `		Amount: tx.Deposit.AddCapped(voucher.Units(1)), Raw`, flows: server("open"),
	},
	{
		name: "their server: requests", breaks: "one challenge serves many requests",
		file: "client/pay.go", from: `	if k == nil || !p.out.repeatable`, to: `	if true || !p.out.repeatable`, flows: server("requests"),
	},
	{
		name: "their server: prices", breaks: "a price that was changed is counted once",
		file: "client/refused.go", from: `	return true, p.prepare(ctx, fresh)
}

// openingRefused`, to: `	p.claim = nil
	return true, p.prepare(ctx, fresh)
}

// openingRefused`, flows: server("prices"),
	},
	{
		name: "their server: bodies", breaks: "the body is sent again with the credential",
		file: "client/request.go", from: `	if o.body != nil {`, to: `	if o.body != nil && !paid {`, flows: server("bodies"),
	},
	{
		name: "their server: stream", breaks: "payment frames are not the application's",
		file: "internal/sse/field.go", from: `		return Receipt, ok`, to: `		return "", ok`, flows: server("stream"),
	},
	{
		name: "their server: stream with a query", breaks: "a voucher goes by HEAD where a POST would be content",
		file: "client/manage.go", from: `headFirst = []string{http.MethodHead, http.MethodPost}`, to: `headFirst = []string{http.MethodPost, http.MethodHead}`, flows: server("stream_with_a_query"),
	},
	{
		name: "their server: stream asked for as one", breaks: "a v1 stream on an open channel is asked for with */*",
		file: "client/request.go", from: `		out.Header["Accept"] = []string{"*/*"}`, to: `		_ = v1Stream`, flows: []string{"v1/server/stream_asked_for_as_one"},
	},
	{
		name: "their server: stream asked for as the caller asks", breaks: "the caller's Accept header is not touched elsewhere",
		file: "client/request.go", from: `	if v1Stream {`, to: `	if true {`, flows: []string{"v2/server/stream_asked_for_as_one"},
	},
	{
		name: "their server: top-up", breaks: "a top-up is as large as the payee suggests, within the limits",
		file: "client/open.go", from: `&now, need, p.known.offer.Suggested)`, to: `&now, need, voucher.Amount{})`, flows: server("top-up"),
	},
	{
		name: "their server: top-up in a stream", breaks: "a stream that needs more deposit gets it",
		file: "client/frame.go", from: `		if errors.Is(err, channel.ErrDeposit) {`, to: `		if false && errors.Is(err, channel.ErrDeposit) {`, flows: server("top-up_in_a_stream"),
	},
	{
		name: "their server: sponsored", breaks: "a sponsored transaction travels in the hand-off form",
		file: "channel/escrow/prepare.go", from: `		return t.Handoff(), common.Hash{}`, to: `		return t.Serialize(), common.Hash{}`, flows: server("sponsored"),
	},
	{
		name: "their server: snapshot", breaks: "an unpaid request names our channel, so that the server can tell about it",
		file: "client/request.go", from: `hint != "" {`, to: `false {`, flows: server("snapshot"),
	},
	{
		name: "their server: snapshot is not believed", breaks: "a voucher of our own in a snapshot proves what we signed",
		file: "client/prepare.go", from: `state.Authorized().Less(v.Cumulative)`, to: `false`, flows: []string{"v2/server/snapshot"},
	},
	{
		name: "their server: bootstrap", breaks: "a proof is for the account that it is of",
		file: "client/bootstrap.go", from: `wire.FormatSource(proof.ChainID, proof.Account)`, to: `wire.FormatSource(proof.ChainID, session.Payee)`, flows: []string{"v2/server/bootstrap"},
	},
	{
		name: "their server: settled in mid-session", breaks: "the ledger holds what the chain has settled",
		file: "internal/rule/settle.go", from: `	s.Settled = s.Settled.Max(c.Settled)
`, to: ``, flows: server("settled_in_mid-session"),
	},
	{
		name: "their server: resumed in a fresh process", breaks: "a channel in the store is used again",
		file: "internal/ledger/scopes.go", from: `	return l.Account(ctx, a.ChannelID)
`, to: `	if l.accounts[a.ChannelID] == nil {
		return nil, nil
	}
	return l.Account(ctx, a.ChannelID)
`, flows: server("resumed_in_a_fresh_process"),
	},
	{
		name: "their server: least growth of a voucher", breaks: "Ahead is what the caller allows, and no less",
		file: "internal/rule/authorize.go", from: `		target := claimed.AddCapped(lim.Ahead).Min(`, to: `		target := claimed.Min(`, flows: server("least_growth_of_a_voucher"),
	},
	{
		name: "their server: least growth announced", breaks: "a growth that the challenge announces is decided before anything is signed",
		file: "client/pay.go", from: `rule.Request{Price: o.Price, MinDelta: o.MinDelta}`, to: `rule.Request{Price: o.Price}`, flows: []string{"v2/server/least_growth_of_a_voucher"},
	},
	{
		name: "their server: forgotten", breaks: "after a 410 another channel is opened, once",
		file: "client/refused.go", from: `	if p.regone || p.openTx != nil {`, to: `	if true {`, flows: server("forgotten"),
	},
	{
		name: "their server: closed together", breaks: "a close pays what was used, not what was signed",
		file: "internal/rule/close.go", from: `	due := s.Claimed.Min(s.authorized).Max(s.Settled)`, to: `	due := s.Signed`, flows: server("closed_together"),
	},
	{
		name: "their server: closed alone", breaks: "after the grace period the rest comes back",
		file: "channel/escrow/close.go", from: `selWithdrawV1, selWithdrawV2)`, to: `selCloseV1, selCloseV2)`, flows: server("closed_alone"),
	},
}
