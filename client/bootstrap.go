package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// bootstrapEvery is how long an origin is not asked again, whatever it answered.
const bootstrapEvery = 10 * time.Minute

// bootstrap asks the server for a channel of ours: a HEAD for a zero-dollar challenge, and a HEAD with a
// proof that we are the payer. It is done only where no channel is known, once an origin in ten minutes. The
// proof is signed for amount exactly zero and for the realm of the session challenge that the same origin just sent;
// it is never a transaction. Nil means that nothing came of it; the payment goes on without.
func (s *Session) bootstrap(ctx context.Context, p *payment, session channel.Offer) *channel.Snapshot {
	signer, ok := s.cfg.Payer.(voucher.ProofSigner)
	if !ok || !s.mayBootstrap(p.origin) {
		return nil
	}
	snap, err := p.prove(ctx, signer, session)
	if err != nil {
		s.log.DebugContext(ctx, "no channel was found by proof", "origin", p.origin, "error", err)
	}
	return snap
}

func (s *Session) mayBootstrap(origin string) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.asked[origin]; ok && now.Sub(last) < bootstrapEvery {
		return false
	}
	if len(s.asked) >= maxRoutes {
		for old := range s.asked {
			delete(s.asked, old)
			break
		}
	}
	s.asked[origin] = now
	return true
}

// prove runs the two HEAD requests.
func (p *payment) prove(ctx context.Context, signer voucher.ProofSigner, session channel.Offer) (*channel.Snapshot, error) {
	status, h, err := p.head(ctx, "tempo/charge", header{})
	if err != nil {
		return nil, err
	}
	if status != http.StatusPaymentRequired {
		return snapshotOf(h)
	}
	challenges, err := wire.ParseChallenges(h)
	for _, c := range challenges {
		if c.Method != "tempo" || c.Intent != "charge" {
			continue
		}
		proof, err := proofFor(c, session, signer, p.out.req.URL, time.Now().Add(skew(h)))
		if err != nil {
			return nil, err
		}
		sig, err := signer.SignProof(ctx, proof)
		if err != nil {
			return nil, err
		}
		value, err := wire.NewEcho(c, wire.FormatSource(proof.ChainID, proof.Account)).Payload(wire.Proof(sig))
		if err != nil {
			return nil, err
		}
		status, h, err := p.head(ctx, "tempo/charge", header{c.CredentialHeader(), value})
		if err != nil {
			return nil, err
		}
		if status < 200 || status > 299 {
			return nil, fmt.Errorf("client: the proof was answered with status %d", status)
		}
		return snapshotOf(h)
	}
	return nil, err
}

// proofFor is the proof that answers a charge challenge, if it is one that may be answered: for nothing, not
// expired, of the same realm and chain as the session challenge, and not of a realm that is the name of another host: who
// relays the challenge of another service would get a proof that is good there.
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
		return voucher.Proof{}, fmt.Errorf("client: a proof was asked for %s base units; it is given for nothing or not at all", r.Amount)
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

// head asks the URL of the payment with the caller's headers and one more, but without its body, and with nothing
// that describes one.
func (p *payment) head(ctx context.Context, accept string, more header) (status int, h http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, p.out.req.URL.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header = p.out.req.Header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	for _, h := range []string{"Content-Type", "Content-Length", "Content-Encoding", "Content-Digest", "Transfer-Encoding", "Expect", "Idempotency-Key", "Range"} {
		req.Header.Del(h)
	}
	req.Host = p.out.req.Host
	req.Header.Set(wire.HeaderAcceptPayment, accept)
	if more.value != "" {
		req.Header.Set(more.name, more.value)
	}
	resp, err := p.out.base.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	drain(resp.Body)
	return resp.StatusCode, resp.Header, nil
}
