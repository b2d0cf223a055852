package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/receipt"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// payment is one request of a caller on its way through. It is used by one goroutine until the
// response is handed over; a stream's meter goes on with it then.
type payment struct {
	s      *Session
	out    *outgoing
	origin string
	route  routeKey

	known   *known          // the challenge being answered; nil while nothing is to be paid
	account *ledger.Account // the channel it is paid from
	claim   *ledger.Claim   // what stands for it in the ledger
	signed  voucher.Signed  // the voucher to present
	opening *flight         // held while the request carries the opening transaction
	openTx  []byte

	paid                            int // how often it was sent with a credential
	freshened, overtaken, corrected int // how often each kind of second try was made
	regone                          bool
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
	origin := originOf(req.URL)
	p := &payment{s: s, out: out, origin: origin, route: routeOf(origin, req), info: &Payment{Outcome: None}}
	ctx := withPayment(req.Context(), p.info)
	defer p.land()

	p.present(ctx)
	for sends := 1; ; sends++ {
		resp, err := p.send(ctx)
		if err != nil {
			return nil, p.lost(ctx, err)
		}
		again, err := p.respond(ctx, resp, sends)
		if err != nil {
			discard(resp.Body)
			return nil, p.refuse(err)
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
	if p.s.cfg.Limits.CheckPrice(k.offer.Price.AddCapped(tolls(p.out.req))) != nil {
		return
	}
	claim, signed, err := k.account.Issue(ctx, ask(k.offer))
	if err != nil {
		return
	}
	p.known, p.account, p.claim, p.signed = k, k.account, claim, signed
}

// ask is what one unit of an offer costs.
func ask(o channel.Offer) channel.Ask { return channel.Ask{Price: o.Price, MinDelta: o.MinDelta} }

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
	p.info.sent = p.info.sent || wrote
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
func wireDescriptor(s channel.State) *wire.Descriptor {
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
	case resp.StatusCode != http.StatusPaymentRequired, sends > p.s.cfg.Retries+1:
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

// lost is the end of a payment whose request failed on the way: what was sent stays counted.
func (p *payment) lost(ctx context.Context, err error) error {
	err = unwrapURL(err)
	if p.claim == nil {
		return err
	}
	p.info.Outcome = Unknown
	if p.info.sent {
		p.claim.Keep()
	} else {
		p.info.Outcome = NotSent
		p.claim.Release()
	}
	p.tellPaid(ctx, 0, nil, err)
	return p.error(err)
}

// refuse is the end of a payment that we stop.
func (p *payment) refuse(err error) error {
	p.info.Outcome = Refused
	if p.info.sent {
		p.info.Outcome = Rejected // by the payee, before it was by us
	}
	if p.claim != nil {
		p.claim.Release()
	}
	return p.error(err)
}

func (p *payment) error(err error) *Error {
	e := &Error{Op: "pay", Outcome: p.info.Outcome, Origin: p.origin, Cumulative: p.signed.Cumulative, Problem: p.info.Problem, Err: err}
	if p.known != nil {
		e.Price = p.known.offer.Price
	}
	if p.account != nil {
		e.ChannelID = p.account.ID()
	}
	if p.openTx != nil {
		e.Op = "open"
	}
	return e
}

// finish books the answer and hands it over. A bad receipt never costs the caller a paid response.
func (p *payment) finish(ctx context.Context, resp *http.Response) (*http.Response, error) {
	if p.claim == nil {
		return resp, nil
	}
	if resp.StatusCode == http.StatusPaymentRequired || resp.StatusCode == http.StatusGone {
		p.info.Outcome = Rejected
		p.claim.Release()
		p.s.drop(p.route, p.known)
		p.tellPaid(ctx, resp.StatusCode, nil, nil)
		return resp, nil
	}
	r := p.reconcile(ctx, resp)
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	switch {
	case ok && resp.StatusCode != http.StatusNoContent:
		p.info.Outcome = Accepted
	case ok || r != nil:
		p.info.Outcome = AcceptedNoContent
	default:
		p.info.Outcome = Unknown
	}
	if r != nil && p.openTx != nil {
		p.opened(ctx)
	}
	if ok && p.known.account != p.account {
		n := *p.known
		n.account = p.account
		p.s.remember(p.route, &n)
	}
	if isEventStream(resp) && ok {
		p.meter(ctx, resp)
	} else if redirected := resp.StatusCode >= 300 && resp.StatusCode < 400; redirected && r == nil {
		p.claim.Release() // the price is still to be asked for where the redirect leads
	} else {
		p.settleClaim(ctx, r)
	}
	p.tellPaid(ctx, resp.StatusCode, r, nil)
	return resp, nil
}

// reconcile reads the receipt of the answer to our credential, if it is for this challenge and this channel.
func (p *payment) reconcile(ctx context.Context, resp *http.Response) *receipt.Receipt {
	text := resp.Header.Get(wire.HeaderPaymentReceipt)
	if text == "" {
		return nil
	}
	r, err := receipt.Parse(text)
	if err == nil {
		err = p.bound(r)
	}
	if err != nil {
		p.tellViolation(ctx, err)
		return nil
	}
	p.info.setReceipt(r)
	return &r
}

// bound checks that a receipt answers this payment's challenge on this payment's channel.
func (p *payment) bound(r receipt.Receipt) error {
	switch {
	case !r.Session:
		return nil // an acknowledgement without numbers
	case r.ChannelID != p.account.ID():
		return fmt.Errorf("%w: a receipt for channel %s on an answer for channel %s", channel.ErrServerWord, r.ChannelID, p.account.ID())
	case r.ChallengeID != p.known.challenge.ID:
		return fmt.Errorf("%w: a receipt for another challenge", channel.ErrServerWord)
	}
	return nil
}

// settleClaim ends the claim with what the receipt says was really charged; without one it stays counted.
func (p *payment) settleClaim(ctx context.Context, r *receipt.Receipt) {
	if r == nil || !r.Session {
		p.claim.Keep()
		return
	}
	if err := p.claim.Settle(word(*r)); err != nil {
		p.tellViolation(ctx, err)
	}
}

func word(r receipt.Receipt) channel.Word {
	return channel.Word{Accepted: r.Accepted, Spent: r.Spent, Units: r.Units}
}

func (p *payment) tellPaid(ctx context.Context, status int, r *receipt.Receipt, err error) {
	state := p.account.State()
	p.info.ChannelID, p.info.Price, p.info.Cumulative = state.ID, p.known.offer.Price, p.signed.Cumulative
	p.s.tell(ctx, Event{
		Kind: EventPaid, Origin: p.origin, ChannelID: state.ID, Price: p.known.offer.Price, Cumulative: p.signed.Cumulative,
		Deposit: state.Deposit, Outcome: p.info.Outcome, Status: status, Receipt: r, Err: err,
	})
}

func (p *payment) tellViolation(ctx context.Context, err error) {
	p.s.tell(ctx, Event{Kind: EventViolation, Origin: p.origin, ChannelID: p.account.ID(), Outcome: p.info.Outcome, Err: err})
}

// land ends the flight that an opening request holds, so that the requests that wait for the channel go
// on.
func (p *payment) land() {
	if p.opening != nil {
		p.opening.end()
		p.opening = nil
	}
}

var zeroHash common.Hash
