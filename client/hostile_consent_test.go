package client_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// consents are the offers that the policy accepted and those that the owner approved.
type consents struct {
	srv *clienttest.Server

	mu       sync.Mutex // guards the rest
	policy   []channel.Offer
	approved []channel.Offer
	asked    bool // the owner is asked about everything
}

// install sets the policy and, for "approve", an owner who is asked about every amount.
func (c *consents) install(cfg *client.Config, policy string) {
	accept := client.PinFirstUse(cfg.Store)
	if policy == "hosts" {
		accept = client.AllowHosts(c.srv.URL)
	}
	cfg.Policy = func(ctx context.Context, p client.Proposal) error {
		if err := accept(ctx, p); err != nil {
			return err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.policy = append(c.policy, p.Offer)
		return nil
	}
	if policy != "approve" {
		return
	}
	c.asked = true
	cfg.Limits.Ask = u(1)
	cfg.Approve = func(_ context.Context, a client.Quote) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.approved = append(c.approved, a.Offer)
		return nil
	}
}

// cover asserts that each credential that left answers terms that were consented to.
func (c *consents) cover(t *testing.T, p *victim) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range p.wire.paid("") {
		action := s.Paid.Payload.Action
		if action == "" || action == "close" {
			continue
		}
		o, err := rule.ParseOffer(s.Paid.Challenge)
		require.NoError(t, err)
		beside := s.Method != http.MethodGet
		assert.True(t, c.covered(c.policy, o, action, beside),
			"a %s for %s (%s), of which the policy was not asked", action, o.Price, c.terms(o))
		if c.asked {
			assert.True(t, c.covered(c.approved, o, action, beside),
				"a %s for %s (%s), of which the owner was not asked", action, o.Price, c.terms(o))
		}
	}
}

// covered reports whether one of the offers is for these terms at that price or more. beside is a
// credential that goes beside the content, whose challenge may name another price.
func (c *consents) covered(
	accepted []channel.Offer,
	o channel.Offer,
	action string,
	beside bool,
) bool {
	for _, a := range accepted {
		same := c.terms(a) == c.terms(o) && (beside || !a.Price.Less(o.Price))
		if action == "open" || action == "topUp" {
			same = same && a.FeePayer == o.FeePayer && a.FeeToken == o.FeeToken
		}
		if same {
			return true
		}
	}
	return false
}

// terms are what must not change without consent.
type terms struct {
	protocol                       voucher.Protocol
	chain                          uint64
	escrow, payee, operator, token common.Address
	unit                           string
}

func (t terms) String() string {
	return fmt.Sprintf("%s, payee %s, unit %q", t.protocol, t.payee, t.unit)
}

func (c *consents) terms(o channel.Offer) terms {
	if o.ChainID == 0 {
		o.ChainID = c.srv.ChainID
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = c.srv.Escrow(o.Protocol)
	}
	return terms{o.Protocol, o.ChainID, o.Escrow, o.Payee, o.Operator, o.Token, o.UnitType}
}
