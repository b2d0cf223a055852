package main

// thePayment is the way of one request: whom to trust, what to present, what its answer may change.
var thePayment = []defect{
	{
		name: "pay: first use not pinned", breaks: "a payee, token, chain or escrow that changes is refused",
		pkg: "internal/pins", fn: "Book.Check", from: `return &Conflict{Offer: o, Accepted: r.pins, Known: known, Units: seen}`, to: `return nil`, tests: inPins,
	},
	{
		name: "pay: redirect followed with the credential", breaks: "a management credential does not cross a redirect",
		pkg: "client", fn: "attempt.manager", from: `return http.ErrUseLastResponse }`, to: `return nil }`, tests: inClient, run: `^TestRedirectOfAManagementRequest$`,
	},
	{
		name: "pay: retry-after uncapped", breaks: "a server's Retry-After does not make us wait for long",
		pkg: "client", fn: "cappedBackoff", from: `return min(retryablehttp.DefaultBackoff(lo, hi, attempt, resp), hi)`, to: `return retryablehttp.DefaultBackoff(lo, hi, attempt, resp)`, tests: inClient, run: `^TestRetryAfterIsNoOrder$`,
	},
	{
		name: "pay: http allowed", breaks: "a credential goes over TLS or to this machine",
		pkg: "client", fn: "Session.complete", from: `!from.Loopback {`, to: `!from.Loopback && false {`, tests: inClient, run: `^Test(InsecureHosts|LoopbackName)`,
	},
	{
		name: "pay: escrow not pinned", breaks: "only the canonical escrow, or the configured one, gets money",
		pkg: "client", fn: "Session.complete", from: `if o.Escrow = cmp.Or(o.Escrow, want); o.Escrow != want {`, to: `if o.Escrow = cmp.Or(o.Escrow, want); false {`, tests: inClient, run: `^TestEscrowIs`,
	},
	{
		name: "pay: policy not asked", breaks: "the owner says with whom to deal",
		pkg: "client", fn: "attempt.askPolicy", from: `if err := a.s.cfg.Policy(ctx, a.asked); err != nil {`, to: `if err := a.s.cfg.Policy(ctx, a.asked); false {`, tests: inClient, run: `^TestPolicy`,
	},
	{
		name: "pay: other terms on the retry", breaks: "who wants the money now is a new decision",
		pkg: "internal/purchase", fn: "refusals", from: `return e.Offer.Terms != p.offer.Terms || e.Offer.Funding != p.offer.Funding`, to: `return false`, tests: inPurchase,
	},
	{
		name: "pay: another price on the retry", breaks: "a changed price is decided again, under the limits",
		pkg: "internal/purchase", fn: "refusals", from: `return e.Offer.Price != p.offer.Price`, to: `return false`, tests: inPurchase,
	},
	{
		name: "pay: cross-origin paid", breaks: "only the origin that the caller chose is paid",
		pkg: "client", fn: "attempt.answered", from: `case req.Response != nil && !chosen(req):`, to: `case req.Response != nil && false:`, tests: inClient, run: `^TestRedirect`,
	},
	{
		name: "pay: cross-origin paid on a known route", breaks: "a redirect to a known route of another origin presents nothing",
		pkg: "client", fn: "attempt.started", from: `(req.Response != nil && !chosen(req)) || `, to: ``, tests: inClient, run: `^TestRedirect`,
	},
	{
		name: "pay: each hop of a redirect is a new request", breaks: "a request gives its price away once, however often it is redirected",
		pkg: "client", fn: "attempt.begin", from: `a.bought = a.s.boughtBefore(req.Response)`, to: `_ = a.s.boughtBefore(req.Response)`, tests: inClient, run: `^TestRedirect`,
	},
	{
		name: "pay: an opening presented for another price", breaks: "an opening goes with the price that was agreed to",
		pkg: "internal/purchase", fn: "Purchase.openingRefused", from: `case p.offer.Price.Less(e.Offer.Price):`, to: `case false:`, tests: inPurchase,
	},
	{
		name: "pay: a top-up agrees to another price", breaks: "a price is answered after consent only",
		pkg: "client", fn: "attempt.manage", from: `if a.challenge.offer.Price != agreed.offer.Price {`, to: `if false {`, tests: inClient, run: `^TestTopUp`,
	},
	{
		name: "pay: a body that cannot be sent again", breaks: "whether a request can be repeated is known before anything is signed",
		pkg: "client", fn: "attempt.answered", from: `case a.out.body != nil && !a.out.body.repeatable():`, to: `case false:`, tests: inClient, run: `^Test(Bod|GetBody)`,
	},
	{
		name: "pay: Idempotency-Key changes between tries", breaks: "all paid sendings of one request carry one key",
		pkg: "client", fn: "outgoing.build", from: `"Idempotency-Key", o.key)`, to: `"Idempotency-Key", o.key+credential.value)`, tests: inClient, run: `^Test(Idempotency|StaleChallenge|NoSilent)`,
	},
	{
		name: "pay: net/http repeats a request", breaks: "net/http does not send a paid request twice by itself",
		pkg: "client", fn: "progress.trace", from: `if info.Conn.SetWriteDeadline(time.Unix(1, 0)) != nil {`, to: `if _ = time.Unix; false {`, tests: inClient, run: `^TestNo(SilentReplay|ReplayOn)`,
	},
	{
		name: "pay: a refused stream counts as processed", breaks: "what the server refused to process is sent again, and paid once",
		pkg: "client", fn: "progress.reached", from: `case p.written && unprocessed(err) && !p.elsewhere && !p.answered:`, to: `case false:`, tests: inClient, run: `^Test(RefusedStream|StreamThatIs)`,
	},
	{
		name: "pay: a lost stream counts as refused", breaks: "what may have been processed stays counted",
		pkg: "client", fn: "progress.reached", from: `case p.written && unprocessed(err) && !p.elsewhere && !p.answered:`, to: `case p.written:`, tests: inClient, run: `^TestLostStream$`,
	},
	{
		name: "pay: a refused stream frees the budget", breaks: "a voucher that left stays charged to budgets",
		pkg: "client", fn: "attempt.send", from: `if got != stayed {`, to: `if got == arrived {`, tests: inClient, run: `^TestStreamThatIsAlwaysRefused$`,
	},
	{
		name: "pay: a body holds up its request", breaks: "RoundTrip ends with its context",
		pkg: "client", fn: "sending.Read", from: `case <-s.ctx.Done():`, to: `case <-make(chan struct{}):`, tests: inClient, run: `^TestBodyThatBlocks`,
	},
	{
		name: "pay: a problem is inflated without end", breaks: "what a server can make long has a bound",
		pkg: "client", fn: "inflate", from: `io.LimitReader(r, maxRefusal)`, to: `io.LimitReader(r, 1<<40)`, tests: inClient, run: `^TestInflateIsBounded$`,
	},
	{
		name: "pay: a stream in any coding is read", breaks: "payment frames that cannot be seen end the stream",
		pkg: "client", fn: "decoded", from: `case "":`, to: `case "", "br":`, tests: inClient, run: `^TestStreamCodings$`,
	},
	{
		name: "pay: cookies without end", breaks: "what a server can make long has a bound",
		pkg: "client", fn: "cookies.setBy", from: `len(c.lines) == maxCookies || c.text > maxCookieText`, to: `c.text < 0`, tests: inClient, run: `^TestCookiesAreBounded$`,
	},
	{
		name: "pay: a proof that may have left does not count", breaks: "an origin is given one proof in a while",
		pkg: "client", fn: "attempt.identify", from: `d.stayed()`, to: `true`, tests: inClient, run: `^TestProofThatDidNotLeave$`,
	},
	{
		name: "pay: cookies without end go with vouchers", breaks: "what a server can make long has a bound",
		pkg: "client", fn: "cookies.setBy", from: `now > maxCookieText`, to: `now < 0`, tests: inClient, run: `^TestCookiesOfVouchersAreBounded$`,
	},
	{
		name: "pay: a voucher goes to another backend", breaks: "what a payee sets for its stream goes with the vouchers of it",
		pkg: "client", fn: "attempt.managementRequestHeader", from: `a.addCookies(h)`, to: ``, tests: inClient, run: `^TestVouchersFollowTheirStream$`,
	},
	{
		name: "pay: sent again without end", breaks: "how often a paid request is sent again is bounded",
		pkg: "internal/purchase", fn: "refusals", from: `return p.tries.Sent > p.Retries+p.tries.Overtaken+p.tries.Early`, to: `return false`, tests: []string{"internal/purchase", "client"}, run: `^Test(Random|ServerThatNever|Overtaken|SentAgain)`,
	},
	{
		name: "pay: claim released on unknown outcome", breaks: "what was sent stays counted where no answer came",
		pkg: "client", fn: "attempt.end", from: `			r.Keep()
`, to: `			r.Release()
`, tests: inClient, run: `^Test(Lost|FailureAfter)`,
	},
	{
		name: "pay: an answer without an account frees the price", breaks: "without a receipt that says otherwise the price stays counted",
		pkg: "client", fn: "attempt.settle", from: `		a.reserved.Keep()
`, to: `		a.reserved.Release()
`, tests: inClient, run: `^Test(BaseReceipts|ReceiptStyles|ForgedReceipts|ReceiptsThat)`,
	},
	{
		name: "pay: receipt of another channel booked", breaks: "a receipt for another channel touches nothing",
		pkg: "client", fn: "attempt.checkReceipt", from: `case r.ChannelID != id:`, to: `case false:`, tests: inClient, run: `^Test(ForgedRec|ReceiptsThat)`,
	},
	{
		name: "pay: receipt of another challenge booked", breaks: "a receipt answers the challenge that was paid",
		pkg: "client", fn: "attempt.checkReceipt", from: `case r.ChallengeID != a.challenge.wire.ID:`, to: `case false:`, tests: inClient, run: `^Test(ForgedRec|ReceiptsThat)`,
	},
	{
		name: "pay: receipt on free answer booked", breaks: "receipts count only on the answer to our credential",
		pkg: "client", fn: "attempt.answered", from: `	if e.Status != http.StatusPaymentRequired {
`, to: `	if e.Status != http.StatusPaymentRequired {
		if r, err := receipt.Parse(a.resp.Header.Get(wire.HeaderPaymentReceipt)); err == nil && r.Session {
			if account, err := a.s.ledger.Account(ctx, r.ChannelID); err == nil {
				_ = account.Reconcile(ctx, nil, channel.Report{Accepted: r.Accepted, Spent: r.Spent, Units: r.Units})
			}
		}
`, tests: inClient, run: `^TestReceiptsThat`,
	},
	{
		name: "pay: proof for non-zero amount", breaks: "a proof is signed for nothing or not at all",
		pkg: "client", fn: "proofFor", from: `case !r.Amount.IsZero():`, to: `case false:`, tests: inClient, run: `^Test(Bootstrap|Relayed)`,
	},
	{
		name: "pay: proof for another realm", breaks: "a proof is for the realm that asked for the session",
		pkg: "client", fn: "proofFor", from: `case c.Realm != session.Realm:`, to: `case false:`, tests: inClient, run: `^Test(Bootstrap|Relayed)`,
	},
	{
		name: "pay: proof for another chain", breaks: "a proof is for the chain of the session",
		pkg: "client", fn: "proofFor", from: `case chainID != session.ChainID:`, to: `case false:`, tests: inClient, run: `^Test(Bootstrap|Relayed)`,
	},
	{
		name: "pay: proof for an expired challenge", breaks: "an expired charge challenge gets no proof",
		pkg: "client", fn: "proofFor", from: `err != nil || (ok && !now.Before(t)) {`, to: `err != nil && ok && t.IsZero() {`, tests: inClient, run: `^Test(Bootstrap|Relayed)`,
	},
	{
		name: "pay: proof as often as it is asked for", breaks: "an origin is asked once in ten minutes, whatever it answered",
		pkg: "client", fn: "attempt.prove", from: `signer == nil || !a.s.proofs.begin(a.origin.Text)`, to: `signer == nil`, tests: inClient, run: `^TestBootstrap`,
	},
	{
		name: "pay: who the payer is, as often as it is asked", breaks: "an origin that did not serve is shown it once in ten minutes",
		pkg: "client", fn: "attempt.proofOf", from: `who.end != nil && !s.proofs.begin(a.origin.Text)`, to: `false`, tests: inClient, run: `^TestProofOnce`,
	},
	{
		name: "pay: who the payer is, where nothing may be paid", breaks: "zero limits show nobody who the payer is",
		pkg: "client", fn: "attempt.mayBeShown", from: `return rule.Of(a.terms.Limits).CheckPrice(voucher.Units(1))`, to: `_ = rule.Of
	return nil`, tests: inClient, run: `^TestNoProof`,
	},
	{
		name: "pay: who the payer is, whatever the policy says", breaks: "the policy is asked before a proof is given",
		pkg: "client", fn: "attempt.proofOf", from: `err := s.cfg.Policy(ctx, p); err != nil`, to: `err := s.cfg.Policy(ctx, p); false`, tests: inClient, run: `^TestNoProof`,
	},
	{
		name: "pay: two proofs in one request", breaks: "one request gives one proof",
		pkg: "internal/purchase", fn: "Purchase.provable", from: `e.Unproved == nil && !p.proved`, to: `e.Unproved == nil`, tests: inPurchase, run: `^TestRandom`,
	},
	{
		name: "pay: a proof for a charge", breaks: "a proof answers an amount of exactly zero",
		pkg: "internal/purchase", fn: "Purchase.provable", from: `return asksWho(e) && `, to: `return e.ProofAsked && `, tests: inPurchase, run: `^TestRandom`,
	},
	{
		name: "pay: an opening that nobody refused is replaced", breaks: "an opening whose answer is lost is not replaced",
		pkg: "client", fn: "attempt.readChain", from: ` && a.s.declined.within(time.Minute, e.Channel.Hex())`, to: ` && time.Minute > 0`, tests: inClient, run: `^TestSponsor`,
	},
	{
		name: "pay: a POST that was served is made again", breaks: "a 204 to the proof of a POST is its answer",
		pkg: "client", fn: "attempt.heed", from: `&& safe && len(set) > 0`, to: `&& (safe || true) && len(set) > 0`, tests: inClient, run: `^TestProofOfAPost`,
	},
}
