package client_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestAuthorizeManuallyNeedsConsent of the policy and, above Limits.Ask, of the owner, like any
// price.
func TestAuthorizeManuallyNeedsConsent(t *testing.T) {
	for name, c := range map[string]struct {
		amount   uint64
		policy   error
		owner    error
		run      uint64 // a budget; zero means none
		want     error
		policies int // how often each was asked
		owners   int
	}{
		"both agree":               {amount: 900, policies: 1, owners: 1},
		"below Ask":                {amount: 300, owner: errOwner, policies: 1},
		"the policy refuses":       {amount: 300, policy: errFee, want: errFee, policies: 1},
		"the policy refuses a lot": {amount: 900, policy: errFee, want: errFee, policies: 1},
		"the owner refuses": {
			amount: 900, owner: errOwner, want: errOwner, policies: 1, owners: 1,
		},
		"a limit refuses":            {amount: 1001, want: channel.ErrLimit},
		"a budget refuses":           {amount: 900, run: 899, want: channel.ErrLimit},
		"a budget refuses, no Ask":   {amount: 300, run: 299, want: channel.ErrLimit},
		"a budget covers it exactly": {amount: 900, run: 900, policies: 1, owners: 1},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				p := newPayer(t, srv)
				p.get(rail + "/data")
				before := p.only()
				var n pen
				var proposals []client.Proposal
				var quotes []client.Quote
				n.counted(&p.cfg)
				p.cfg.Limits.Ask = u(500)
				p.cfg.Policy = func(_ context.Context, q client.Proposal) error {
					proposals = append(proposals, q)
					return c.policy
				}
				p.cfg.Approve = func(_ context.Context, q client.Quote) error {
					quotes = append(quotes, q)
					return c.owner
				}
				p.restart()
				ctx := t.Context()
				if c.run > 0 {
					ctx = client.WithBudget(ctx, client.NewBudget(asset(srv), u(c.run)))
				}
				after, err := p.session.Channels().AuthorizeManually(ctx, before.ID, u(c.amount))
				assert.Len(t, proposals, c.policies)
				assert.Len(t, quotes, c.owners)
				for _, q := range proposals {
					assert.Equal(t, srv.URL, q.Origin)
					assert.Equal(t, srv.Payee, q.Terms.Payee)
					assert.Equal(t, srv.Token, q.Terms.Token)
					assert.False(t, q.Funding, "nothing is funded")
				}
				if c.want != nil {
					require.ErrorIs(t, err, c.want)
					var e *client.Error
					require.ErrorAs(t, err, &e)
					assert.Equal(t, client.OutcomeRefused, e.Outcome)
					assert.Zero(t, n.vouchers.Load())
					assert.Equal(t, before.Authorized, p.only().Authorized)
					return
				}
				require.NoError(t, err)
				want := before.Authorized.AddCapped(u(c.amount))
				assert.Equal(t, want, after.Authorized)
				for _, q := range quotes {
					assert.Equal(t, u(c.amount), q.Decision.Wanted)
				}
				assert.False(t, want.Less(after.Claimed))
			})
		}
	}
}
