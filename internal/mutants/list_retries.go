package main

// retrying are the tests of requests that a caller makes again.
const retrying = `^Test(Retr|RandomRetr|Keys|KeyOf|WithoutTheKey|RequestsWithOneKey|LimitsOfARetry)`

// theRetries are requests that a caller makes again with its Idempotency-Key.
var theRetries = []defect{
	{
		name: "retry: a new purchase each time", breaks: "a retry with the same key is the same purchase",
		pkg: "client", fn: "attempt.hold", from: `if was == nil || was == b && b.tries == e.tries {`, to: `if true {`, tests: inClient, run: retrying,
	},
	{
		name: "retry: the key is not looked at", breaks: "a key names one purchase",
		pkg: "client", fn: "attempt.answered", from: `if a.byKey && a.keyed == nil {`, to: `if false {`, tests: inClient, run: retrying,
	},
	{
		name: "retry: another body goes on", breaks: "another body under one key is an error",
		pkg: "client", fn: "keyedPurchases.enter", from: `case e.sum != nil && *e.sum != sum:`, to: `case false:`, tests: inClient, run: retrying,
	},
	{
		name: "retry: all URLs are one", breaks: "a key is for one method and URL",
		pkg: "client", fn: "attempt.keyedID", from: `req.URL.RequestURI()`, to: `""`, tests: inClient, run: retrying,
	},
	{
		name: "retry: all methods are one", breaks: "a key is for one method and URL",
		pkg: "client", fn: "attempt.keyedID", from: `cmp.Or(req.Method, http.MethodGet)`, to: `http.MethodGet`, tests: inClient, run: retrying,
	},
	{
		name: "retry: another run's purchase goes on", breaks: "a run pays for its own requests",
		pkg: "client", fn: "attempt.keyedID", from: `budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)`, to: `var budgets []*ledger.Budget`, tests: inClient, run: retrying,
	},
	{
		name: "retry: nobody waits", breaks: "a second request with the key waits for the first",
		pkg: "client", fn: "keyedPurchases.add", from: `turn: make(chan struct{}, 1)`, to: `turn: make(chan struct{}, 9)`, tests: inClient, run: retrying,
	},
	{
		name: "retry: a stream ends with its headers", breaks: "a stream is under way until its body ends",
		pkg: "client", fn: "attempt.meter", from: `m.holds, a.holds = a.holds, false`, to: `m.holds = false`, tests: inClient, run: retrying,
	},
	{
		name: "retry: a purchase in flight is evicted", breaks: "what is under way is never forgotten",
		pkg: "client", fn: "keyedPurchases.unuse", from: `e.users == 0 && !e.dropped`, to: `!e.dropped`, tests: inClient, run: retrying,
	},
	{
		name: "retry: memory without a bound", breaks: "a session remembers so many purchases",
		pkg: "client", fn: "keyedPurchases.add", from: `	if len(k.all) >= maxKeyed {
`, to: `	if false {
`, tests: inClient, run: retrying,
	},
	{
		name: "retry: the newest is forgotten first", breaks: "the purchase that ended longest ago is forgotten first",
		pkg: "client", fn: "keyedPurchases.unuse", from: `k.ended.PushBack(e)`, to: `k.ended.PushFront(e)`, tests: inClient, run: retrying,
	},
	{
		name: "retry: remembered for ever", breaks: "a purchase is remembered for a day",
		pkg: "client", fn: "keyedPurchases.find", from: `time.Since(e.at) >= keyedFor`, to: `time.Since(e.at) < 0`, tests: inClient, run: retrying,
	},
	{
		name: "body: a Close of another's Read holds up a request", breaks: "RoundTrip ends with its context, whatever a Close of its body does",
		pkg: "client", fn: "replay.abort", from: `within(closeGrace, closed)`, to: `<-closed`, tests: inClient, run: `^TestCloseOfASending`,
	},
	{
		name: "retry: a body is compared with half of it", breaks: "a body that was not read to its end is not compared",
		pkg: "client", fn: "replay.digest", from: ` && !b.over && b.first == 0 && errors.Is(b.end, io.EOF)`, to: ``, tests: inClient, run: retrying,
	},
	{
		name: "retry: served and paid again", breaks: "nothing more is authorized for what was served",
		pkg: "internal/purchase", fn: "Purchase.Resume", from: `last == Accepted || last == AcceptedNoContent || `, to: ``, tests: []string{"internal/purchase", "client"}, run: `^Test(Random|Retr)`,
	},
	{
		name: "retry: a charged redirect is paid again", breaks: "nothing more is authorized after a redirect was charged",
		pkg: "internal/purchase", fn: "Purchase.Resume", from: ` || !p.Charged.IsZero()`, to: ``, tests: inPurchase,
	},
	{
		name: "retry: doubt is forgotten", breaks: "an unknown outcome stays unknown until the request is served",
		pkg: "internal/purchase", fn: "Purchase.Resume", from: `p.doubt = p.doubt || last == Unknown`, to: `p.doubt = false`, tests: inPurchase,
	},
	{
		name: "retry: served elsewhere and paid again", breaks: "what was served is presented on its channel only",
		pkg: "internal/purchase", fn: "retries", from: `p.Paid && (e.Channel != p.channel || !p.covered() ||`, to: `p.Paid && (false ||`, tests: []string{"internal/purchase", "client"}, run: `^Test(Random|Retr)`,
	},
	{
		name: "retry: a paid request asks the gate", breaks: "nothing is decided for what was paid before",
		pkg: "client", fn: "attempt.issue", from: `case do.Present:`, to: `case do.Present && false:`, tests: inClient, run: retrying,
	},
	{
		name: "retry: the price counts twice", breaks: "a retry counts one price",
		pkg: "internal/ledger", fn: "Reservation.resume", from: `r.open, r.doubt = true, true`, to: `r.open, r.doubt = false, true`, tests: []string{"internal/ledger"},
	},
	{
		name: "retry: the first try is taken for free", breaks: "what may have been charged stays counted",
		pkg: "internal/ledger", fn: "Reservation.Release", from: `case r.doubt:`, to: `case false:`, tests: []string{"internal/ledger"},
	},
	{
		name: "retry: a report is not looked at", breaks: "what a report freed counts anew",
		pkg: "internal/ledger", fn: "Reservation.judged", from: `!r.account.cleared.Less(r.at)`, to: `false`, tests: []string{"internal/ledger", "client"}, run: `^Test(Retr|RandomRetr)`,
	},
	{
		name: "retry: what was charged is refused", breaks: "a request that was charged is presented again",
		pkg: "internal/rule", fn: "State.Retried", from: `return s, was, s.Signed, nil`, to: `return next, c, due, err`, tests: inRule,
	},
	{
		name: "retry: a lower price takes the first one back", breaks: "the highest price that may have been charged counts",
		pkg: "internal/rule", fn: "State.Retried", from: `req.Price = req.Price.Max(was.Price)`, to: ``, tests: inRule,
	},
	{
		name: "retry: an unknown outcome is safe", breaks: "what may have been paid is not tried again",
		pkg: "client", fn: "Error.Retryable", from: `OutcomeNotSent, OutcomeRejected:`, to: `OutcomeNotSent, OutcomeRejected, OutcomeUnknown:`, tests: inClient, run: `^TestRetryable$`,
	},
	{
		name: "retry: one served without payment is another purchase", breaks: "a retry that is free names the purchase of the tries before",
		pkg: "client", fn: "attempt.mayBePaid", from: `a.byKey && a.keyed == nil`, to: `false`, tests: inClient,
		run: `^TestRetryServedWithoutPayment$`,
	},
	{
		name: "proof: what was found and not recorded is forgotten", breaks: "a found channel is not opened a second time",
		pkg: "client", fn: "attempt.tryProved", from: `a.s.proofs.keep(a.origin.Text, f)`, to: `_ = f`, tests: inClient,
		run: `^TestFoundAndNotRecorded$`,
	},
	{
		name: "proof: none is given for what was not recorded", breaks: "a payee that names no price without a proof is paid after the store is well again",
		pkg: "client", fn: "proofBook.pardon", from: `had.left = 1`, to: ``, tests: inClient,
		run: `^TestFoundAndNotRecorded$`,
	},
	{
		name: "cookies: those after the answer are lost", breaks: "each cookie that the payee set reaches the caller",
		pkg: "client", fn: "attempt.mayBePaid", from: `a.cookies.finish(a.resp)`, to: ``, tests: inClient,
		run: `^TestCookiesAfterTheAnswer$`,
	},
}
