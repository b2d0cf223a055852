package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// prove asks the server for a channel of ours: a HEAD for a zero-dollar challenge, and a HEAD with a
// proof that we are the payer. It is done only if no channel is known, once per origin in ten minutes.
// The proof is signed for amount exactly zero and for the realm of the session challenge that the same
// origin just sent; it is never a transaction. It returns what the server shows and the channel that it
// names, if any; the payment goes on without. given reports that a proof may have left.
func (a *attempt) prove(ctx context.Context) (snap *channel.Snapshot, id common.Hash, given bool) {
	signer := a.s.prover()
	if signer == nil || !a.s.proofs.begin(a.origin.Text) {
		return nil, zeroHash, false
	}
	h, left, err := a.exchangeProof(ctx, signer)
	if err != nil && !left && errors.Is(ctx.Err(), context.Canceled) { // it says nothing of the origin
		a.s.proofs.unsent(a.origin.Text, false)
	}
	if err == nil {
		id = channelIn(h)
		snap, err = snapshotOf(h)
	}
	if err != nil {
		a.s.log.DebugContext(ctx, "no channel was found by proof", "origin", a.origin.Text, "error", err)
	}
	return snap, id, true
}

// exchangeProof sends the two HEAD requests, and returns the header of the last answer. left reports that
// the proof may have left.
func (a *attempt) exchangeProof(
	ctx context.Context, signer voucher.ProofSigner,
) (answer http.Header, left bool, err error) {
	status, h, err := a.head(ctx, "tempo/charge", header{})
	if err != nil {
		return nil, false, err
	}
	if status != http.StatusPaymentRequired {
		return h, false, nil
	}
	challenges, err := wire.ParseChallenges(h)
	for _, c := range challenges {
		if c.Method != "tempo" || c.Intent != "charge" {
			continue
		}
		proof, err := proofFor(c, a.challenge.offer, signer, a.out.req.URL, time.Now().Add(skew(h)))
		if err != nil {
			return nil, false, err
		}
		sig, err := signProof(ctx, signer, proof)
		if err != nil {
			return nil, false, err
		}
		value, err := wire.NewEcho(c, wire.FormatSource(proof.ChainID, proof.Account)).Payload(wire.Proof(sig))
		if err != nil {
			return nil, false, err
		}
		var d dialing
		status, h, err := a.head(d.trace(ctx), "tempo/charge", header{c.CredentialHeader(), value})
		if err != nil {
			return nil, !d.stayed(), err
		}
		if status < 200 || status > 299 {
			return nil, true, fmt.Errorf("client: the proof was answered with status %d", status)
		}
		return h, true, nil
	}
	return nil, false, err
}

// proofFor returns the proof that answers a charge challenge, if it may be answered: for amount zero, not
// expired, of the same realm and chain as the session challenge, and not for a realm that names another
// host. Whoever relays the challenge of another service would get a proof that is good there.
func proofFor(c wire.Challenge, session channel.Offer, signer voucher.ProofSigner, asked *url.URL, now time.Time) (voucher.Proof, error) {
	r, err := c.SessionRequest()
	if err != nil {
		return voucher.Proof{}, err
	}
	if t, ok, err := c.ExpiresAt(); err != nil || (ok && !now.Before(t)) {
		return voucher.Proof{}, channel.ErrExpired
	}
	chainID := session.ChainID
	if r.MethodDetails.ChainID != nil {
		chainID = *r.MethodDetails.ChainID
	}
	switch {
	case !r.Amount.IsZero():
		return voucher.Proof{}, fmt.Errorf("client: zero-dollar proof requested with amount %s base units; only amount 0 is signed", r.Amount)
	case c.Realm != session.Realm:
		return voucher.Proof{}, fmt.Errorf("client: a proof was asked for realm %q by realm %q", c.Realm, session.Realm)
	case chainID != session.ChainID:
		return voucher.Proof{}, fmt.Errorf("client: a proof was asked for chain %d, the session is on chain %d", chainID, session.ChainID)
	}
	if err := origin.CheckRealm(c.Realm, asked); err != nil {
		return voucher.Proof{}, fmt.Errorf("client: a proof was requested: %w", err)
	}
	return voucher.Proof{ChainID: chainID, Account: signer.Address(), ChallengeID: c.ID, Realm: c.Realm}, nil
}

// channelIn returns the channel that an answer to a proof names, zero if it names none.
func channelIn(h http.Header) (id common.Hash) {
	_ = id.UnmarshalText([]byte(h.Get(wire.HeaderPaymentSession)))
	return id
}

// snapshotOf returns the snapshot that an answer to a proof shows, nil if it shows none.
func snapshotOf(h http.Header) (*channel.Snapshot, error) {
	text := h.Get(wire.HeaderPaymentSessionSnapshot)
	if text == "" {
		return nil, nil
	}
	w, err := wire.ParseSnapshotHeader(text)
	if err != nil {
		return nil, err
	}
	snap := rule.ParseSnapshot(w)
	return &snap, nil
}

// headWait bounds one exchange of a HEAD request.
const headWait = 15 * time.Second

// head sends a HEAD request to the URL of the payment with the caller's headers and one more.
func (a *attempt) head(ctx context.Context, accept string, more header) (status int, h http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, headWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "", nil)
	if err != nil {
		return 0, nil, err
	}
	u := *a.out.req.URL
	req.URL, req.Host = &u, a.out.req.Host
	req.Header = a.managementRequestHeader(accept, more)
	resp, err := a.out.base.RoundTrip(req)
	switch {
	case err != nil:
		return 0, nil, unwrapURL(err)
	case resp == nil:
		return 0, nil, errNoResponse
	case resp.Body != nil:
		discard(resp)
	}
	a.keepCookies(resp.Header)
	return resp.StatusCode, resp.Header, nil
}
