package client_test

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// consents records the proposals that the policy accepted and those that the owner approved.
type consents struct {
	srv *clienttest.Server

	mu       sync.Mutex // guards the fields below
	policy   []client.Proposal
	approved []client.Proposal
	asked    bool // the owner approves every amount
}

// install sets the policy and, for "approve", an owner who approves every amount.
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
		c.policy = append(c.policy, p)
		return nil
	}
	if policy != "approve" {
		return
	}
	c.asked = true
	cfg.Limits.Ask = u(1)
	cfg.Approve = func(_ context.Context, q client.Quote) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.approved = append(c.approved, q.Proposal)
		return nil
	}
}

// cover asserts that each credential that was sent answers accepted terms.
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

// covered reports whether one of the proposals has these terms, at least that price, and the same
// fees if the credential funds a channel. A credential beside the content may answer a challenge
// with another price.
func (c *consents) covered(to []client.Proposal, o channel.Offer, action string, beside bool) bool {
	funds := action == "open" || action == "topUp"
	return slices.ContainsFunc(to, func(p client.Proposal) bool {
		return c.terms(p.Offer) == c.terms(o) && (beside || !p.Offer.Price.Less(o.Price)) &&
			(!funds || p.Offer.FeePayer == o.FeePayer && p.Offer.FeeToken == o.FeeToken)
	})
}

// terms returns the terms of an offer. Chain and escrow default to the server's.
func (c *consents) terms(o channel.Offer) channel.Terms {
	if o.ChainID == 0 {
		o.ChainID = c.srv.ChainID
	}
	if o.Escrow == (common.Address{}) {
		o.Escrow = c.srv.Escrow(o.Protocol)
	}
	return o.Terms()
}
