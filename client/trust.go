package client

import (
	"context"
	"fmt"
	"net/url"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// trust completes an offer with what we take for granted, and refuses one that wants it otherwise: the
// connection, the escrow. It asks nobody.
func (s *Session) trust(u *url.URL, o *channel.Offer) error {
	if !secure(u) {
		return fmt.Errorf("%w: %s", ErrInsecure, showOrigin(u))
	}
	if o.ChainID == 0 && s.cfg.Chain == nil {
		return fmt.Errorf("%w: a v1 challenge that names no chain is taken to be on Config.Chain, and there is none", ErrNoChain)
	}
	want := s.cfg.Escrow
	if want == (common.Address{}) {
		var ok bool
		want, ok = escrow.DefaultEscrow(o.Protocol, o.ChainID)
		if !ok && o.ChainID != 0 {
			return fmt.Errorf("%w: chain %d has no canonical %s escrow; set Config.Escrow", ErrEscrow, o.ChainID, o.Protocol)
		}
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = want
	}
	if o.Escrow != want && o.ChainID != 0 {
		return fmt.Errorf("%w: it names %s, trusted is %s; if that escrow is right, set Config.Escrow to it", ErrEscrow, o.Escrow, want)
	}
	return nil
}

// place completes an offer that names no chain, and checks that the chain is the one we are connected to.
func (s *Session) place(ctx context.Context, u *url.URL, o *channel.Offer) error {
	if s.cfg.Chain == nil {
		return nil
	}
	id, err := s.cfg.Chain.ChainID(ctx)
	if err != nil {
		return err
	}
	if o.ChainID == 0 {
		o.ChainID = id
		return s.trust(u, o)
	}
	if o.ChainID != id {
		return fmt.Errorf("%w: the challenge is on chain %d, Config.Chain on %d", escrow.ErrChainID, o.ChainID, id)
	}
	return nil
}

// consent asks the policy and then the owner, after the limits have been looked at: nobody is bothered about a price
// that is not allowed anyway.
func (p *payment) consent(ctx context.Context, o channel.Offer) error {
	if p.termsErr != nil {
		return p.termsErr
	}
	if err := rule.Of(p.terms.Limits).CheckPrice(o.Price.AddCapped(tolls(p.out.req))); err != nil {
		return err
	}
	funding, err := p.needsFunding(ctx, o)
	if err != nil {
		return err
	}
	if err := p.allowed(ctx, o, funding); err != nil {
		return err
	}
	return p.approve(ctx, o)
}

// allowed asks the policy about an offer.
func (p *payment) allowed(ctx context.Context, o channel.Offer, funding bool) error {
	proposal := p.proposal(o)
	proposal.Funding = funding
	if err := p.s.cfg.Policy(ctx, proposal); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	p.mayFund = funding
	return nil
}

// allowFunding asks the policy about the funding of a channel, unless it agreed to that with the offer.
func (p *payment) allowFunding(ctx context.Context) error {
	if p.mayFund {
		return nil
	}
	return p.allowed(ctx, p.known.offer, true)
}

// needsFunding reports whether an offer can only be paid once a channel is opened or topped up, as far as the store
// tells. What it does not see is asked about later (allowFunding).
func (p *payment) needsFunding(ctx context.Context, o channel.Offer) (bool, error) {
	if _, named := channelFrom(ctx); named {
		return false, nil
	}
	account, err := p.s.ledger.Lookup(ctx, p.scope(o))
	if err != nil {
		return false, err
	}
	if account == nil || !account.State().Payable() {
		return true, nil
	}
	ready, err := p.covered(account.State(), ask(o))
	return !ready && err == nil && account.State().Phase() != channel.Opening, nil
}

func (p *payment) proposal(o channel.Offer) Proposal {
	return Proposal{Origin: p.origin, Route: p.route.String(), Offer: o, Terms: o.Terms()}
}
