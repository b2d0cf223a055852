package main

// theBudgets are the limits over time, over a run and over contexts, and what is remembered of an origin.
var theBudgets = []defect{
	{
		name: "budget: the room is not looked at", breaks: "a ceiling rises no further than budgets leave",
		pkg: "internal/rule", fn: "State.bounds", from: `b.ceiling = b.ceiling.Min(s.authorized.AddCapped(r.Rule.Allowed.SubFloor(r.Used)))`, to: `_ = r`, tests: []string{"internal/rule", "internal/ledger"},
	},
	{
		name: "budget: deposited for what may not be paid", breaks: "nothing is deposited for what a budget refuses",
		pkg: "internal/rule", fn: "PlanPayment", from: `case bounds.ceiling.Less(need):`, to: `case false:`, tests: []string{"internal/rule", "client"},
	},
	{
		name: "budget: rises are not marked", breaks: "what rose is counted when it rose",
		pkg: "internal/ledger", fn: "Account.weigh", from: `		next = next.Noted(s, cmp.Or(d.terms.Origin, s.Scope.Origin), now)
`, to: `		_ = cmp.Or(d.terms.Origin, s.Scope.Origin)
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a window counts from its newer mark", breaks: "a window counts all that rose within it",
		pkg: "internal/rule", fn: "Rises.Within", from: `most = h.marks[n-1].Authorized`, to: `most = h.marks[min(n, len(h.marks)-1)].Authorized`, tests: inRule,
	},
	{
		name: "budget: what other sessions took is not counted", breaks: "a limit is over all channels of the store",
		pkg: "internal/budget", fn: "Budgets.Rooms", from: `						used = used.AddCapped(p.Amount)
`, to: ``, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: the first record is empty", breaks: "what was authorized before there were records of budgets counts",
		pkg: "internal/budget", fn: "past.add", from: `	for _, r := range rises {`, to: `	for _, r := range rises[:0] {`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: another origin's payments count here", breaks: "a limit of an origin is about that origin",
		pkg: "internal/rule", fn: "Rises.For", from: `if origin == r.Origin {`, to: `if true {`, tests: []string{"internal/rule", "internal/ledger"},
	},
	{
		name: "budget: a named channel passes the origin's budget", breaks: "a rise counts for the origin that requested it",
		pkg: "internal/rule", fn: "State.Noted", from: `if origin != s.Scope.Origin {`, to: `if false {`, tests: []string{"internal/rule", "internal/ledger"},
	},
	{
		name: "budget: further origins are not counted", breaks: "origins without a history of their own count for one another",
		pkg: "internal/rule", fn: "Rises.For", from: `rose(r.foreign.origins[origin]).AddCapped(rose(r.foreign.others))`, to: `rose(r.foreign.origins[origin])`, tests: inRule,
	},
	{
		name: "budget: a clock that went back is not noted", breaks: "a clock that was ahead once uses a budget up for one window",
		pkg: "internal/budget", fn: "record.redated", from: `	r.Used, changed = r.Used.Redated(now)
`, to: ``, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a part of another clock counts before its minute is over", breaks: "what is seen of a clock that is ahead may still be used",
		pkg: "internal/rule", fn: "History.Added", from: `at = now + minute`, to: `at = now`, tests: []string{"internal/budget"},
	},
	{
		name: "budget: a clock that is behind frees the parts of the others", breaks: "a part that is ahead of now keeps its time, too",
		pkg: "internal/rule", fn: "History.Added", from: `			h = h.note(maxClocks, rise.At-1, h.highest(), fine)
`, to: ``, tests: []string{"internal/budget"},
	},
	{
		name: "budget: a clock that is behind makes the others' rises older", breaks: "beside a clock that is behind nothing is free before its window is over",
		pkg: "internal/rule", fn: "History.joined", from: `out.marks[i].At = max(out.marks[i].At, out.marks[i-1].At)`, to: `_ = out.marks[i]`, tests: inRule, run: `^TestClock`,
	},
	{
		name: "budget: a clock that was behind loses what rose", breaks: "what rises while a clock is behind counts when it is right again",
		pkg: "internal/rule", fn: "History.joined", from: `jump := min(back, `, to: `jump := min(0, `, tests: inRule,
	},
	{
		name: "budget: a clock that was ahead is believed", breaks: "what was marked after now counts by the clock as it is",
		pkg: "internal/rule", fn: "Rises.Within", from: `rest = rest.Min(Rises{Total: r.Total, history: *h.after}.Within(now, window))`, to: `_ = window`, tests: inRule,
	},
	{
		name: "budget: a payee's payments do not count", breaks: "a limit of a payee is about all its origins",
		pkg: "internal/budget", fn: "For", from: `names[2] = scope.Payee.Hex()`, to: `names[2] = scope.Payee.Hex() + scope.Origin`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: what was signed before counts as today's", breaks: "a voucher of ours that comes to light is no spending of today",
		pkg: "internal/rule", fn: "State.signedBefore", from: `		s.history = s.history.shifted(v.SubFloor(s.authorized))
`, to: ``, tests: inRule,
	},
	{
		name: "budget: a run is not charged", breaks: "a run costs its budget at most",
		pkg: "internal/ledger", fn: "Budget.refuses", from: `if more.IsZero() || !b.amount.Less(wanted) {`, to: `if true {`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "budget: the budget around a run is not charged", breaks: "a budget within another spends both",
		pkg: "internal/ledger", fn: "within", from: `for ; b != nil; b = b.parent {
			if !slices`, to: `for ; b != nil; b = nil {
			if !slices`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a context may raise", breaks: "a context raises only what the owner allows",
		pkg: "internal/rule", fn: "Limits.Override", from: `case allowed.Less(want):`, to: `case false:`, tests: []string{"internal/rule", "client"},
	},
	{
		name: "budget: a claim on what moved is covered", breaks: "what was decided on an old record is decided again",
		pkg: "internal/budget", fn: "Claims.Cover", from: `case !fit:`, to: `case fit && false:`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a part is used when its minute is over", breaks: "what was taken in advance is used within its minute",
		pkg: "internal/budget", fn: "Claims.Claim", from: `now.Before(b.ends) && now.Unix() < b.part.Until && `, to: `b.part.N != 0 && !now.IsZero() && `, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a conflict is taken for success", breaks: "who loses the race for a budget decides again",
		pkg: "internal/budget", fn: "Budgets.turns", from: `				continue
`, to: `				return nil
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: sessions without a limit go uncounted", breaks: "what a session took before a further scope is kept is awaited",
		pkg: "internal/budget", fn: "past.further", from: `			p.add(key, rule.Rise{At: part.Until, By: part.Amount})
`, to: `			_ = key
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a slow write goes uncounted", breaks: "a rise counts in records that are made while it is written",
		pkg: "internal/budget", fn: "Budgets.write", from: `if amount := b.pending.Max(`, to: `if amount := (voucher.Amount{}).Max(`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: nothing is given back", breaks: "what was taken in advance and not used is given back",
		pkg: "internal/budget", fn: "Budgets.GiveBack", from: `if b := w.books[key]; b.used.AddCapped(b.pending).Less(b.part.Amount) {`, to: `if b := w.books[key]; b == nil {`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: what is noted is forgotten", breaks: "what a session used of a part counts after the next one",
		pkg: "internal/budget", fn: "record.noted", from: `	if len(r.Parts) < listed && !used.IsZero() {`, to: `	if len(r.Parts) < listed && used.IsZero() {`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a record that cannot be read used nothing", breaks: "what cannot be read counts as the worse case",
		pkg: "internal/budget", fn: "Budgets.build", from: `			case err != nil:
`, to: `			case err != nil && false:
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: what moves out of the archive is missed", breaks: "the first record counts all channels, also one that moves meanwhile",
		pkg: "internal/budget", fn: "Budgets.build", from: `if pass == 2 && err == nil && `, to: `if pass == 2 || err == nil && false && `, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a part that is listed no more counts nowhere else", breaks: "a rise counts in records that are made while it is written",
		pkg: "internal/budget", fn: "record.folded", from: `		if r.further(p, kind) {`, to: `		if false {`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a part for one payee is used for another", breaks: "a part names the further records that it would count in",
		pkg: "internal/budget", fn: "Claims.Claim", from: `named = named && (`, to: `named = named || (`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: a record that vanished used nothing", breaks: "a budget that is gone refuses",
		pkg: "internal/budget", fn: "Budgets.load", from: `	case gone && b.rev == 0:
`, to: `	case gone:
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: an acknowledged opening that closed is given back", breaks: "what left counts against Limits.Total unless it can never be mined",
		pkg: "internal/ledger", fn: "Ledger.Correct", from: ` && !after.Confirmed {`, to: ` {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a refusal is refunded", breaks: "a refusal gives nothing back while its voucher can be redeemed",
		pkg: "internal/ledger", fn: "Account.release", from: `	r.terms.Charge.moved(r.claim.Price, voucher.Amount{})
`, to: `	r.terms.Charge.moved(r.claim.Price, voucher.Amount{})
	r.terms.Charge.undo(taken{r.claim.Price, r.claim.Raised})
`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what left is refunded", breaks: "what left is not given back",
		pkg: "internal/ledger", fn: "Charge.refundPrices", from: `if c.sent.Load() {`, to: `if false {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what another voucher covers is refunded", breaks: "what a voucher covers that left is not given back",
		pkg: "internal/ledger", fn: "Account.giveBack", from: ` && len(u.held) == 0; `, to: `; `, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a shared voucher is refunded", breaks: "a voucher that several requests were given left if one of them sent it",
		pkg: "internal/ledger", fn: "Account.hold", from: `		u.held[d.terms.Charge] = struct{}{}
`, to: `		if !d.charged.rises.IsZero() {
			u.held[d.terms.Charge] = struct{}{}
		}
`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what was refunded is free", breaks: "what was given back is charged again if it is signed again",
		pkg: "internal/ledger", fn: "Account.decide", from: `		s = without(a.spare, s)
`, to: `		_ = without
`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a run is not charged what it raised", breaks: "a run is charged the larger of prices and rises",
		pkg: "internal/ledger", fn: "Account.judge", from: `take(a, d.before.Price, d.after.Price, more)`, to: `take(a, d.before.Price, d.after.Price, voucher.Amount{})`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: a run signs ahead beyond its budget", breaks: "no more is signed for a run than its budget leaves",
		pkg: "internal/ledger", fn: "Account.weigh", from: `		lim = d.terms.Charge.within(lim)
`, to: `		_ = d.terms.Charge.within(lim)
`, tests: []string{"internal/budget", "internal/ledger"},
	},
	{
		name: "budget: what was refused is free for a run", breaks: "a run is charged all that comes to exist for it",
		pkg: "internal/rule", fn: "State.bounds", from: `b.ceiling.Min(s.MayExist().AddCapped`, to: `b.ceiling.Min(s.authorized.AddCapped`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what nothing was signed for stays charged", breaks: "what certainly was not signed is given back",
		pkg: "internal/ledger", fn: "Account.drop", from: `		d.terms.Charge.undo(d.charged)
`, to: ``, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: what a stream takes unasked is free", breaks: "a run pays for what its streams take",
		pkg: "internal/ledger", fn: "Account.deliver", from: `		r.overspent = err
`, to: `		paid = after.Price
`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: another token is added", breaks: "amounts of different tokens are never added",
		pkg: "internal/ledger", fn: "Budget.refuses", from: `if b.asset != asset {`, to: `if false {`, tests: []string{"internal/ledger"},
	},
	{
		name: "budget: an inner context may raise again", breaks: "of contexts within each other the inner one only lowers",
		pkg: "client", fn: "Session.limits", from: `		most = channel.Limits{}
`, to: ``, tests: inClient, run: `^TestWithLimits$`,
	},
	{
		name: "budget: remembered challenges go round the owner", breaks: "the owner is asked about every high price",
		pkg: "client", fn: "attempt.started", from: ` || (!lim.Ask.IsZero() && lim.Ask.Less(sum)) {`, to: ` {`, tests: inClient, run: `^TestAppro`,
	},
	{
		name: "budget: an approval holds for any price", breaks: "a higher price is another question",
		pkg: "internal/purchase", fn: "Purchase.covered", from: `!p.total.Less(p.Charged.AddCapped(p.offer.Price))`, to: `p.consented`, tests: inPurchase,
	},
	{
		name: "pins: forgotten at a restart", breaks: "terms are remembered in the store",
		pkg: "client", fn: "Config.complete", from: `c.Policy = PinFirstUse(c.Store)`, to: `c.Policy = PinFirstUse(nil)`, tests: inClient, run: `^Test(ChangedTerms|TwoPayees|Pin)`,
	},
}
