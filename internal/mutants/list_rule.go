package main

var (
	inRule   = []string{"internal/rule"}
	inLedger = []string{"internal/ledger"}
	inClient = []string{"client"}
)

// theRule is what raises the number: internal/rule/authorize.go, and the limits that it obeys.
var theRule = []defect{
	{
		name: "rule: price limit dropped", breaks: "unset money is no money; no unit costs more than Limits.Price",
		file: "internal/rule/limits.go", from: `if l.Price.Less(price) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: price of zero paid", breaks: "a session challenge has a price",
		file: "internal/rule/limits.go", from: `if price.IsZero() {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: deposit limit not a ceiling", breaks: "nothing is signed above Limits.Deposit",
		file: "internal/rule/authorize.go", from: `return s.Deposit.Min(lim.Deposit).Min(`, to: `return s.Deposit.Min(`, tests: inRule,
	},
	{
		name: "rule: deposit not a ceiling", breaks: "nothing is signed above what the channel holds",
		file: "internal/rule/authorize.go", from: `return s.Deposit.Min(lim.Deposit).Min(`, to: `return lim.Deposit.Min(`, tests: inRule,
	},
	{
		name: "rule: deposit limit dropped in the plan", breaks: "no channel is opened or filled above Limits.Deposit",
		file: "internal/rule/plan.go", from: `room := lim.Deposit.Min(s.Protocol.Max())`, to: `room := s.Protocol.Max()`, tests: inRule,
	},
	{
		name: "rule: total limit dropped in the plan", breaks: "one session funds no more than Limits.Total",
		file: "internal/rule/plan.go", from: `case total.Less(funded.AddCapped(short)):`, to: `case false:`, tests: inRule,
	},
	{
		name: "rule: suggested deposit above the total", breaks: "a server's suggestion is never a limit",
		file: "internal/rule/plan.go", from: `.Min(room).Min(total.SubFloor(funded))`, to: `.Min(room)`, tests: inRule,
	},
	{
		name: "rule: no total means no limit", breaks: "a total that is not set is one full channel",
		file: "internal/rule/plan.go", from: `cmp.Or(lim.Total, lim.Deposit)`, to: `cmp.Or(lim.Total, voucher.MaxAmount)`, tests: inRule,
	},
	{
		name: "rule: stream limit dropped", breaks: "one streamed answer costs no more than Limits.Stream",
		file: "internal/rule/authorize_stream.go", from: `if lim.Stream.Less(total) && !size.IsZero() {`, to: `if false {`, tests: inRule,
	},
	{
		name: "rule: step limit dropped", breaks: "requiredCumulative is no operand of what is signed: a frame asks for one unit or Limits.Step",
		file: "internal/rule/authorize_stream.go", from: `return lim.step(unit)`, to: `return required.SubFloor(s.Claimed)`, tests: inRule,
	},
	{
		name: "rule: required used as operand", breaks: "what a payee says a voucher must reach is compared, never signed",
		file: "internal/rule/authorize.go", from: `target := most.Min(`, to: `target := most.Max(req.Floor).Min(`, tests: inRule,
	},
	{
		name: "rule: Ahead cap dropped", breaks: "what is authorized runs ahead of what was claimed by Limits.Ahead at most",
		file: "internal/rule/authorize.go", from: `.Min(claimed.AddCapped(lim.Ahead)).Min(asked`, to: `.Max(voucher.MaxAmount).Min(asked`, tests: inRule,
	},
	{
		name: "rule: asked cap dropped", breaks: "what is authorized is at most what callers ever asked for plus Ahead, whatever receipts free",
		file: "internal/rule/authorize.go", from: `.Min(claimed.AddCapped(lim.Ahead)).Min(asked.AddCapped(lim.Ahead))`, to: `.Min(claimed.AddCapped(lim.Ahead))`, tests: inRule,
	},
	{
		name: "rule: a refused voucher pays the price again", breaks: "a price raises the number once, however often it is refused",
		file: "internal/rule/authorize.go", from: `rest := c.own().SubFloor(c.Raised).Max(`, to: `rest := c.own().Max(`, tests: inRule,
	},
	{
		name: "rule: the asked cap dropped after a refusal", breaks: "a payee that refuses vouchers does not march the number up",
		file: "internal/rule/authorize.go", from: `asked, ceiling := s.asked.AddCapped(lim.Ahead), s.ceiling(lim)`, to: `asked, ceiling := s.Protocol.Max(), s.ceiling(lim)`, tests: inRule,
	},
	{
		name: "rule: the ceiling dropped after a refusal", breaks: "the deposit and its limit hold for second tries too",
		file: "internal/rule/authorize.go", from: `case ceiling.Less(target):`, to: `case false:`, tests: inRule,
	},
	{
		name: "rule: a claim that is decided again counts twice", breaks: "one request, one price, however many challenges it takes",
		file: "internal/rule/authorize.go", from: `s.Claimed, s.asked = s.Claimed.SubFloor(was.Price), s.asked.SubFloor(was.Asked)`, to: ``, tests: inRule,
	},
	{
		name: "rule: a claim that is decided again forgets what it raised", breaks: "one request raises the number by its price at most",
		file: "internal/rule/authorize.go", from: `claim.Raised = claim.Raised.AddCapped(target.SubFloor(due)).Min(`, to: `claim.Raised = target.SubFloor(due).Min(`, tests: inRule,
	},
	{
		name: "rule: a price that falls and rises counts twice", breaks: "one request's price counts once, whatever prices were named in between",
		file: "internal/rule/authorize.go", from: `highest := was.Asked.AddCapped(was.Elsewhere).Max(req.Price)`, to: `highest := req.Price`, tests: inRule,
	},
	{
		name: "rule: a voucher above the number is booked", breaks: "no signature is above what was authorized",
		file: "internal/rule/authorize.go", from: `if s.authorized.Less(v.Cumulative) || v.ChannelID`, to: `if v.ChannelID`, tests: inRule,
	},
	{
		name: "rule: a channel that is gone is paid", breaks: "a payee that takes no more vouchers gets none",
		file: "internal/rule/state.go", from: ` || s.CloseRequestedAt != 0 || s.Gone`, to: ` || s.CloseRequestedAt != 0`, tests: inRule,
	},
	{
		name: "rule: a channel that is closing is paid", breaks: "no voucher follows a close",
		file: "internal/rule/close.go", from: `s.CloseSent, s.CloseAmount = true, amount`, to: `s.CloseAmount = amount`, tests: inRule,
	},
	{
		name: "rule: close above what was used", breaks: "a close gives the payee what was used, not all that was signed",
		file: "internal/rule/close.go", from: `due := s.Claimed.Min(s.MayExist()).Max(s.Settled)`, to: `due := s.MayExist()`, tests: inRule,
	},
	{
		name: "rule: a refused close gives everything", breaks: "a payee that refuses a close gets no more than it says it charged",
		file: "internal/rule/close.go", from: `due = due.Min(s.Spent)`, to: `due = due.Max(s.Spent)`, tests: inRule,
	},
	{
		name: "rule: a close knows only what was written down", breaks: "a close goes up to what a session that died may have signed",
		file: "internal/rule/close.go", from: `if !refused.Less(s.MayExist()) {`, to: `if !refused.Less(s.Signed) {`, tests: inRule,
	},
	{
		name: "rule: what was raised elsewhere is raised again", breaks: "the price of a request raises ceilings once in all",
		file: "internal/rule/authorize.go", from: `func (c Claim) own() voucher.Amount { return c.Price.SubFloor(c.Elsewhere).Max(c.Raised) }`, to: `func (c Claim) own() voucher.Amount { return c.Price.Max(c.Raised) }`, tests: inRule,
	},
	{
		name: "rule: what was raised elsewhere was asked for here", breaks: "what callers asked for counts a price on one channel",
		file: "internal/rule/authorize.go", from: `Asked: highest.SubFloor(req.Elsewhere).Max(was.Raised)`, to: `Asked: highest`, tests: inRule,
	},
	{
		name: "rule: a channel is funded for what may not be paid", breaks: "nothing is deposited for a price that was raised elsewhere",
		file: "internal/rule/plan.go", from: `if !most.Less(s.Claimed.AddCapped(size)) {`, to: `if true {`, tests: inRule,
	},
	{
		name: "rule: what a signer refused is signed later", breaks: "a voucher is at most what callers asked for and Ahead, though more is durable",
		file: "internal/rule/authorize.go", from: `return s.MayExist().Min(s.asked.AddCapped(ahead)).Max(s.Signed)`, to: `return s.authorized`, tests: inRule,
	},
	{
		name: "rule: what a signer refused may have been signed", breaks: "what a signer refused raises nothing of a later request",
		file: "internal/ledger/undo.go", from: `a.count(rule.Counts{Unsigned: d.rise.By})`, to: `_ = d.rise`, tests: []string{"internal/ledger"},
	},
	{
		name: "rule: a stream that is charged once asks for a step", breaks: "a stream by the request costs one price",
		file: "internal/rule/authorize_stream.go", from: `if unit.IsZero() {`, to: `if false {`, tests: inRule,
	},
}

// theWord is what a server's or the chain's word may do to our column.
var theWord = []defect{
	{
		name: "word: a receipt raises the number", breaks: "receipts, snapshots and frames never raise what is signed",
		file: "internal/rule/reconcile.go", from: `	if s.authorized.Less(w.Accepted) {
		return violation("it accepted more than was ever authorized", w.Accepted, s.authorized)
	}
`, to: `	s = s.signedBefore(w.Accepted)
`, tests: inRule,
	},
	{
		name: "word: a receipt raises what was claimed", breaks: "what a server says it charged only lowers what was claimed",
		file: "internal/rule/reconcile.go", from: `s.Claimed = s.Claimed.Min(s.Spent.Max(s.Settled).AddCapped(inFlight))`, to: `s.Claimed = s.Spent.Max(s.Settled).AddCapped(inFlight)`, tests: inRule,
	},
	{
		name: "word: accepted above the number believed", breaks: "a receipt above what we signed is a violation",
		file: "internal/rule/reconcile.go", from: `if s.authorized.Less(w.Accepted) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: spent above accepted believed", breaks: "a receipt that contradicts itself is a violation",
		file: "internal/rule/reconcile.go", from: `if w.Accepted.Less(w.Spent) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a liar is believed again", breaks: "numbers that contradicted ours once free nothing any more",
		file: "internal/rule/reconcile.go", from: `if !s.Untrusted {`, to: `if true {`, tests: inRule,
	},
	{
		name: "word: an older receipt is booked", breaks: "what was spent only grows",
		file: "internal/rule/reconcile.go", from: `if w.Spent.Less(s.Spent) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: requests in flight are freed", breaks: "a receipt frees nothing that another request may be charged for",
		file: "internal/rule/reconcile.go", from: `s.Spent.Max(s.Settled).AddCapped(inFlight)`, to: `s.Spent.Max(s.Settled)`, tests: inRule,
	},
	{
		name: "word: own-signature check dropped", breaks: "a shown voucher counts only where our own key signed it",
		file: "internal/rule/recover.go", from: `voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {`, to: `voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); false {`, tests: inRule,
	},
	{
		name: "word: a shown voucher above the deposit", breaks: "a voucher that no escrow could pay proves a lie or a wrong channel",
		file: "internal/rule/recover.go", from: `if next.Deposit.Less(v.Cumulative) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: descriptor not hashed", breaks: "a channel hashes to its id from descriptor, escrow and chain",
		file: "internal/rule/recover.go", from: `} else if err := s.checkID(); err != nil {`, to: `} else if err := s.checkID(); false {`, tests: inRule,
	},
	{
		name: "word: a channel of others is used", breaks: "payer, payee, operator, token, signer and escrow are the ones that we deal with",
		file: "internal/rule/recover.go", from: `if c.got != c.want {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a channel of another chain is used", breaks: "chain and protocol are the ones that we deal with",
		file: "internal/rule/recover.go", from: `if s.ChainID != scope.ChainID || s.Protocol != scope.Protocol {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: a found channel that is not open", breaks: "the chain says whether a named channel holds money",
		file: "internal/rule/recover.go", from: `case !c.Exists || c.Finalized || c.Deposit.IsZero():`, to: `case false:`, tests: inRule,
	},
	{
		name: "word: a found channel that is closing", breaks: "a named channel with a close request is not paid from",
		file: "internal/rule/recover.go", from: `case c.CloseRequestedAt != 0:`, to: `case false:`, tests: inRule,
	},
	{
		name: "word: what was settled proves nothing", breaks: "the chain's settlement proves that we signed as much",
		file: "internal/rule/settle.go", from: `return s.signedBefore(c.Settled)`, to: `return s`, tests: inRule,
	},
	{
		name: "word: a channel once missed stays closed", breaks: "a node that was behind does not make us forget money",
		file: "internal/rule/settle.go", from: `s.Confirmed, s.Closed = true, false`, to: `s.Confirmed = true`, tests: inRule,
	},
	{
		name: "word: an opening is given up too early", breaks: "a transaction that can still be mined is not forgotten",
		file: "internal/rule/settle.go", from: `&& c.Time <= s.Opening.ValidBefore {`, to: `&& false {`, tests: inRule,
	},
	{
		name: "word: a top-up is given up too early", breaks: "a top-up that can still be mined is not signed a second time",
		file: "internal/rule/settle.go", from: `(t.Before.Less(c.Deposit) || t.ValidBefore < c.Time)`, to: `true`, tests: inRule,
	},
	{
		name: "word: an expired challenge is answered", breaks: "expiry is checked before any signature",
		file: "internal/rule/offer.go", from: `if !o.Expires.IsZero() && !now.Before(o.Expires) {`, to: `if false {`, tests: inRule,
	},
	{
		name: "word: an unreadable expiry is none", breaks: "what cannot be read counts as the worse case",
		file: "internal/rule/offer.go", from: `if o.Expires, _, err = c.ExpiresAt(); err != nil {`, to: `if o.Expires, _, err = c.ExpiresAt(); false {`, tests: inRule,
	},
	{
		name: "word: the payee is the token", breaks: "money paid to a token contract is lost",
		file: "internal/rule/offer.go", from: `case o.Payee == o.Token:`, to: `case false:`, tests: inRule,
	},
}
