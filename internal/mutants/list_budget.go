package main

// theBudgets are the limits over time, over a run and over contexts, and what is remembered of an origin.
var theBudgets = []defect{
	{
		name: "budget: the room is not looked at", breaks: "a ceiling rises no further than budgets leave",
		file: "internal/rule/authorize.go", from: `.Min(lim.most(s))`, to: ``, tests: []string{"internal/rule", "internal/ledger"},
	},
	{
		name: "budget: deposited for what may not be paid", breaks: "nothing is deposited for what a budget refuses",
		file: "internal/rule/plan.go", from: `if err := lim.fits(more); err != nil {`, to: `if err := lim.fits(more); false {`, tests: []string{"internal/rule", "client"},
	},
	{
		name: "budget: rises are not marked", breaks: "what rose is counted when it rose",
		file: "internal/ledger/issue.go", from: `next = next.Noted(s, now)`, to: ``, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a window counts from its newer mark", breaks: "a window counts all that rose within it",
		file: "internal/rule/history.go", from: `return total.SubFloor(h[n-1].Authorized)`, to: `return total.SubFloor(h[min(n, len(h)-1)].Authorized)`, tests: inRule,
	},
	{
		name: "budget: the other channels are not counted", breaks: "a limit is over all channels of the store",
		file: "internal/ledger/windows.go", from: `if was, ok := w.rows[s.ID]; !ok || !s.Authorized().Less(was.total) {`, to: `if was, ok := w.rows[s.ID]; (!ok && len(w.rows) == 0) || ok && !s.Authorized().Less(was.total) {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: the store is not read at the start", breaks: "limits over time hold across restarts",
		file: "internal/ledger/windows.go", from: `case w.listed && now.Before(w.next):`, to: `case true:`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "budget: another origin's payments count here", breaks: "a limit of an origin is about that origin",
		file: "internal/ledger/rooms.go", from: `if r.origin == origin {`, to: `if true {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a payee's payments elsewhere do not count", breaks: "a limit of a payee is about all its origins",
		file: "internal/ledger/rooms.go", from: `if r.payee == payee {`, to: `if r.payee == payee && r.origin == origin {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what was signed before counts as today's", breaks: "a voucher of ours that comes to light is no spending of today",
		file: "internal/rule/authorize.go", from: `		s.history = s.history.shifted(v.SubFloor(s.authorized))
`, to: ``, tests: inRule,
	},
	{
		name: "budget: a run is not charged", breaks: "a run costs its budget at most",
		file: "internal/ledger/budget.go", from: `if more.IsZero() || !b.amount.Less(wanted) {`, to: `if true {`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "budget: the budget around a run is not charged", breaks: "a budget within another spends both",
		file: "internal/ledger/budget.go", from: `for ; b != nil; b = b.parent {
			if !slices`, to: `for ; b != nil; b = nil {
			if !slices`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a context may raise", breaks: "a context raises only what the owner allows",
		file: "internal/rule/budget.go", from: `case allowed.Less(want):`, to: `case false:`, tests: []string{"internal/rule", "client"},
	},
}
