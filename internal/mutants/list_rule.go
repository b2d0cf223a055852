package main

var (
	inRule   = []string{"internal/rule"}
	inLedger = []string{"internal/ledger"}
	inClient = []string{"client"}
)

// theRule is what raises the number: internal/rule/authorize.go, and the limits that it obeys.
var theRule = []defect{
	{
		name: "rule: a step of what the payee requires", breaks: "what the payee requires is in no sum",
		pkg: "internal/rule", fn: "State.Stepped", from: `if !unit.Less(delta) {`, to: `if unit = unit.Max(delta); true {`, tests: inRule, run: `^TestStepped`,
	},
	{
		name: "rule: a step above what callers asked for", breaks: "the ceiling stays within what callers asked for in all",
		pkg: "internal/rule", fn: "State.Stepped", from: `s.asked.AddCapped(lim.Ahead).Less(target)`, to: `false`, tests: inRule, run: `^TestStepped`,
	},
	{
		name: "rule: price limit dropped", breaks: "unset money is no money; no unit costs more than Limits.Price",
		pkg: "internal/rule", fn: "Limits.CheckPrice", from: `if l.Price.Less(price) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: price of zero paid", breaks: "a session challenge has a price",
		pkg: "internal/rule", fn: "Limits.CheckPrice", from: `if price.IsZero() {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: deposit limit not a ceiling", breaks: "nothing is signed above Limits.Deposit",
		pkg: "internal/rule", fn: "State.bounds", from: `b.ceiling = s.Deposit.Min(lim.Deposit).Min(`, to: `b.ceiling = s.Deposit.Min(`, tests: inRule,
	},
	{
		name: "rule: deposit not a ceiling", breaks: "nothing is signed above what the channel holds",
		pkg: "internal/rule", fn: "State.bounds", from: `b.ceiling = s.Deposit.Min(lim.Deposit).Min(`, to: `b.ceiling = lim.Deposit.Min(`, tests: inRule,
	},
	{
		name: "rule: deposit limit dropped in the plan", breaks: "no channel is opened or filled above Limits.Deposit",
		pkg: "internal/rule", fn: "PlanPayment", from: `room := lim.Deposit.Min(now.Protocol.Max())`, to: `room := now.Protocol.Max()`, tests: inRule,
	},
	{
		name: "rule: total limit dropped in the plan", breaks: "one session funds no more than Limits.Total",
		pkg: "internal/rule", fn: "PlanPayment", from: `case total.Less(funded.AddCapped(short)):`, to: `case false:`, tests: inRule,
	},
	{
		name: "rule: one channel takes the whole total", breaks: "a wish takes half of what the total leaves",
		pkg: "internal/rule", fn: "PlanPayment", from: `.Min(half).Max(fees)`, to: `.Min(half.Max(voucher.MaxAmount)).Max(fees)`, tests: inRule,
	},
	{
		name: "rule: suggested deposit above the total", breaks: "a server's suggestion is never a limit",
		pkg: "internal/rule", fn: "PlanPayment", from: `.Min(room).Min(left)`, to: `.Min(room).Min(left.Max(room))`, tests: inRule,
	},
	{
		name: "rule: no total means no limit", breaks: "a total that is not set is one full channel",
		pkg: "internal/rule", fn: "PlanPayment", from: `cmp.Or(lim.Total, lim.Deposit)`, to: `cmp.Or(lim.Total, voucher.MaxAmount)`, tests: inRule,
	},
	{
		name: "rule: stream limit dropped", breaks: "one streamed answer costs no more than Limits.Stream",
		pkg: "internal/rule", fn: "State.AuthorizeMore", from: `if lim.Stream.Less(after.Held()) && !size.IsZero() {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: step limit dropped", breaks: "requiredCumulative is no operand of what is signed: a frame asks for one unit or Limits.Step",
		pkg: "internal/rule", fn: "State.piece", from: `return lim.step(unit)`, to: `return required.SubFloor(s.Claimed)`, tests: inRule,
	},
	{
		name: "rule: required used as operand", breaks: "what a payee says a voucher must reach is compared, never signed",
		pkg: "internal/rule", fn: "State.Renew", from: `target := most.Min(`, to: `target := most.Max(req.Floor).Min(`, tests: inRule,
	},
	{
		name: "rule: Ahead cap dropped", breaks: "what is authorized runs ahead of what was claimed by Limits.Ahead at most",
		pkg: "internal/rule", fn: "State.Renew", from: `.Min(claimed.Min(asked).AddCapped(lim.Ahead))`, to: `.Max(voucher.MaxAmount).Min(asked.AddCapped(lim.Ahead))`, tests: inRule,
	},
	{
		name: "rule: asked cap dropped", breaks: "what is authorized is at most what callers ever asked for plus Ahead, whatever receipts free",
		pkg: "internal/rule", fn: "State.Renew", from: `.Min(claimed.Min(asked).AddCapped(lim.Ahead))`, to: `.Min(claimed.AddCapped(lim.Ahead))`, tests: inRule,
	},
	{
		name: "rule: a refused voucher pays the price again", breaks: "a price raises the number once, however often it is refused",
		pkg: "internal/rule", fn: "State.Overdrawn", from: `rest := bounds.own.SubFloor(c.Raised).Max(`, to: `rest := bounds.own.Max(`, tests: inRule,
	},
	{
		name: "rule: the asked cap dropped after a refusal", breaks: "a payee that refuses vouchers does not march the number up",
		pkg: "internal/rule", fn: "State.Overdrawn", from: `asked := s.asked.AddCapped(lim.Ahead)`, to: `asked := s.Protocol.Max()`, tests: inRule,
	},
	{
		name: "rule: the ceiling dropped after a refusal", breaks: "the deposit and its limit hold for second tries too",
		pkg: "internal/rule", fn: "State.Overdrawn", from: `case bounds.ceiling.Less(target):`, to: `case false:`, tests: inRule,
	},
	{
		name: "rule: a claim that is decided again counts twice", breaks: "one request, one price, however many challenges it takes",
		pkg: "internal/rule", fn: "State.Renew", from: `s.Claimed, s.asked = s.Claimed.SubFloor(was.Price), s.asked.SubFloor(was.Asked)`, to: ``, tests: inRule,
	},
	{
		name: "rule: a claim that is decided again forgets what it raised", breaks: "one request raises the number by its price at most",
		pkg: "internal/rule", fn: "State.Renew", from: `claim.Raised = claim.Raised.AddCapped(target.SubFloor(bounds.reach)).Min(`, to: `claim.Raised = target.SubFloor(bounds.reach).Min(`, tests: inRule,
	},
	{
		name: "rule: a price that falls and rises counts twice", breaks: "one request's price counts once, whatever prices were named in between",
		pkg: "internal/rule", fn: "State.Renew", from: `highest := was.Asked.AddCapped(was.Elsewhere).Max(req.Price)`, to: `highest := req.Price`, tests: inRule,
	},
	{
		name: "rule: a voucher above the number is booked", breaks: "no signature is above what was authorized",
		pkg: "internal/rule", fn: "State.MarkSigned", from: `if s.authorized.Less(v.Cumulative) || v.ChannelID`, to: `if v.ChannelID`, tests: inRule,
	},
	{
		name: "rule: a channel that is gone is paid", breaks: "a payee that takes no more vouchers gets none",
		pkg: "internal/rule", fn: "State.Payable", from: ` || s.CloseRequestedAt != 0 || s.Gone`, to: ` || s.CloseRequestedAt != 0`, tests: inRule,
	},
	{
		name: "rule: a channel that is closing is paid", breaks: "no voucher follows a close",
		pkg: "internal/rule", fn: "State.ClosingAt", from: `s.CloseSent, s.CloseAmount = true, amount`, to: `s.CloseAmount = amount`, tests: inRule,
	},
	{
		name: "rule: close above what was used", breaks: "a close gives the payee what was used, not all that was signed",
		pkg: "internal/rule", fn: "State.CloseDue", from: `due := s.Claimed.Min(s.MayExist()).Max(s.Settled)`, to: `due := s.MayExist()`, tests: inRule,
	},
	{
		name: "rule: a refused close gives everything", breaks: "a payee that refuses a close gets no more than it says it charged",
		pkg: "internal/rule", fn: "State.CloseDue", from: `due = due.Min(s.Spent)`, to: `due = due.Max(s.Spent)`, tests: inRule,
	},
	{
		name: "rule: a close knows only what was written down", breaks: "a close goes up to what a session that died may have signed",
		pkg: "internal/rule", fn: "State.CloseDue", from: `if !refused.Less(s.MayExist()) {`, to: `if !refused.Less(s.Signed) {`, tests: inRule,
	},
	{
		name: "rule: what was raised elsewhere is raised again", breaks: "the price of a request raises ceilings once in all",
		pkg: "internal/rule", fn: "State.bounds", from: `b.own = c.Price.SubFloor(c.Elsewhere).Max(c.Raised)`, to: `b.own = c.Price.Max(c.Raised)`, tests: inRule,
	},
	{
		name: "rule: what was raised elsewhere was asked for here", breaks: "what callers asked for counts a price on one channel",
		pkg: "internal/rule", fn: "State.Renew", from: `Asked: highest.SubFloor(req.Elsewhere).Max(was.Raised)`, to: `Asked: highest`, tests: inRule,
	},
	{
		name: "rule: a channel is funded for what may not be paid", breaks: "nothing is deposited for a price that was raised elsewhere",
		pkg: "internal/rule", fn: "PlanPayment", from: `case !req.Elsewhere.IsZero() && most.Less(`, to: `case false && most.Less(`, tests: inRule,
	},
	{
		name: "rule: what a signer refused is signed later", breaks: "a voucher is at most what callers asked for and Ahead, though more is durable",
		pkg: "internal/rule", fn: "State.bounds", from: `b.reach = s.MayExist().Min(s.asked.AddCapped(lim.Ahead)).Max(s.Signed)`, to: `b.reach = s.authorized`, tests: inRule,
	},
	{
		name: "rule: what a signer refused may have been signed", breaks: "what a signer refused raises nothing of a later request",
		pkg: "internal/ledger", fn: "Account.drop", from: `a.count(rule.Counts{Unsigned: d.rise.By})`, to: `_ = d.rise`, tests: []string{"internal/ledger"},
	},
	{
		name: "rule: a stream that is charged once asks for a step", breaks: "a stream by the request costs one price",
		pkg: "internal/rule", fn: "State.AuthorizeMore", from: `if unit.IsZero() {`, to: `if false {`, tests: inRule,
	},
}

// theWord is what a server's or the chain's word may do to our column.
var theWord = []defect{
	{
		name: "word: a receipt raises the number", breaks: "receipts, snapshots and frames never raise what is signed",
		pkg: "internal/rule", fn: "State.Reconcile", from: `	if s.authorized.Less(w.Accepted) {
		return violation("it accepted more than was ever authorized", w.Accepted, s.authorized)
	}
`, to: `	s = s.signedBefore(w.Accepted)
`, tests: inRule,
	},
	{
		name: "word: a receipt raises what was claimed", breaks: "what a server says it charged only lowers what was claimed",
		pkg: "internal/rule", fn: "State.Reconcile", from: `s.Claimed = s.Claimed.Min(s.Spent.Max(s.Settled).AddCapped(inFlight))`, to: `s.Claimed = s.Spent.Max(s.Settled).AddCapped(inFlight)`, tests: inRule,
	},
	{
		name: "word: accepted above the number believed", breaks: "a receipt above what we signed is a violation",
		pkg: "internal/rule", fn: "State.Reconcile", from: `if s.authorized.Less(w.Accepted) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: spent above accepted believed", breaks: "a receipt that contradicts itself is a violation",
		pkg: "internal/rule", fn: "State.Reconcile", from: `if w.Accepted.Less(w.Spent) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a liar is believed again", breaks: "numbers that contradicted ours once free nothing any more",
		pkg: "internal/rule", fn: "State.Reconcile", from: `if !s.Untrusted {`, to: `if true {`, tests: inRule,
	},
	{
		name: "word: an older receipt is booked", breaks: "what was spent only grows",
		pkg: "internal/rule", fn: "State.Reconcile", from: `if w.Spent.Less(s.Spent) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: requests in flight are freed", breaks: "a receipt frees nothing that another request may be charged for",
		pkg: "internal/rule", fn: "State.Reconcile", from: `s.Spent.Max(s.Settled).AddCapped(inFlight)`, to: `s.Spent.Max(s.Settled)`, tests: inRule,
	},
	{
		name: "word: own-signature check dropped", breaks: "a shown voucher counts only where our own key signed it",
		pkg: "internal/rule", fn: "State.Recover", from: `voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {`, to: `voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); false {`, tests: inRule,
	},
	{
		name: "word: a shown voucher above the deposit", breaks: "a voucher that no escrow could pay proves a lie or a wrong channel",
		pkg: "internal/rule", fn: "State.Recover", from: `if next.Deposit.Less(v.Cumulative) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: descriptor not hashed", breaks: "a channel hashes to its id from descriptor, escrow and chain",
		pkg: "internal/rule", fn: "Find", from: `} else if err := s.checkID(); err != nil {`, to: `} else if err := s.checkID(); false {`, tests: inRule,
	},
	{
		name: "word: a channel of others is used", breaks: "payer, payee, operator, token, signer and escrow are the ones that we deal with",
		pkg: "internal/rule", fn: "State.matches", from: `if c.got != c.want {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a channel of another chain is used", breaks: "chain and protocol are the ones that we deal with",
		pkg: "internal/rule", fn: "State.matches", from: `if s.ChainID != scope.ChainID || s.Protocol != scope.Protocol {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a found channel that is not open", breaks: "the chain says whether a named channel holds money",
		pkg: "internal/rule", fn: "Find", from: `case !c.Exists || c.Finalized || c.Deposit.IsZero():`, to: `case false:`, tests: inRule,
	},
	{
		name: "word: a found channel that is closing", breaks: "a named channel with a close request is not paid from",
		pkg: "internal/rule", fn: "Find", from: `case c.CloseRequestedAt != 0:`, to: `case false:`, tests: inRule,
	},
	{
		name: "word: what was settled proves nothing", breaks: "the chain's settlement proves that we signed as much",
		pkg: "internal/rule", fn: "State.Settle", from: `s.shown(c).signedBefore(c.Settled)`, to: `s.shown(c)`, tests: inRule,
	},
	{
		name: "word: a channel once missed stays closed", breaks: "a node that was behind does not make us forget money",
		pkg: "internal/rule", fn: "State.Settle", from: `s.Confirmed, s.Closed, s.Unseen = true, false, 0`, to: `s.Confirmed, s.Unseen = true, 0`, tests: inRule,
	},
	{
		name: "word: absent is closed", breaks: "only proof ends a channel",
		pkg: "internal/rule", fn: "State.Settle", from: `s.Unseen = max(c.Time, 1)`, to: `s = s.ended(true)`, tests: inRule,
	},
	{
		name: "word: an opening is given up too early", breaks: "a transaction that can still be mined is not forgotten",
		pkg: "internal/rule", fn: "State.Settle", from: `s.Opening.Pending() && c.Time <= s.Opening.ValidBefore:`, to: `s.Opening.Pending() && false:`, tests: inRule,
	},
	{
		name: "word: a top-up is given up too early", breaks: "a top-up that can still be mined is not signed a second time",
		pkg: "internal/rule", fn: "State.shown", from: `raised || t.Pending() && t.ValidBefore < c.Time {`, to: `t.Pending() {`, tests: inRule,
	},
	{
		name: "word: a node that lags lowers a deposit", breaks: "what a top-up added is not added again because a node has not seen it",
		pkg: "internal/rule", fn: "State.shown", from: `c.Time < s.ReadAt &&`, to: `c.Time == s.ReadAt &&`, tests: inRule,
	},
	{
		name: "word: an expired challenge is answered", breaks: "expiry is checked before any signature",
		pkg: "internal/rule", fn: "Live", from: `if !o.Expires.IsZero() && !now.Before(o.Expires) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: an unreadable expiry is none", breaks: "what cannot be read counts as the worse case",
		pkg: "internal/rule", fn: "ParseOffer", from: `if o.Expires, _, err = c.ExpiresAt(); err != nil {`, to: `if o.Expires, _, err = c.ExpiresAt(); false {`, tests: inRule,
	},
	{
		name: "word: the payee is the token", breaks: "money paid to a token contract is lost",
		pkg: "internal/rule", fn: "ParseOffer", from: `case o.Payee == o.Token:`, to: `case false:`, tests: inRule,
	},
}
