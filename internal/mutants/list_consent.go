package main

// theShell is what carries out the decisions: consent, and what a request keeps of its channels.
var theShell = []defect{
	{
		name: "consent: no expiry after the approval", breaks: "the expiry is checked again after what waits",
		pkg: "client", fn: "attempt.consent", from: `e.Expired = rule.Live(`, to: `_ = rule.Live(`, tests: inClient, run: `Expires|ChallengeExp`,
	},
	{
		name: "consent: the owner is shown a price without its tolls", breaks: "an approval is for the sum of the redirects",
		pkg: "client", fn: "attempt.consent", from: `sum, lim := a.decision.Total,`, to: `sum, lim := a.challenge.offer.Price,`, tests: inClient, run: `^TestApprovalIsForTheSum`,
	},
	{
		name: "consent: others wait behind an approval", breaks: "nobody waits behind an opening while the owner is asked",
		pkg: "client", fn: "attempt.selectChannel", from: `if a.opening != nil && !a.decision.Carrying {`, to: `if false {`, tests: inClient, run: `^TestOtherRequestsGoOn`,
	},
	{
		name: "consent: a limit holds for each toll alone", breaks: "Limits.Price holds for the sum of the redirects",
		pkg: "client", fn: "attempt.selectChannel", from: `CheckPrice(a.decision.Total)`, to: `CheckPrice(a.challenge.offer.Price)`, tests: inClient, run: `^TestRedirect|^TestApprovalIsForTheSum`,
	},
	{
		name: "consent: a top-up is funded on other terms", breaks: "funding on other terms is a new decision",
		pkg: "client", fn: "challenge.sameBut", from: ` && mine.Funding == theirs.Funding`, to: ``, tests: inClient, run: `^TestTopUpIsNot`,
	},
	{
		name: "consent: a fresh challenge for a voucher has any unit", breaks: "a credential answers the terms that were agreed to",
		pkg: "client", fn: "challenge.sameBut", from: `mine.Terms == theirs.Terms`, to: `mine.Terms.Payee == theirs.Terms.Payee`, tests: inClient, run: `^TestTopUpIsNot`,
	},
	{
		name: "purchase: a channel that the request comes back to is new", breaks: "what a request leaves on a channel is still its own",
		pkg: "client", fn: "attempt.use", from: `a.reserved, a.carried = a.left[state.ID],`,
		to: `a.carried =`, tests: inClient, run: `^TestOneRequestIsOnePurchase$`,
	},
	{
		name: "purchase: a redirect to a known route is a new request", breaks: "a redirect goes on with what the request reserved",
		pkg: "client", fn: "attempt.started", from: `= c, c.account, a.left[state.ID]`, to: `= c, c.account, nil`, tests: inClient, run: `^TestRedirect`,
	},
	{
		name: "purchase: the second payment is not noted", breaks: "a payee is not paid twice again for an hour",
		pkg: "client", fn: "attempt.beginSecond", from: `if !a.s.twice.begin(name, secondPaymentEvery) {`, to: `if name == "" {`, tests: inClient, run: `^Test(Second|Concurrent|Service)`,
	},
	{
		name: "purchase: paid twice and served is as served", breaks: "a second payment does not end its own hour",
		pkg: "client", fn: "attempt.remember", from: `if o == purchase.Accepted && !a.second && `, to: `if o == purchase.Accepted && `, tests: inClient, run: `^Test(Second|Concurrent|Service)`,
	},
	{
		name: "purchase: what left is refunded by the client", breaks: "a credential that left stays charged to its budgets",
		pkg: "client", fn: "attempt.send", from: `			a.charge.Sent()
`, to: `			_ = a.charge
`, tests: inClient, run: `Budget`,
	},
	{
		name: "purchase: a channel that was opened meanwhile is replaced", breaks: "one opening for a scope, whoever makes it",
		pkg: "client", fn: "attempt.open", from: `before.State().Payable();`, to: `false;`, tests: inClient, run: `^TestChannelThatIsOpenedDuringConsent$`,
	},
}
