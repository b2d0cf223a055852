package main

// thePayment is the way of one request: whom to trust, what to present, what its answer may change.
var thePayment = []defect{
	{
		name: "pay: http allowed", breaks: "a credential goes over TLS or to this machine",
		file: "client/trust.go", from: `if !secure(u) {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: escrow not pinned", breaks: "only the canonical escrow, or the configured one, gets money",
		file: "client/trust.go", from: `if o.Escrow != want && o.ChainID != 0 {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: policy not asked", breaks: "the owner says with whom to deal",
		file: "client/trust.go", from: `if err := p.s.cfg.Policy(ctx, proposal); err != nil {`, to: `if err := p.s.cfg.Policy(ctx, proposal); false {`, tests: inClient,
	},
	{
		name: "pay: first use not pinned", breaks: "a payee, token, chain or escrow that changes is refused",
		file: "internal/pins/pins.go", from: `return &Conflict{Offer: o, Accepted: r.pins, Known: known, Units: seen}`, to: `return nil`, tests: inPins,
	},
	{
		name: "pay: other terms on the retry", breaks: "who wants the money now is a new decision",
		file: "client/refused.go", from: `if !rule.SameTerms(fresh.offer, p.known.offer) {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: another price on the retry", breaks: "a changed price is decided again, under the limits",
		file: "client/refused.go", from: `if fresh.offer.Price != p.known.offer.Price {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: cross-origin paid", breaks: "only the origin that the caller chose is paid",
		file: "client/pay.go", from: `	if !chosen(p.out.req) {
		return false, ErrRedirect`, to: `	if false {
		return false, ErrRedirect`, tests: inClient,
	},
	{
		name: "pay: cross-origin paid on a known route", breaks: "a redirect to a known route of another origin presents nothing",
		file: "client/pay.go", from: ` || !chosen(p.out.req) || len(wanted`, to: ` || len(wanted`, tests: inClient,
	},
	{
		name: "pay: each hop of a redirect asks anew", breaks: "a request gives its price away once, however often it is redirected",
		file: "client/pay.go", from: `before.left != nil && before.left.Account() == a {`, to: `false {`, tests: inClient,
	},
	{
		name: "pay: an opening presented for another price", breaks: "an opening goes with the price that was agreed to",
		file: "client/refused.go", from: `false, p.known.offer.Price.Less(fresh.offer.Price)`, to: `false, false`, tests: inClient,
	},
	{
		name: "pay: a top-up agrees to another price", breaks: "a price is answered after consent only",
		file: "client/manage.go", from: `if p.known.offer.Price != agreed.offer.Price {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: redirect followed with the credential", breaks: "a management credential does not cross a redirect",
		file: "client/manage.go", from: `return http.ErrUseLastResponse }`, to: `return nil }`, tests: inClient,
	},
	{
		name: "pay: a body that cannot be sent again", breaks: "whether a request can be repeated is known before anything is signed",
		file: "client/pay.go", from: `	if !p.out.repeatable {
		return false,`, to: `	if false {
		return false,`, tests: inClient,
	},
	{
		name: "pay: Idempotency-Key changes between tries", breaks: "all paid sendings of one request carry one key",
		file: "client/request.go", from: `	if o.key == "" {
`, to: `	if out.Header.Del("Idempotency-Key"); true {
`, tests: inClient,
	},
	{
		name: "pay: guard body removed", breaks: "net/http does not send a paid request twice by itself",
		file: "client/request.go", from: `out.Body = emptyBody{}`, to: `out.Body = nil`, tests: inClient,
	},
	{
		name: "pay: retry-after uncapped", breaks: "a server's Retry-After does not make us wait for long",
		file: "client/manage.go", from: `return min(retryablehttp.DefaultBackoff(lo, hi, attempt, resp), hi)`, to: `return retryablehttp.DefaultBackoff(lo, hi, attempt, resp)`, tests: inClient,
	},
	{
		name: "pay: sent again without end", breaks: "how often a paid request is sent again is bounded",
		file: "client/pay.go", from: `if p.paid > p.s.cfg.Retries+p.overtaken {`, to: `if false {`, tests: inClient,
	},
	{
		name: "pay: claim released on unknown outcome", breaks: "what was sent stays counted where no answer came",
		file: "client/finish.go", from: `	if p.info.sent {
		p.claim.Keep()`, to: `	if p.info.sent {
		p.claim.Release()`, tests: inClient,
	},
	{
		name: "pay: an answer without an account frees the price", breaks: "without a receipt that says otherwise the price stays counted",
		file: "client/finish.go", from: `	if r == nil || !r.Session {
		p.claim.Keep()`, to: `	if r == nil || !r.Session {
		p.claim.Release()`, tests: inClient,
	},
	{
		name: "pay: receipt of another channel booked", breaks: "a receipt for another channel touches nothing",
		file: "client/finish.go", from: `case r.ChannelID != p.account.ID():`, to: `case false:`, tests: inClient,
	},
	{
		name: "pay: receipt of another challenge booked", breaks: "a receipt answers the challenge that was paid",
		file: "client/finish.go", from: `case r.ChallengeID != p.known.challenge.ID:`, to: `case false:`, tests: inClient,
	},
	{
		name: "pay: receipt on free answer booked", breaks: "receipts count only on the answer to our credential",
		file: "client/finish.go", from: `	if p.claim == nil {
		p.record(`, to: `	if p.claim == nil {
		if r, err := receipt.Parse(resp.Header.Get(wire.HeaderPaymentReceipt)); err == nil && r.Session {
			if account, err := p.s.ledger.Account(ctx, r.ChannelID); err == nil {
				_ = account.Reconcile(word(r))
			}
		}
		p.record(`, tests: inClient,
	},
	{
		name: "pay: proof for non-zero amount", breaks: "a proof is signed for nothing or not at all",
		file: "client/bootstrap.go", from: `case !r.Amount.IsZero():`, to: `case false:`, tests: inClient,
	},
	{
		name: "pay: proof for another realm", breaks: "a proof is for the realm that asked for the session",
		file: "client/bootstrap.go", from: `case c.Realm != session.Realm:`, to: `case false:`, tests: inClient,
	},
	{
		name: "pay: proof for another chain", breaks: "a proof is for the chain of the session",
		file: "client/bootstrap.go", from: `case chainID != session.ChainID:`, to: `case false:`, tests: inClient,
	},
	{
		name: "pay: proof for an expired challenge", breaks: "an expired charge challenge gets no proof",
		file: "client/bootstrap.go", from: `err != nil || (ok && !now.Before(t)) {`, to: `err != nil && ok && t.IsZero() {`, tests: inClient,
	},
	{
		name: "pay: proof as often as it is asked for", breaks: "an origin is asked once in ten minutes, whatever it answered",
		file: "client/bootstrap.go", from: `if last, ok := s.asked[origin]; ok && now.Sub(last) < bootstrapEvery {`, to: `if last, ok := s.asked[origin]; ok && now.Before(last) {`, tests: inClient,
	},
}

// theFunding is finding, opening, filling and closing channels.
var theFunding = []defect{
	{
		name: "fund: hint's deposit believed", breaks: "a deposit is what we put in or the chain has, not what a snapshot says",
		file: "client/find.go", from: `	if snap := how.snap; snap != nil {
		if snap.Voucher == nil`, to: `	if snap := how.snap; snap != nil {
		state.Deposit = state.Deposit.Max(snap.Deposit)
		if snap.Voucher == nil`, tests: inClient,
	},
	{
		name: "fund: a challenge's deposit believed", breaks: "what a challenge says of a channel that we have fills nothing",
		file: "client/prepare.go", from: `	if err := account.Reconcile(ctx, p.claim, snap.Report); err != nil {`, to: `	_ = account.Update(ctx, func(s rule.State) rule.State { s.Deposit = s.Deposit.Max(snap.Deposit); return s })
	if err := account.Reconcile(ctx, p.claim, snap.Report); err != nil {`, tests: inClient,
	},
	{
		name: "fund: snapshot voucher not verified", breaks: "a voucher in a snapshot is looked at before the channel is used",
		file: "client/find.go", from: `if state, err = state.Recover(*snap.Voucher); err != nil {`, to: `if _, err = state.Recover(*snap.Voucher); false {`, tests: inClient,
	},
	{
		name: "fund: accepted without a voucher believed", breaks: "flat hints prove nothing: a channel whose numbers nobody proves is not used",
		file: "client/find.go", from: `	if snap := how.snap; snap != nil {
		if snap.Voucher == nil`, to: `	if snap := how.snap; snap != nil && snap.Voucher != nil {
		if snap.Voucher == nil`, tests: inClient,
	},
	{
		name: "fund: a snapshot that contradicts itself is used", breaks: "a server whose numbers cannot be is not resumed",
		file: "client/find.go", from: `if state, err = state.Reconcile(snap.Report, voucher.Amount{}); err != nil {`, to: `if state, _ = state.Reconcile(snap.Report, voucher.Amount{}); false {`, tests: inClient,
	},
	{
		name: "fund: a hint replaces our channel", breaks: "what a server names never replaces a usable channel of ours",
		file: "client/prepare.go", from: `if account == nil || !account.State().Payable() {
		if found`, to: `if true {
		if found`, tests: inClient,
	},
	{
		name: "fund: what the caller names is not checked", breaks: "a named channel fits the challenge and takes vouchers",
		file: "client/find.go", from: `if have != scope || !state.Payable() {`, to: `if false {`, tests: inClient,
	},
	{
		name: "fund: an opening is signed twice", breaks: "one opening transaction for one need, presented until it is decided",
		file: "client/prepare.go", from: `return p.resumeOpening(ctx, account)`, to: `return p.open(ctx, account)`, tests: inClient,
	},
	{
		name: "fund: second top-up signed for the same need", breaks: "one top-up for one need, presented until it is decided",
		file: "client/open.go", from: `	if !state.ToppingUp.Pending() {
		now := view()`, to: `	if true {
		now := view()`, tests: inClient,
	},
	{
		name: "fund: top-up not written before sending", breaks: "a top-up is durable before it leaves",
		file: "client/open.go", from: `	overtaken := false
	err = account.Update(ctx, func(s rule.State) rule.State {
		if overtaken = s.Deposit != deposit || s.ToppingUp.Pending(); overtaken {
			return s
		}
		return s.Funded(rule.Funding{Amount: amount, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore})
	})
	if err == nil && overtaken {
		err = errOvertaken
	}
	return account.State(), err`, to: `	return state.Funded(rule.Funding{Amount: amount, Raw: tx.Raw, Hash: tx.TxHash, ValidBefore: tx.ValidBefore}), nil`, tests: inClient,
	},
	{
		name: "fund: a top-up over another session's", breaks: "two sessions of one store stay within Limits.Deposit together",
		file: "client/open.go", from: `overtaken = s.Deposit != deposit || s.ToppingUp.Pending(); overtaken {`, to: `overtaken = false; overtaken {`, tests: inClient,
	},
	{
		name: "fund: a mined top-up is given back to the total", breaks: "what left counts against Limits.Total unless it can never be mined",
		file: "internal/ledger/funding.go", from: ` && !t.Before.Less(after.Deposit) {`, to: ` {`, tests: inClient,
	},
	{
		name: "fund: a second opening for one request", breaks: "one request opens one channel at most",
		file: "client/refused.go", from: `if p.regone || p.openTx != nil {`, to: `if p.regone {`, tests: inClient,
	},
	{
		name: "fund: a gone channel is not put aside", breaks: "a channel whose payee is gone is kept for its money and not paid from",
		file: "client/refused.go", from: `if err := account.Update(ctx, rule.State.Abandoned); err != nil {`, to: `if err := account.Update(ctx, func(s rule.State) rule.State { return s }); err != nil {`, tests: inClient,
	},
	{
		name: "fund: close receipt unchecked", breaks: "a close receipt says what was sent, or the chain decides",
		file: "client/closing.go", from: `case r.Accepted != state.CloseAmount:`, to: `case false:`, tests: inClient,
	},
	{
		name: "fund: a close that spends more is believed", breaks: "a close receipt above the close voucher is no receipt",
		file: "client/closing.go", from: `case state.CloseAmount.Less(r.Spent):`, to: `case false:`, tests: inClient,
	},
	{
		name: "fund: a close is believed without the chain", breaks: "a channel is closed when the chain says so",
		file: "client/closing.go", from: `			return err
		}
		if s.cfg.Chain == nil {
			return nil
		}`, to: `			return err
		}
		return nil`, tests: inClient,
	},
	{
		name: "fund: receipts are not read", breaks: "a funding transaction that was mined and reverted is not waited for",
		file: "client/doubt.go", from: `if tx == zeroHash {`, to: `if tx != zeroHash || true {`, tests: inClient,
	},
	{
		name: "fund: a close is asked for without end", breaks: "a payee that refuses to close for nothing is asked a few times",
		file: "client/closing.go", from: `refused = signed.Cumulative.Max(voucher.Units(1))`, to: `refused, try = signed.Cumulative, 1`, tests: inClient,
	},
	{
		name: "fund: closed under other terms", breaks: "a close goes to the payee that the channel was opened for",
		file: "client/closing.go", from: `if rule.ScopeOf(k.offer, p.origin, s.payer, s.ledger.Signer()) != state.Scope {`, to: `if false {`, tests: inClient,
	},
	{
		name: "fund: a lost close is taken back", breaks: "a close that may have arrived keeps the channel closing",
		file: "client/closing.go", from: `return err // it may have arrived: the channel stays closing`, to: `return errors.Join(err, account.Update(ctx, rule.State.CloseRefused))`, tests: inClient,
	},
}
