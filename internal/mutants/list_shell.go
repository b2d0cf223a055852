package main

// thePayment is the way of one request: whom to trust, what to present, what its answer may change.
var thePayment = []defect{
	{
		name: "pay: first use not pinned", breaks: "a payee, token, chain or escrow that changes is refused",
		file: "internal/pins/pins.go", from: `return &Conflict{Offer: o, Accepted: r.pins, Known: known, Units: seen}`, to: `return nil`, tests: inPins,
	},
	{
		name: "pay: redirect followed with the credential", breaks: "a management credential does not cross a redirect",
		file: "client/manage.go", from: `return http.ErrUseLastResponse }`, to: `return nil }`, tests: inClient,
	},
	{
		name: "pay: retry-after uncapped", breaks: "a server's Retry-After does not make us wait for long",
		file: "client/manage.go", from: `return min(retryablehttp.DefaultBackoff(lo, hi, attempt, resp), hi)`, to: `return retryablehttp.DefaultBackoff(lo, hi, attempt, resp)`, tests: inClient,
	},
}

// theFunding is finding, opening, filling and closing channels.
var theFunding = []defect{
	{
		name: "fund: what the caller names is not checked", breaks: "a named channel fits the challenge and takes vouchers",
		file: "client/find.go", from: `if have != scope || !state.Payable() {`, to: `if false {`, tests: inClient,
	},
	{
		name: "fund: a mined top-up is given back to the total", breaks: "what left counts against Limits.Total unless it can never be mined",
		file: "internal/ledger/funding.go", from: ` && !before.ToppingUp.Before.Less(after.Deposit) {`, to: ` {`, tests: inLedger,
	},
}
