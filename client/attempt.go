package client

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// attempt carries out one request of a caller, or one hop of it. It is used by one goroutine until the
// response is handed over; the body of a stream goes on with it then.
type attempt struct {
	*bought
	s      *Session
	out    *outgoing
	origin origin.Origin
	route  routeKey

	terms    ledger.Terms // what the request is held to
	held     bool         // to limits that depend on the origin, the context or the currency
	termsErr error        // why its URL or the limits of its context are not allowed; free requests go on

	challenge *challenge          // the one being answered; nil while nothing is to be paid
	account   *ledger.Account     // the channel that pays
	reserved  *ledger.Reservation // the request's place on it, nil before the gate was asked
	signed    voucher.Signed      // the voucher to present
	presented voucher.Amount      // the voucher that was refused, while the gate decides what else to present
	price     voucher.Amount      // that was decided last
	carried   []byte              // the opening transaction that the channel had when it was chosen
	holds     bool                // the turn of the remembered purchase
	byKey     bool                // the caller gave the request an Idempotency-Key
	missed    common.Hash         // a channel whose opening the chain, read for this request, does not show
	opening   func()              // ends the flight that an opening request holds, nil for others
	who       *identity           // of a payee that asks who the payer is, nil for others
	hint      string              // the channel to name on unpaid sendings, empty if the session knows
	resp      *http.Response      // the answer at hand
	receipt   *receipt.Receipt    // of the answer at hand, nil if none counts
	cookies   cookies             // that answers set
	info      *Payment
	start     time.Time // when the caller made the request

	asked      Proposal // what the policy was asked last
	mayFund    bool     // it agreed to fund a channel, too
	violations int      // impossible reports that the payee made

	waited time.Duration // for funding transactions of other requests
}

// RoundTrip sends the request, pays if the answer is a challenge that the session can and may pay, and
// returns the paid response. It does not change the caller's request. A 402 that this session cannot
// pay is returned as it is; [PaymentOf] then has the reason. An error about payment is an [*Error].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.Session == nil || t.Base != nil && typedNil(t.Base) || req.URL == nil || req.URL.Host == "" {
		return nil, t.unusable(req)
	}
	a := &attempt{s: t.Session, info: &Payment{Outcome: OutcomeNone}}
	ctx := a.begin(req, t.Base)
	defer func() {
		if a.opening != nil || a.who != nil || a.holds {
			a.ended()
		}
	}()
	if a.byKey {
		return a.run(ctx, a.startedKeyed(ctx))
	}
	return a.run(ctx, a.started(ctx))
}

// run carries out what is decided after e, and after each event that comes of it.
func (a *attempt) run(ctx context.Context, e purchase.Event) (*http.Response, error) {
	for {
		do := a.decision.Next(e)
		if (a.decision.Twice || a.decision.Replaces) && !a.second {
			do = a.beginSecond(do)
		}
		if do.Acknowledge {
			a.acknowledge(ctx)
		}
		switch {
		case do.Do == purchase.HandOver && a.resp != nil:
			resp := a.handOver(ctx, do)
			a.redirected.Store(resp.StatusCode/100 == 3)
			return resp, nil
		case do.Do == purchase.HandOver, do.Do == purchase.GiveUp:
			return nil, a.fail(ctx, do)
		}
		e = a.carryOut(ctx, do)
	}
}

// begin takes the request over and reads what it is held to. It returns the context of all that is done
// for it.
func (a *attempt) begin(req *http.Request, base http.RoundTripper) context.Context {
	ctx := context.WithValue(req.Context(), paymentKey{}, a.info)
	if base == nil {
		base = a.s.cfg.Base
	}
	a.out = fork(req, base, a.s.cfg.Spool, a.s.cfg.Evidence)
	if a.origin, a.termsErr = origin.Of(req.URL); a.termsErr != nil {
		a.termsErr = noOrigin(a.termsErr)
	}
	named, _ := req.Context().Value(channelKey{}).(common.Hash)
	if named != zeroHash && (req.Response == nil || chosen(req)) {
		a.hint = named.Hex() // payees show a snapshot of the channel that is named
	}
	a.route = routeKey{a.origin.Text, cmp.Or(req.Method, http.MethodGet), a.out.at.EscapedPath(), named}
	if req.Response != nil {
		a.bought = a.s.boughtBefore(req.Response)
	}
	if a.bought == nil {
		budgets, _ := ctx.Value(budgetKey{}).([]*ledger.Budget)
		a.bought = &bought{decision: &purchase.Purchase{Retries: a.s.cfg.Retries}}
		if len(budgets) > 0 {
			a.charge = ledger.NewCharge(budgets...)
		}
	}
	ctx = context.WithValue(ctx, boughtKey{a.s}, a.bought)
	keys, _ := valuesOf(req.Header, "Idempotency-Key")
	if a.keyed != nil || len(keys) == 1 && keys[0] != "" {
		a.name()
	}
	a.terms = ledger.Terms{Limits: a.s.cfg.Limits, Charge: a.charge, Origin: a.origin.Text, Paced: true}
	if a.held = a.termsErr == nil && (len(a.s.cfg.Origins)+len(a.s.others) > 0 || ctx.Value(limitsKey{}) != nil); a.held {
		a.terms.Limits, a.termsErr = a.s.limits(ctx, a.origin.Text, channel.Currency{})
	}
	a.start = time.Now()
	return ctx
}

// started begins with the challenge that the session remembers for the route, so that the request is
// paid in one round trip, if nothing is in the way of that.
func (a *attempt) started(ctx context.Context) purchase.Event {
	unknown := purchase.Event{Kind: purchase.Started}
	c := a.s.challenges.get(a.route)
	req := a.out.req
	if c == nil || a.termsErr != nil || (req.Response != nil && !chosen(req)) || (a.out.body != nil && !a.out.body.certain()) {
		return unknown
	}
	if own, _ := valuesOf(req.Header, wire.HeaderAcceptPayment); len(own) > 0 && len(wantedChallenges(own, c.wire)) == 0 {
		return unknown
	}
	state := c.account.State()
	if !state.Confirmed || !state.Payable() {
		a.s.challenges.drop(a.route, c)
		return unknown
	}
	if a.terms.Limits.Currency = c.offer.Currency; a.held {
		a.terms.Limits, a.termsErr = a.s.limits(ctx, a.origin.Text, c.offer.Currency) // with an error they pay nothing
	}
	sum, lim := a.decision.Charged.AddCapped(c.offer.Price), rule.Limits{Limits: a.terms.Limits}
	if lim.CheckPrice(sum) != nil || (!lim.Ask.IsZero() && lim.Ask.Less(sum)) {
		return unknown
	}
	a.challenge, a.account, a.reserved = c, c.account, a.left[state.ID]
	return purchase.Event{Kind: purchase.Started, Remembered: true, Offer: c.wants, Channel: state.ID}
}

// carryOut does what was decided and returns what came of it.
func (a *attempt) carryOut(ctx context.Context, do purchase.Action) purchase.Event {
	switch do.Do {
	case purchase.SendUnpaid, purchase.SendPaid:
		return a.send(ctx, do.Do == purchase.SendPaid)
	case purchase.Prove:
		return a.identify(ctx)
	case purchase.Select:
		return a.selectChannel(ctx)
	case purchase.Consent:
		return a.consent(ctx)
	case purchase.Search:
		return a.search(ctx, do.Proof)
	case purchase.Open:
		return a.open(ctx)
	case purchase.Issue:
		return a.issue(ctx, do)
	case purchase.Again:
		return a.again(ctx, do)
	case purchase.TopUp:
		return a.topUpForRequest(ctx)
	case purchase.ReadChain:
		return a.readChain(ctx)
	case purchase.Recover:
		return a.recoverHigher(ctx, do.Proof)
	case purchase.PutAside:
		return a.putAside(ctx)
	default:
		return a.wait(ctx, do)
	}
}

// send sends the request, with the credential if it is paid.
func (a *attempt) send(ctx context.Context, paid bool) purchase.Event {
	if a.resp != nil {
		discard(a.resp)
		a.resp, a.receipt = nil, nil
	}
	var resp *http.Response
	var got reach
	var err error
	if !paid {
		if a.opening != nil {
			a.land()
		}
		resp, got, err = a.out.send(ctx, header{}, cmp.Or(a.hint, a.s.challenges.hint(ctx, a.s, a.origin.Text)), false) //nolint:bodyclose // the answer at hand: handed over or discarded
	} else {
		var value string
		if value, err = a.credential(); err == nil {
			a.out.wrote = a.reserved.Wrote
			v1Stream := a.challenge.offer.Protocol == voucher.V1 && !a.decision.Carrying && wantsStream(a.out.req.Header)
			resp, got, err = a.out.send(ctx, header{a.challenge.wire.CredentialHeader(), value}, "", v1Stream) //nolint:bodyclose // as above
		}
		if got != stayed {
			if a.charge != nil {
				a.charge.Sent()
			}
			a.last = shown{a.signed.ChannelID, a.price, a.signed.Cumulative, a.challenge, a.signed.Signature}
		}
	}
	if err != nil {
		return purchase.Event{Kind: purchase.Lost, Paid: paid, Written: paid && got == arrived, Err: unwrapURL(err)}
	}
	if resp.Request == nil || resp.Request.Context().Value(boughtKey{a.s}) != any(a.bought) {
		resp.Request = a.out.req.WithContext(ctx) // for PaymentOf, and for those who follow a redirect
	}
	if len(a.cookies.lines)+len(resp.Header["Set-Cookie"]) > 0 {
		a.passOn(resp)
	}
	a.resp = resp
	if paid {
		return a.answeredPaid(ctx)
	}
	return a.answered(ctx)
}

// land ends the flight that an opening request holds, so that the requests that wait for the channel
// go on.
func (a *attempt) land() {
	a.opening()
	a.opening = nil
}
