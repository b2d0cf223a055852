package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// payment is one request of a caller on its way through. It is used by one goroutine until the
// response is handed over; a stream's meter goes on with it then.
type payment struct {
	s      *Session
	out    *outgoing
	origin string
	route  routeKey

	terms    ledger.Terms // what it is held to
	termsErr error        // why its context's limits are not allowed; free requests go on
	approved voucher.Amount
	mayFund  bool // the policy agreed to fund a channel, too

	known   *known              // the challenge being answered; nil while nothing is to be paid
	account *ledger.Account     // the channel it is paid from
	claim   *ledger.Reservation // what stands for it in the ledger
	signed  voucher.Signed      // the voucher to present
	opening *flight             // held while the request carries the opening transaction
	openTx  []byte

	paid                            int            // how often it was sent with a credential
	freshened, overtaken, corrected int            // how often each kind of second try was made
	deepest                         voucher.Amount // the deposit when it was last looked at
	regone, reminded                bool
	funded                          bool        // a top-up was shown to the payee and is not decided
	start                           time.Time   // when the caller asked; for the journal
	rise                            ledger.Rise // of asks that came to no voucher; for the journal
	info                            *Payment
}

// pay is the way of one request: fork, present, send, and then as often as the answers ask for and the
// bounds allow: recognize, consent, load, plan, fund, issue, answer, send again. finish reconciles, meters and
// tells.
func (s *Session) pay(req *http.Request, base http.RoundTripper) (*http.Response, error) {
	if req.URL == nil || req.URL.Host == "" {
		closeBody(req)
		return nil, errors.New("client: the request has no URL")
	}
	out, err := fork(req, base, s.cfg.Spool)
	if err != nil {
		return nil, err
	}
	origin, originErr := originOf(req.URL)
	p := &payment{s: s, out: out, origin: origin, route: routeOf(origin, req), info: &Payment{Outcome: None}}
	if p.terms, p.termsErr = s.terms(req.Context(), origin); originErr != nil {
		p.termsErr = originErr // nothing is paid; a free answer goes through
	}
	ctx := withPayment(req.Context(), p.info)
	defer p.land()
	if p.s.keeps() {
		p.start = time.Now()
	}

	p.present(ctx)
	for sends := 1; ; sends++ {
		resp, err := p.send(ctx)
		if err != nil {
			return nil, p.lost(ctx, err)
		}
		again, err := p.respond(ctx, resp, sends)
		if err != nil {
			discard(resp.Body)
			return nil, p.refuse(ctx, err)
		}
		if !again {
			return p.finish(ctx, resp)
		}
		discard(resp.Body)
	}
}

// present answers a challenge that this session remembers for the route, so that the request is paid in
// one round trip. Whatever is in the way is left to the challenge that the server will send.
func (p *payment) present(ctx context.Context) {
	k := p.s.route(p.route)
	if k == nil || !p.out.repeatable || !secure(p.out.req.URL) || !chosen(p.out.req) || len(wanted(p.out.req, k.challenge)) == 0 {
		return
	}
	state := k.account.State()
	if state.Phase() != channel.Open || state.Gone {
		p.s.drop(p.route, k)
		return
	}
	if ready, err := p.covered(state, ask(k.offer)); !ready || err != nil {
		return
	}
	if lim := p.terms.Limits; p.termsErr != nil || rule.Of(lim).CheckPrice(k.offer.Price.AddCapped(tolls(p.out.req))) != nil ||
		(!lim.Ask.IsZero() && lim.Ask.Less(k.offer.Price)) {
		return
	}
	claim, signed, err := p.first(ctx, k.account, k.offer)
	if err != nil {
		p.account, p.rise = k.account, claim.Rise()
		return
	}
	p.info.Operation = p.out.operation()
	p.known, p.account, p.claim, p.signed = k, k.account, claim, signed
}

// first gets the first voucher of this request. Where a redirect led here, the price that was released there is asked for in
// its place: all of it is one request of the caller's, whose price is authorized once.
func (p *payment) first(ctx context.Context, a *ledger.Account, o channel.Offer) (*ledger.Reservation, voucher.Signed, error) {
	for resp := p.out.req.Response; resp != nil && resp.Request != nil; resp = resp.Request.Response {
		if before := PaymentOf(resp); before != nil && before.left != nil && before.left.Account() == a {
			signed, err := before.left.Decide(ctx, ask(o))
			return before.left, signed, err
		}
	}
	return a.Reserve(ctx, p.terms, ask(o))
}

// ask is what one unit of an offer costs.
func ask(o channel.Offer) rule.Request { return rule.Request{Price: o.Price, MinDelta: o.MinDelta} }

// send sends the request, with the credential where there is one.
func (p *payment) send(ctx context.Context) (*http.Response, error) {
	if p.claim == nil {
		resp, _, err := p.out.send(ctx, header{}, p.s.hint(p.origin), false)
		return resp, err
	}
	value, err := p.credential()
	if err != nil {
		return nil, err
	}
	p.paid++
	v1Stream := p.known.offer.Protocol == voucher.V1 && p.openTx == nil && wantsStream(p.out.req.Header)
	resp, wrote, err := p.out.send(ctx, header{p.known.challenge.CredentialHeader(), value}, "", v1Stream)
	if p.info.sent = p.info.sent || wrote; wrote {
		p.terms.Charge.Sent()
	}
	return resp, err
}

// credential answers the challenge with the voucher, and with the opening transaction where the channel is
// being opened.
func (p *payment) credential() (string, error) {
	state := p.account.State()
	if p.openTx == nil {
		return p.known.echo.Payload(wire.Voucher(p.account.ID(), wireDescriptor(state), p.signed.Cumulative, p.signed.Signature))
	}
	return p.known.echo.Payload(wire.Open(p.account.ID(), wireDescriptor(state), p.openTx, p.signed.Cumulative, p.signed.Signature, state.Descriptor.AuthorizedSigner))
}

// wireDescriptor is the descriptor as credentials carry it: on v2 only.
func wireDescriptor(s rule.State) *wire.Descriptor {
	if s.Protocol != voucher.V2 {
		return nil
	}
	d := wire.Descriptor(s.Descriptor)
	return &d
}

// respond decides what to do about an answer. again says that the request is to be sent once more;
// false hands the response to the caller.
func (p *payment) respond(ctx context.Context, resp *http.Response, sends int) (again bool, err error) {
	switch {
	case p.claim != nil && (resp.StatusCode == http.StatusPaymentRequired || resp.StatusCode == http.StatusGone):
		if p.paid > p.s.cfg.Retries+p.overtaken {
			return false, nil
		}
		return p.refused(ctx, resp)
	case p.claim != nil:
		return p.openedEmpty(ctx, resp)
	case resp.StatusCode != http.StatusPaymentRequired, sends > p.s.cfg.Retries+1+p.overtaken:
		return false, nil
	}
	k, err := p.s.recognize(p.out.req, resp.Header)
	if k == nil || err != nil {
		return false, err
	}
	if !chosen(p.out.req) {
		return false, ErrRedirect
	}
	if !p.out.repeatable {
		return false, fmt.Errorf("%w: %w", ErrBody, errNotRepeatable)
	}
	return true, p.prepare(ctx, k)
}

var zeroHash common.Hash
