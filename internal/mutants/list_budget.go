package main

// theBudgets are the limits over time, over a run and over contexts, and what is remembered of an origin.
var theBudgets = []defect{
	{
		name: "budget: the room is not looked at", breaks: "a ceiling rises no further than budgets leave",
		file: "internal/rule/authorize.go", from: `.Min(s.authorized.AddCapped(lim.rise()))`, to: ``, tests: []string{"internal/rule", "internal/ledger"},
	},
	{
		name: "budget: deposited for what may not be paid", breaks: "nothing is deposited for what a budget refuses",
		file: "internal/rule/plan.go", from: `if err := lim.fits(rise); err != nil {`, to: `if err := lim.fits(rise); false {`, tests: []string{"internal/rule", "client"},
	},
	{
		name: "budget: rises are not marked", breaks: "what rose is counted when it rose",
		file: "internal/ledger/books.go", from: `next = next.Noted(a.state, now)`, to: ``, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a window counts from its newer mark", breaks: "a window counts all that rose within it",
		file: "internal/rule/history.go", from: `return total.SubFloor(h[n-1].Authorized)`, to: `return total.SubFloor(h[min(n, len(h)-1)].Authorized)`, tests: inRule,
	},
	{
		name: "budget: the other channels are not counted", breaks: "a limit is over all channels of the store",
		file: "internal/ledger/books.go", from: `if was, ok := b.rows[s.ID]; !ok || !s.Authorized().Less(was.total) {`, to: `if was, ok := b.rows[s.ID]; (!ok && len(b.rows) == 0) || ok && !s.Authorized().Less(was.total) {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: the store is not read at the start", breaks: "limits over time hold across restarts",
		file: "internal/ledger/books.go", from: `due := !start.Before(b.next)`, to: `due := false`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "budget: another origin's payments count here", breaks: "a limit of an origin is about that origin",
		file: "internal/ledger/books.go", from: `if r.origin == scope.Origin {`, to: `if true {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a payee's payments elsewhere do not count", breaks: "a limit of a payee is about all its origins",
		file: "internal/ledger/books.go", from: `if r.payee == scope.Payee {`, to: `if r.payee == scope.Payee && r.origin == scope.Origin {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what was signed before counts as today's", breaks: "a voucher of ours that comes to light is no spending of today",
		file: "internal/rule/authorize.go", from: `		s.history = s.history.shifted(v.SubFloor(s.authorized))
`, to: ``, tests: inRule,
	},
	{
		name: "budget: a run is not charged", breaks: "a run costs its budget at most",
		file: "internal/ledger/run.go", from: `if !forced && from.Less(to) && r.limit.Less(used) {`, to: `if false {`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "budget: a refused run spends the one around it", breaks: "a refusal takes nothing",
		file: "internal/ledger/run.go", from: `		_ = r.parent.move(to, from, true)
`, to: ``, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a released price stays with the run", breaks: "what certainly was not charged is given back",
		file: "internal/ledger/account.go", from: `	c.refund()
`, to: ``, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a context may raise", breaks: "a context raises only what the owner allows",
		file: "internal/rule/budget.go", from: `case allowed.Less(want):`, to: `case false:`, tests: []string{"internal/rule", "client"},
	},
	{
		name: "budget: an inner context may raise again", breaks: "of contexts within each other the inner one only lowers",
		file: "client/limits.go", from: `		most = channel.Limits{}
`, to: ``, tests: inClient,
	},
	{
		name: "budget: remembered challenges go round the owner", breaks: "the owner is asked about every high price",
		file: "client/pay.go", from: ` ||
		(!lim.Ask.IsZero() && lim.Ask.Less(k.offer.Price)) {`, to: ` {`, tests: inClient,
	},
	{
		name: "budget: an approval holds for any price", breaks: "a higher price is another question",
		file: "client/limits.go", from: `!p.approved.Less(o.Price) {`, to: `!p.approved.IsZero() {`, tests: inClient,
	},
	{
		name: "pins: a unit that changes is not seen", breaks: "what a unit is is part of the terms",
		file: "client/pins.go", from: `(seen && was != unit)`, to: `false`, tests: inClient,
	},
	{
		name: "pins: forgotten at a restart", breaks: "terms are remembered in the store",
		file: "client/config.go", from: `cfg.Policy = PinFirstUse(cfg.Store)`, to: `cfg.Policy = PinFirstUse(nil)`, tests: inClient,
	},
}
