package main

// forTheirServer are mistakes of our client that a flow with a foreign server must notice, flow by flow.
var forTheirServer = []defect{
	{
		name: "their server: open", breaks: "the ledger holds the deposit that was sent",
		file: "client/open.go", from: `		Amount: tx.Deposit, Raw`, to: `		Amount: tx.Deposit.AddCapped(voucher.Units(1)), Raw`, flows: server("open"),
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
		name: "their server: sponsored", breaks: "a sponsored transaction travels in the hand-off form",
		file: "channel/escrow/prepare.go", from: `		return t.Handoff(), common.Hash{}`, to: `		return t.Serialize(), common.Hash{}`, flows: server("sponsored"),
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
		file: "internal/rule/authorize.go", from: `target := most.Min(`, to: `target := most.Min(claimed).Min(`, flows: server("least_growth_of_a_voucher"),
	},
	{
		name: "their server: closed together", breaks: "a close pays what was used, not what was signed",
		file: "internal/rule/close.go", from: `	due := s.Claimed.Min(s.MayExist()).Max(s.Settled)`, to: `	due := s.Signed`, flows: server("closed_together"),
	},
	{
		name: "their server: closed alone", breaks: "after the grace period the rest comes back",
		file: "channel/escrow/close.go", from: `selWithdrawV1, selWithdrawV2)`, to: `selCloseV1, selCloseV2)`, flows: server("closed_alone"),
	},
}
