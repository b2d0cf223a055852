package main

// theAssets is which tokens limits are for.
var theAssets = []defect{
	{
		name: "assets: a token without limits is paid in", breaks: "a token that its owner did not name is not paid in",
		pkg: "client", fn: "Session.other", from: `if !named {`, to: `if !named && false {`, tests: inClient, run: `^TestTokenWithout`,
	},
	{
		name: "assets: a fee in any token", breaks: "no fee is paid in a token without limits",
		pkg: "client", fn: "attempt.askPolicy", from: `if _, err := a.s.currency(ctx, asset); err != nil {`, to: `if _, err := a.s.currency(ctx, asset); err != nil && false {`, tests: inClient, run: `^TestHostileServer`,
	},
	{
		name: "assets: an asset under the limits of the dollars", breaks: "an asset has limits of its own",
		pkg: "client", fn: "Session.limits", from: `if isOther {`, to: `if false {`, tests: inClient, run: `^TestAssetHas`,
	},
	{
		name: "assets: limits of a context in any asset", breaks: "limits of a context are for one asset",
		pkg: "client", fn: "Session.limits", from: `own.Currency == channel.Currency{} && !isOther:`, to: `own.Currency == channel.Currency{}:`, tests: inClient, run: `^TestAssetHas`,
	},
	{
		name: "assets: the gate does not look at the asset", breaks: "nothing is raised under limits of another asset",
		pkg: "internal/ledger", fn: "Account.judge", from: `unknown = cmp.Or(lim.For(own), unknown)`, to: `_ = cmp.Or(lim.For(own), unknown)`, tests: inLedger,
	},
	{
		name: "assets: a deposit under the limits of another asset", breaks: "nothing is deposited under limits of another asset",
		pkg: "internal/ledger", fn: "Ledger.Plan", from: `err = lim.For(own)`, to: `_ = lim.For(own)`, tests: inLedger,
	},
	{
		name: "assets: limits without a currency are for all", breaks: "limits without a currency are for the known dollar tokens",
		pkg: "internal/rule", fn: "Limits.For", from: `dollar && l.Currency`, to: `(dollar || true) && l.Currency`, tests: inLedger,
	},
	{
		name: "assets: a token on two chains has one budget", breaks: "limits over time are sums of one asset",
		pkg: "internal/budget", fn: "For", from: `fmt.Sprintf("/%d/%x", scope.ChainID, `, to: `fmt.Sprintf("/%d/%x", 1, `, tests: []string{"internal/budget"},
	},
	{
		name: "assets: each dollar token has its own budget", breaks: "the known dollar tokens share limits over time",
		pkg: "internal/budget", fn: "init", from: `dollars[c.Asset] = struct{}{}`, to: `_ = c`, tests: []string{"internal/budget"},
	},
	{
		name: "assets: a budget is made from all channels", breaks: "the first record is made from the channels in its asset",
		pkg: "internal/budget", fn: "past.channel", from: `if lease[0] != root {`, to: `if false {`, tests: inLedger, run: `OfAnAsset`,
	},
	{
		name: "assets: a total of all assets", breaks: "what is put in counts for the total of its asset",
		pkg: "internal/ledger", fn: "Ledger.Plan", from: `group := budget.For("", &scope)[0]`, to: `group := budget.All`, tests: inLedger, run: `^TestTotalIs`,
	},
	{
		name: "assets: the chain is not compared", breaks: "an asset is called on its chain as its owner wrote",
		pkg: "internal/pins", fn: "Book.Currency", from: `if found != want {`, to: `if false {`, tests: []string{"internal/pins"},
	},
	{
		name: "assets: what is stored is not compared", breaks: "what the chain said first stays",
		pkg: "internal/pins", fn: "Book.Currency", from: `if err == nil && pinned != want {`, to: `if false {`, tests: []string{"internal/pins"},
	},
}
