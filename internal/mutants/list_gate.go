package main

// theRecord is what is kept of a channel, and how two sessions agree on it.
var theRecord = []defect{
	{
		name: "apart: the answer to another session is not waited for", breaks: "a payee that refuses equal vouchers refuses no request of sessions that share a channel",
		pkg: "internal/ledger", fn: "pace.least", from: `return p.answer + p.answer/4`, to: `return p.answer / 16`, tests: inClient, run: `^TestSessionsWhereEqual`,
	},
	{
		name: "apart: a busy session keeps others from paying", breaks: "a session that pays all the time keeps another one from paying for five seconds at most",
		pkg: "internal/ledger", fn: "Account.yield", from: `min(left, maxApart-waited)`, to: `left`, tests: inClient, run: `^TestSessionBesideABusyOne`,
	},
	{
		name: "apart: a session that begins waits for nobody", breaks: "a payee that refuses equal vouchers refuses no request of sessions that share a channel",
		pkg: "internal/ledger", fn: "Account.standApart", from: `a.meet(false) // those that use the channel already`, to: ``, tests: inClient, run: `^TestSessionsWhereEqual`,
	},
	{
		name: "pace: sessions do not take turns", breaks: "who wrote a record that sessions share last waits for all the others",
		pkg: "internal/ledger", fn: "Account.meet", from: `before = others`, to: `before = 0`, tests: inLedger, run: `^TestPaceOfSessionsThatShare`,
	},
	{
		name: "pace: own writes keep a session waiting", breaks: "a request waits for other sessions for a bounded time, whatever its own session writes",
		pkg: "internal/ledger", fn: "Account.meet", from: `d.waits && last.Before(p.foreign)`, to: `last.IsZero()`, tests: inLedger, run: `^TestPaceOfOwnWrites`,
	},
	{
		name: "pace: a session writes without a look", breaks: "a turn of sessions that share a record is hardly longer than its write",
		pkg: "internal/ledger", fn: "Account.yield", from: `a.stale.Store(true) // to look`, to: `// to look`, tests: inLedger, run: `^TestPaceOfSessionsThatShare`,
	},
	{
		name: "record: newer record version read", breaks: "a record of a newer version is refused, not guessed at",
		pkg: "internal/rule", fn: "Decode", from: `if v.Version != recordVersion {`, to: `if v.Version < recordVersion {`, tests: inRule,
	},
	{
		name: "record: signed above authorized read", breaks: "a record that contradicts itself is refused",
		pkg: "internal/rule", fn: "Decode", from: `if s.authorized.SubFloor(s.unsigned).Less(s.Signed) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "record: another channel's descriptor read", breaks: "a record hashes to its own id",
		pkg: "internal/rule", fn: "Decode", from: `if err := s.checkID(); err != nil {`, to: `if err := s.checkID(); false {`, tests: inRule,
	},
	{
		name: "record: another session's number lowers ours", breaks: "nothing that either side signed is lowered",
		pkg: "internal/rule", fn: "State.Fold", from: `if s.authorized.Less(a.Signed) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "record: asks of two sessions do not add up", breaks: "what both sessions ask for is counted",
		pkg: "internal/rule", fn: "State.Fold", from: `s.asked = s.asked.AddCapped(a.Asked).SubFloor(a.Withdrawn)`, to: `s.asked = s.asked.Max(a.Asked.SubFloor(a.Withdrawn))`, tests: inRule,
	},
	{
		name: "record: origin left out of the scope", breaks: "two origins do not share a channel",
		pkg: "internal/rule", fn: "ScopeKey", from: `		s.Origin, s.Protocol.String(),`, to: `		s.Protocol.String(),`, tests: []string{"internal/rule", "internal/ledger", "client"},
	},
	{
		name: "record: voucher key left out of the scope", breaks: "a changed voucher key never uses the old key's channel",
		pkg: "internal/rule", fn: "ScopeKey", from: `s.Payer.Hex(), s.Signer.Hex(),`, to: `s.Payer.Hex(),`, tests: []string{"internal/rule", "internal/ledger", "client"},
	},
	{
		name: "record: sessions without a name are forgotten", breaks: "what many sessions have in flight counts, also if they are not named",
		pkg: "internal/rule", fn: "State.bounded", from: `rest.Pending, rest.At = rest.Pending.AddCapped(w.Pending), max(rest.At, w.At)`, to: `rest.Pending, rest.At = rest.Pending.Max(w.Pending), max(rest.At, w.At)`, tests: inRule,
	},
	{
		name: "record: a closing channel is not listed", breaks: "a channel that holds money stays listed until the chain says that it is closed",
		pkg: "internal/rule", fn: "State.HoldsMoney", from: `return s.Phase() != channel.Closed && s.Phase() != channel.Unopened`, to: `return s.Phase() == channel.Open || s.Phase() == channel.Opening`, tests: inRule,
	},
}

// theGate is internal/ledger: decide, make durable, sign, in that order.
var theGate = []defect{
	{
		name: "gate: sign before store", breaks: "a signature never exists above the stored number",
		pkg: "internal/ledger", fn: "Account.issue", from: `			err = a.save(ctx, record)`, to: `		if record != nil {
			if _, err := a.ledger.signer.SignVoucher(ctx, a.domain, voucher.Voucher{ChannelID: a.id, Cumulative: due}); err != nil {
				return voucher.Signed{}, err
			}
		}
			err = a.save(ctx, record)`, tests: inLedger,
	},
	{
		name: "gate: nothing stored", breaks: "the number is durable before anything is signed",
		pkg: "internal/ledger", fn: "Account.issue", from: `			err = a.save(ctx, record)`, to: `		if record != nil {
			a.mu.Lock()
			a.base, a.added.Counts = record.state, a.added.Minus(record.counts)
			a.view = a.base.Fold(a.added)
			a.mu.Unlock()
		}
			err = nil`, tests: inLedger,
	},
	{
		name: "gate: conflict taken for success", breaks: "who loses the race decides again on what the winner wrote",
		pkg: "internal/ledger", fn: "Account.save", from: `rev, err = a.ledger.store.Put(ctx, a.places[a.at], data, a.rev)
`, to: `rev, err = a.ledger.store.Put(ctx, a.places[a.at], data, a.rev)
	if errors.Is(err, store.ErrConflict) {
		rev, err = a.rev, nil
	}
`, tests: inLedger,
	},
	{
		name: "gate: failed write taken for success", breaks: "nothing is signed where the store failed",
		pkg: "internal/ledger", fn: "Account.save", from: `rev, err = a.ledger.store.Put(ctx, a.places[a.at], data, a.rev)
`, to: `rev, err = a.ledger.store.Put(ctx, a.places[a.at], data, a.rev)
	if err != nil && !errors.Is(err, store.ErrConflict) {
		rev, err = a.rev, nil
	}
`, tests: inLedger,
	},
	{
		name: "gate: failed write not read again", breaks: "after an unknown write the record is read before anything is decided",
		pkg: "internal/ledger", fn: "Account.save", from: `		a.stale.Store(true)
`, to: ``, tests: inLedger,
	},
	{
		name: "gate: a write that worked is counted twice", breaks: "failed and unknown differ: a price counts once",
		pkg: "internal/ledger", fn: "Account.refresh", from: `if a.tried != nil && rev != a.rev {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "gate: an ask without a voucher stays counted", breaks: "where nothing was signed nothing was asked",
		pkg: "internal/ledger", fn: "Account.drop", from: `		a.unclaim(d)
		back := d.counted
`, to: `		back := d.counted
`, tests: inLedger,
	},
	{
		name: "pace: newcomers do not let an overtaken request through", breaks: "a voucher waits for those before it",
		pkg: "internal/ledger", fn: "pace.wait", from: `	case p.at[leaving] > 0:`, to: `	case false:`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: an epoch is waited for without an end", breaks: "a slow handler does not hold up the others",
		pkg: "internal/ledger", fn: "pace.wait", from: `pause := p.after(p.carriers)`, to: `pause := time.Hour`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: a refusal does not make the pause longer", breaks: "vouchers do not overtake each other again and again",
		pkg: "internal/ledger", fn: "pace.refused", from: `p.pause = max(p.pause, jump*crowd/time.Duration(min(max(p.before, few), crowd)))`, to: `_ = jump`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: the pause is as long after few requests", breaks: "epochs do not go in step with each other",
		pkg: "internal/ledger", fn: "pace.after", from: `p.pause*time.Duration(min(max(carriers, few), crowd))/crowd`, to: `p.pause`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: the pause is four answers however late a request was", breaks: "many requests at once are not slowed down for one that was late",
		pkg: "internal/ledger", fn: "pace.refused", from: `jump = min(jump, late)`, to: `_ = late`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: the voucher of another session is not let through", breaks: "sessions that share a record do not overtake each other",
		pkg: "internal/ledger", fn: "Account.issue", from: `cmp.Or(a.refresh(ctx), a.yield())`, to: `cmp.Or(a.refresh(ctx))`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: a request waits for other sessions without an end", breaks: "a request waits for other sessions 100 ms at most",
		pkg: "internal/ledger", fn: "Account.yield", from: `now.Add(left * max(maxPause-waited, 0) / maxPause)`, to: `now.Add(left)`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: other sessions do not let an overtaken request through", breaks: "no request is overtaken again and again",
		pkg: "internal/ledger", fn: "Account.decide", from: `holds = holds || d.reservation.trip.foreign > 1`, to: `_ = d`, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "pace: a request that waits at the gate is waited for", breaks: "a request that waits does not hold up itself",
		pkg: "internal/ledger", fn: "Account.arrive", from: `p.stop(&d.reservation.trip)`, to: ``, tests: inLedger, run: `^TestPace`,
	},
	{
		name: "gate: a close shares a voucher with waiting asks", breaks: "a close is signed for exactly what was used",
		pkg: "internal/ledger", fn: "Account.choose", from: `if a.serving = append(a.serving, d); d.exact {`, to: `if a.serving = append(a.serving, d); false {`, tests: inLedger,
	},
	{
		name: "gate: a claim stays in flight too short", breaks: "a receipt frees nothing of a request that waits for its answer",
		pkg: "internal/ledger", fn: "Account.own", from: `		sum = sum.AddCapped(r.claim.Price).AddCapped(r.claim.Lead)
`, to: `		_ = r
`, tests: inLedger,
	},
	{
		name: "gate: a word of one request is taken for a running total", breaks: "the payee is owed nothing",
		pkg: "internal/ledger", fn: "Reservation.Settle", from: `if older && r.since == a.reports {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "gate: what other sessions have in flight is forgotten", breaks: "the payee is owed nothing",
		pkg: "internal/rule", fn: "State.Pending", from: `if w.Name != name {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "gate: what a word freed is freed twice", breaks: "two sessions free the same credit once",
		pkg: "internal/ledger", fn: "Account.refresh", from: `		counted.Freed = a.added.Freed
`, to: ``, tests: inLedger,
	},
	{
		name: "gate: another session's voucher is a lie", breaks: "a word is judged by what is on record",
		pkg: "internal/ledger", fn: "Account.look", from: `	return a.refresh(ctx)
`, to: `	return nil
`, tests: inLedger,
	},
	{
		name: "gate: an answer that never came is free at once", breaks: "what may have been charged is counted",
		pkg: "internal/ledger", fn: "Account.own", from: `sum := a.kept.SubFloor(a.cleared)`, to: `var sum voucher.Amount`, tests: inLedger,
	},
	{
		name: "gate: an older word frees nothing", breaks: "what is claimed is what was charged, in whatever order the answers come",
		pkg: "internal/ledger", fn: "Reservation.Settle", from: `err != nil || !older {`, to: `true {`, tests: inLedger,
	},
	{
		name: "gate: alias kept on rebind", breaks: "one scope, one channel: the old name goes in the same write",
		pkg: "internal/ledger", fn: "Ledger.Add", from: `now.Version, now.Scope, now.ChannelID = 1, s.Scope, s.ID`, to: `now.Version, now.Scope, now.ChannelID = 1, s.Scope, map[bool]common.Hash{true: s.ID, false: now.ChannelID}[now.ChannelID == (common.Hash{})]`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "gate: another process's channel is overwritten", breaks: "a scope's channel is replaced only by who knows it",
		pkg: "internal/ledger", fn: "Ledger.Add", from: `(replaces == nil || now.ChannelID != replaces.id) {`, to: `false {`, tests: inLedger,
	},
	{
		name: "gate: another scope's record is read", breaks: "a record says whose it is, and is refused elsewhere",
		pkg: "internal/ledger", fn: "Ledger.alias", from: ` || a.Scope != scope {`, to: ` {`, tests: inLedger,
	},
	{
		name: "gate: opening not written before sending", breaks: "an opening is durable before it leaves",
		pkg: "internal/ledger", fn: "Ledger.Add", from: `rev, err := l.store.Put(ctx, places[0], data, 0)
`, to: `rev, err := uint64(1), error(nil)
	_ = data
`, tests: []string{"internal/ledger", "client"},
	},
	{
		name: "archive: a channel that is shown again stays", breaks: "what may hold money is never in the archive only",
		pkg: "internal/ledger", fn: "Account.save", from: `a.at == archived && !w.state.Finished()`, to: `false`, tests: inLedger,
	},
	{
		name: "archive: one place is read", breaks: "a channel is found by its id wherever it is, also while it moves",
		pkg: "internal/ledger", fn: "Ledger.find", from: `if place+1 == len(places) || `, to: `if `, tests: inLedger,
	},
	{
		name: "archive: a listing sees what moves twice", breaks: "a channel is listed once, also while it moves",
		pkg: "internal/ledger", fn: "Ledger.Each", from: `err == nil && twice ||`, to: `err == nil && twice && false ||`, tests: inLedger,
	},
	{
		name: "archive: what has not ended is moved", breaks: "a channel that holds money stays listed",
		pkg: "internal/ledger", fn: "Ledger.Live", from: `most > 0 && s.Finished() &&`, to: `most > 0 &&`, tests: inLedger,
	},
	{
		name: "archive: a closing channel has ended", breaks: "a channel that may hold money is not archived",
		pkg: "internal/rule", fn: "State.Finished", from: `return s.Closed &&`, to: `return (s.Closed || s.CloseSent) &&`, tests: inRule,
	},
	{
		name: "archive: an undecided funding is dropped from view", breaks: "a channel with an undecided transaction is not archived",
		pkg: "internal/rule", fn: "State.Finished", from: ` && !s.ToppingUp.Pending()`, to: ``, tests: inRule,
	},
	{
		name: "gate: deposits are not added up", breaks: "opens and top-ups of all origins count against Limits.Total",
		pkg: "internal/ledger", fn: "Ledger.Plan", from: `l.funded[group] = l.funded[group].AddCapped(p.Amount)`, to: `_ = p.Amount`, tests: inLedger,
	},
	{
		name: "gate: a reservation that ended is put in flight", breaks: "a reservation that its caller has ended is in flight no more",
		pkg: "internal/ledger", fn: "Account.judge", from: `if d.abandoned || r.kept || r.ends != d.ends || !r.open && !d.begins {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "gate: a decision that is served outlives its reservation", breaks: "a reservation that its caller has ended is in flight no more",
		pkg: "internal/ledger", fn: "Account.end", from: `		if d.reservation == r {
`, to: `		if false {
`, tests: inLedger,
	},
	{
		name: "gate: what a signer refused was asked for", breaks: "what a signer refused is not signed later for the asking of the payee",
		pkg: "internal/ledger", fn: "Account.drop", from: `		a.takeBack(back)
`, to: ``, tests: inLedger,
	},
	{
		name: "gate: a caller that gives up fails the others", breaks: "one request that is canceled fails no other",
		pkg: "internal/ledger", fn: "Account.work", from: `(ctx.Err() != nil || errors.Is(err, errYield)) && !d.abandoned`, to: `false`, tests: inLedger,
	},
	{
		name: "gate: a signer that times out is asked for ever", breaks: "a refusal of the signer is an answer",
		pkg: "internal/ledger", fn: "Account.work", from: `(ctx.Err() != nil || errors.Is(err, errYield)) && !d.abandoned`, to: `errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil`, tests: inLedger,
	},
	{
		name: "gate: a wait outlives its context", breaks: "every wait ends with its own context",
		pkg: "internal/ledger", fn: "Account.leave", from: `		a.abandon(d)
		return true
`, to: `		return false
`, tests: inLedger,
	},
	{
		name: "gate: a closed channel is signed for", breaks: "nothing is signed for a channel that the chain shows as closed",
		pkg: "internal/ledger", fn: "Account.judge", from: `if s.Closed {`, to: `if false {`, tests: inLedger,
	},
	{
		name: "gate: a forged receipt reads the store each time", breaks: "a flood of forged receipts costs a few reads",
		pkg: "internal/ledger", fn: "Account.explain", from: `often := r != nil && r.misses >= maxMisses`, to: `often := false`, tests: inLedger,
	},
	{
		name: "gate: a receipt that cannot be judged frees the price", breaks: "what may have been charged is counted",
		pkg: "internal/ledger", fn: "Reservation.Settle", from: `		r.Keep()
`, to: `		r.Release()
`, tests: inLedger,
	},
	{
		name: "gate: a receipt clears what ended after its request left", breaks: "a report counts only what its payee can have seen",
		pkg: "internal/ledger", fn: "Account.reconcile", from: `a.cleared = a.cleared.Max(r.after)`, to: `a.cleared = a.kept`, tests: inLedger,
	},
	{
		name: "gate: what came during a refused decision counts twice", breaks: "a piece of a stream costs one price",
		pkg: "internal/ledger", fn: "Account.unclaim", from: `	r.claim.Price = r.claim.Price.AddCapped(d.before.Price).SubFloor(d.after.Price)
`, to: `	r.claim.Price = d.before.Price
`, tests: inLedger,
	},
	{
		name: "equal: the refusal is not written to the store", breaks: "later sessions know who refuses equal vouchers",
		pkg: "internal/ledger", fn: "Reservation.Unequal", from: `if news && scope.Origin != "" {`, to: `if news && scope.Origin == "" {`, tests: inLedger,
		run: `^TestUnequal`,
	},
	{
		name: "equal: the refusal is remembered for ever", breaks: "a payee may learn to serve equal vouchers",
		pkg: "internal/ledger", fn: "unequal", from: `since < unequalFor`, to: `true`, tests: inLedger,
		run: `^TestUnequal`,
	},
	{
		name: "equal: a time of a wrong clock is believed", breaks: "a refusal is remembered for 30 days",
		pkg: "internal/ledger", fn: "unequal", from: `-unequalFresh < since && `, to: ``, tests: inLedger, run: `^TestUnequal`,
	},
	{
		name: "equal: sessions that use the channel are not told", breaks: "what one session learns of a payee those know that share the channel",
		pkg: "internal/ledger", fn: "Account.refresh", from: `if a.standApart(stored.Unequal); foreign {`, to: `if foreign {`, tests: inLedger,
		run: `^TestUnequal`,
	},
	{
		name: "equal: the record of the channel does not say so", breaks: "what one session learns of a payee those know that share the channel",
		pkg: "internal/ledger", fn: "Reservation.Unequal", from: `a.added.Unequal = now.Unix()`, to: ``, tests: inLedger,
		run: `^TestUnequal`,
	},
	{
		name: "equal: an overtaken request asks for a higher limit", breaks: "what others count on is waited for",
		pkg: "internal/ledger", fn: "Account.apart", from: `over.Limit == "Ahead" && `, to: `false && over != nil && `, tests: inLedger,
		run: `^TestOvertakenWhile`,
	},
	{
		name: "gate: what another session leads by refuses a request", breaks: "only the payee refuses a request that nothing was presented for",
		pkg: "internal/ledger", fn: "Account.apart", from: ` && was != (rule.Claim{})`, to: ``, tests: inLedger,
		run: `^TestApart`,
	},
	{
		name: "equal: a session that reads the record by its id does not know", breaks: "what one session learns of a payee those know that share the channel",
		pkg: "internal/ledger", fn: "Ledger.hold", from: `ok || unequal(s.Unequal)`, to: `ok`, tests: inLedger,
		run: `^TestUnequal`,
	},
	{
		name: "equal: two sessions present one voucher", breaks: "beside other sessions a request presents what it raised itself",
		pkg: "internal/ledger", fn: "Account.handed", from: `return s.MayExist()`, to: `return s.Signed`, tests: inLedger,
		run: `^TestOvertakenWhereEqual`,
	},
	{
		name: "equal: credit of overtaken requests is not used", breaks: "what an overtaken request raised pays for the next one",
		pkg: "internal/ledger", fn: "Account.apart", from: `higher, after, more, err = next.Stepped(claim, had, req.MinDelta, lim)`, to: ``, tests: inLedger,
		run: `^TestOvertakenWhereEqual`,
	},
	{
		name: "equal: an overtaken request is raised anew for ever", breaks: "a payee that refuses a request for ever gains four sendings",
		pkg: "internal/purchase", fn: "prepared", from: `p.tries.Sent <= maxAnew && `, to: ``, tests: inPurchase,
		run: `^TestFirstIsNotRaised`,
	},
	{
		name: "equal: an overtaken request goes on counting", breaks: "what an overtaken request raised pays for the next one",
		pkg: "internal/purchase", fn: "prepared", from: `a.Release = true`, to: ``, tests: inPurchase,
		run: `^TestFirstWhereNoVoucher`,
	},
	{
		name: "equal: lost requests teach that vouchers are shared", breaks: "only answers teach whether a payee serves equal vouchers",
		pkg: "internal/ledger", fn: "Reservation.Unserved", from: `a.pace.stop(&r.trip)`, to: ``, tests: inLedger,
		run: `^TestTrial`,
	},
	{
		name: "equal: newcomers go before the request that was tried", breaks: "a refusal of an equal voucher reaches no caller",
		pkg: "internal/ledger", fn: "pace.wait", from: `	case p.trying():`, to: `	case false:`, tests: inLedger, run: `^TestTrial`,
	},
	{
		name: "equal: the request that was tried waits for its turn", breaks: "a refusal of an equal voucher reaches no caller",
		pkg: "internal/ledger", fn: "Reservation.Again", from: `r.paced && alone && !first`, to: `r.paced && alone`, tests: inLedger, run: `^TestTrial`,
	},
	{
		name: "equal: a trial is decided again as if its price were raised", breaks: "a refusal of an equal voucher reaches no caller",
		pkg: "internal/ledger", fn: "Reservation.Again", from: `if r.trying() {`, to: `if false {`, tests: inLedger, run: `^TestTrial`,
	},
	{
		name: "equal: a trial that was served costs nothing", breaks: "what may have been charged is counted",
		pkg: "internal/ledger", fn: "Reservation.Raised", from: `return r.tried.Price`, to: `return r.claim.Raised`, tests: inLedger, run: `^TestTrial`,
	},
	{
		name: "equal: a trial that was served is not claimed", breaks: "what may have been charged is counted",
		pkg: "internal/ledger", fn: "Account.served", from: `a.count(rule.Counts{Claimed: paid, Asked: paid})`, to: `_ = paid`, tests: inLedger,
		run: `^TestTrial`,
	},
	{
		name: "equal: trials go on for ever", breaks: "a payee that shows nothing costs eight refusals",
		pkg: "internal/ledger", fn: "Reservation.Again", from: `a.pace.vain++`, to: ``, tests: inLedger, run: `^TestTrial`,
	},
	{
		name: "equal: a trial raises the ceiling", breaks: "nothing is raised for a voucher that exists",
		pkg: "internal/rule", fn: "State.Trial", from: `_, _, _, err := s.Renew(was, req, lim)
	return s, was, s.Signed, err`, to: `return s.Renew(was, req, lim)`, tests: inRule, run: `^TestTrial`,
	},
	{
		name: "equal: a stream's voucher overtakes requests", breaks: "streams wait unless equal vouchers are known to be accepted",
		pkg: "internal/ledger", fn: "Reservation.More", from: `waits := a.pace.shares != sharesOne`, to: `waits := false`, tests: inLedger,
		run: `^TestStreamsWaitForRequests$`,
	},
}
