package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/purchase"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A payee may want to know who pays before it names a price: its 402 offers nothing but a charge of
// zero. The payer proves who it is with a signature that moves no money, the request is sent again
// with it, and the answer to that has the offer.

// identity is what a request has to do with such a payee.
type identity struct {
	asked wire.Challenge // the charge that asks who the payer is
	proof voucher.Proof  // that answers it, before it is signed
	offer channel.Offer  // what a policy is shown of it
	skew  time.Duration  // by which the clock that dated it is ahead of ours

	end     func()            // ends the flight of the request that gives the proof, nil for others
	plain   http.Header       // the caller's header
	channel common.Hash       // the channel that an answer to the proof names
	snap    *channel.Snapshot // and what it reports of a channel
}

// Reasons why a payee that asks who the payer is gets no proof.
var (
	errNoProver = errors.New("the payer's key signs none: set Config.Payer to a voucher.ProofSigner")
	errLately   = fmt.Errorf(
		"the origin got one, and gets another after %s, or when it served a paid request",
		proofEvery,
	)
)

// readAsked reads whether an answer asks who the payer is.
func (a *attempt) readAsked(ctx context.Context, e *purchase.Event) {
	challenges, most := chargesOnly(a.out.req, a.resp.Header)
	if e.ProofAsked, e.ProofAmount = len(challenges) > 0, most; !most.IsZero() {
		return
	}
	for _, c := range challenges {
		why := a.provable(ctx, c, skew(a.resp.Header))
		if why == nil {
			e.Unproved = nil
			return
		}
		e.Unproved = fmt.Errorf("%w: %w", ErrProof, why)
	}
}

// chargesOnly returns the challenges of an answer that offers nothing but charges, and the highest
// of their amounts; none for any other answer. If that is zero, the answer asks who the payer is.
func chargesOnly(req *http.Request, h http.Header) (all []wire.Challenge, most voucher.Amount) {
	for _, line := range h["Www-Authenticate"] {
		scheme, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.EqualFold(scheme, "Payment") {
			return nil, most
		}
	}
	all, _ = wire.ParseChallenges(h)
	own, _ := valuesOf(req.Header, wire.HeaderAcceptPayment)
	if len(own) > 0 && len(wantedChallenges(own, all...)) < len(all) {
		return nil, most
	}
	for _, c := range all {
		r, err := c.SessionRequest()
		if c.Method != "tempo" || c.Intent != "charge" || err != nil {
			return nil, most
		}
		most = most.Max(r.Amount)
	}
	return all, most
}

// provable returns why a proof may not answer a charge, nil if it may, and notes the proof that
// would. Nothing is signed.
func (a *attempt) provable(ctx context.Context, c wire.Challenge, ahead time.Duration) error {
	s, signer := a.s, a.s.prover()
	if err := a.mayBeShown(signer); err != nil {
		return err
	}
	session := channel.Offer{Realm: c.Realm}
	if s.cfg.Chain != nil {
		var err error
		if session.ChainID, err = s.cfg.Chain.ChainID(ctx); err != nil {
			return err
		}
	}
	r, err := c.SessionRequest()
	if err != nil {
		return err
	}
	if session.ChainID == 0 && r.MethodDetails.ChainID != nil {
		session.ChainID = *r.MethodDetails.ChainID
	}
	proof, err := proofFor(c, session, signer, a.out.req.URL, time.Now().Add(ahead))
	if err != nil {
		return err
	}
	if a.who == nil {
		a.who = &identity{plain: a.out.req.Header}
	}
	a.who.asked, a.who.proof, a.who.skew = c, proof, ahead
	a.who.offer = channel.Offer{
		ChainID: proof.ChainID,
		Payee:   r.Recipient,
		Token:   r.Currency,
		Realm:   c.Realm,
	}
	return nil
}

// mayBeShown returns why the origin may not be shown who the payer is, whatever it asks; nil if it
// may.
func (a *attempt) mayBeShown(signer voucher.ProofSigner) error {
	switch req := a.out.req; {
	case a.termsErr != nil:
		return a.termsErr
	case req.Response != nil && !chosen(req):
		return ErrRedirect
	case a.out.body != nil && !a.out.body.repeatable():
		return errors.Join(ErrBody, errNotRepeatable)
	case req.URL.Scheme != "https" && !a.origin.Loopback:
		return fmt.Errorf("%w: %s", ErrInsecure, a.origin.Text)
	case signer == nil:
		return errNoProver
	}
	// Nobody is shown it where nothing may be paid, whatever it costs.
	return rule.Of(a.terms.Limits).CheckPrice(voucher.Units(1))
}

// identify shows the payee who the payer is: it sends the request with a zero-dollar proof.
func (a *attempt) identify(ctx context.Context) purchase.Event {
	if a.opening != nil {
		a.land() // who gives a proof now may wait for the channel
	}
	value, err := a.proofOf(ctx)
	if err != nil {
		return purchase.Event{Kind: purchase.NotProved, Err: fmt.Errorf("%w: %w", ErrProof, err)}
	}
	a.heed(a.resp, false)
	discard(a.resp)
	a.resp, a.receipt = nil, nil
	proving := *a.out
	proving.req = withHeader(a.out.req, a.who.asked.CredentialHeader(), value)
	hint := cmp.Or(a.hint, a.s.challenges.hint(ctx, a.s, a.origin.Text))
	var d dialing
	resp, _, err := proving.send(d.trace(ctx), header{}, hint, false) //nolint:bodyclose // handed over or discarded
	if err != nil {
		if d.stayed() {
			a.s.proofs.unsent(a.origin.Text, a.who.end == nil)
		}
		return purchase.Event{Kind: purchase.Lost, Proof: true, Err: unwrapURL(err)}
	}
	if resp.Request == nil || resp.Request.Context().Value(boughtKey{a.s}) != any(a.bought) {
		resp.Request = a.out.req.WithContext(ctx)
	}
	if len(a.cookies.lines)+len(resp.Header["Set-Cookie"]) > 0 {
		a.passOn(resp)
	}
	a.resp = resp
	e := a.answered(ctx)
	e.Proof, e.Introduced = true, a.heed(resp, true)
	if resp.StatusCode == http.StatusUnauthorized && a.displaces(a.who.asked) {
		e.Err = ErrAuthorization
	}
	switch status := resp.StatusCode; {
	case status < 300 && status != http.StatusNoContent:
		a.s.proofs.ended(a.origin.Text, true)
	case status >= 400 && !e.Offered:
		a.s.proofs.ended(a.origin.Text, false)
	}
	return e
}

// proofOf signs the proof and returns the credential with it. The policy is asked about the origin,
// and requests that one origin asks at the same time wait for the first of them to be served. The
// expiry is checked after that.
func (a *attempt) proofOf(ctx context.Context) (credential string, err error) {
	who, s := a.who, a.s
	p := Proposal{
		Origin: a.origin.Text, Route: a.route.method + " " + a.route.path,
		Offer: who.offer, Terms: who.offer.Terms(), Proof: true,
	}
	if err := s.cfg.Policy(ctx, p); err != nil {
		return "", fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	for who.end == nil && !s.proofs.more(a.origin.Text) {
		who.end, err = s.flights.begin(ctx, "proof\n"+a.origin.Text, &a.waited)
		if err != nil {
			return "", err
		}
		if who.end != nil && !s.proofs.begin(a.origin.Text) {
			return "", errLately
		}
	}
	defer func() {
		if err != nil {
			s.proofs.unsent(a.origin.Text, who.end == nil)
		}
	}()
	if t, ok, err := who.asked.ExpiresAt(); err != nil ||
		(ok && !time.Now().Add(who.skew).Before(t)) {
		return "", channel.ErrExpired
	}
	sig, err := signProof(ctx, s.prover(), who.proof)
	if err != nil {
		return "", err
	}
	source := wire.FormatSource(who.proof.ChainID, who.proof.Account)
	return wire.NewEcho(who.asked, source).Payload(wire.Proof(sig))
}

// ended ends the flights that the request still holds, and its turn of a remembered purchase.
func (a *attempt) ended() {
	if a.opening != nil {
		a.land()
	}
	if a.who != nil && a.who.end != nil {
		a.who.end()
	}
	if a.who != nil && a.info.Outcome == OutcomeAccepted && a.account != nil {
		a.keepPayee(a.out.req.Context())
	}
	if a.holds {
		a.done()
	}
}
