package client_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestApprovalIsForTheSumOfTheRedirects of one request, if the payee charges for them.
func TestApprovalIsForTheSumOfTheRedirects(t *testing.T) {
	for _, c := range []struct {
		ask    uint64
		yes    int // to how many questions the owner says yes
		want   []voucher.Amount
		signed uint64
	}{
		{ask: 50, yes: 2, want: []voucher.Amount{u(100), u(200), u(300)}, signed: 200},
		{ask: 100, yes: 0, want: []voucher.Amount{u(200)}, signed: 100},
		{ask: 150, yes: 1, want: []voucher.Amount{u(200), u(300)}, signed: 200},
		{ask: 199, yes: 3, want: []voucher.Amount{u(200), u(300), u(400), u(500)}, signed: 400},
		{ask: 450, yes: 0, want: []voucher.Amount{u(500)}, signed: 400},
	} {
		for _, rail := range rails {
			srv := clienttest.New(t, clienttest.Config{})
			var o owner
			o.decide = func(client.Quote) error {
				if len(o.quotes) > c.yes {
					return errOwner
				}
				return nil
			}
			p := newPayer(t, srv, o.asks(c.ask))
			srv.Lie(lies.RedirectToll)
			resp, err := p.do(http.MethodGet, rail+"/data", nil)
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, http.StatusPaymentRequired, resp.StatusCode)
			info := client.PaymentOf(resp)
			assert.ErrorIs(t, info.Err, errOwner)
			assert.Equal(t, client.OutcomeAcceptedNoContent, info.Outcome, "the toll was taken")
			assert.Equal(t, c.want, o.sums())
			assert.Equal(t, u(c.signed), p.only().Signed)
		}
	}
}

// TestRedirectWithoutAChargeNeedsNoSecondApproval: the price goes on, and so does the consent to
// it.
func TestRedirectWithoutAChargeNeedsNoSecondApproval(t *testing.T) {
	for _, rail := range rails {
		srv := clienttest.New(t, clienttest.Config{})
		var o owner
		p := newPayer(t, srv, o.asks(50))
		l := p.follow(
			wants("", rail+"/data"),
			leads(http.StatusFound, rail+"/data"),
			leads(
				http.StatusTemporaryRedirect, rail+"/data",
			),
			wants("payment-required", rail+"/data"),
			leads(http.StatusSeeOther, rail+"/data"),
			serves,
		)
		p.get(rail + "/data")
		assert.Equal(t, []voucher.Amount{u(100)}, o.sums())
		assert.Equal(t, u(100), p.only().Signed)
		assert.Len(t, l.openings(), 1)
	}
}

// TestOwnerIsNotAskedAboutWhatABudgetRefuses, and what is shown as left is what every budget
// leaves.
func TestOwnerIsNotAskedAboutWhatABudgetRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		run, outer, hour, total uint64
		left                    uint64 // that is shown; none if nobody is asked
		limit                   string
	}{
		"the budget of the run":          {run: 99, limit: channel.LimitBudget},
		"a budget around it":             {run: 500, outer: 50, limit: channel.LimitBudget},
		"an hour":                        {run: 500, hour: 99, limit: "All.Hour"},
		"the run leaves least":           {run: 150, outer: 400, hour: 500, left: 150},
		"the budget around leaves least": {run: 400, outer: 120, hour: 500, left: 120},
		"the hour leaves least":          {run: 400, outer: 300, hour: 110, left: 110},
	} {
		for _, rail := range rails {
			t.Run(name+rail, func(t *testing.T) {
				srv := clienttest.New(t, clienttest.Config{})
				var o owner
				p := newPayer(t, srv, o.asks(50), func(cfg *client.Config) {
					if c.hour > 0 {
						cfg.Limits.All.Hour = u(c.hour)
					}
				})
				ctx := t.Context()
				for _, amount := range []uint64{c.outer, c.run} {
					if amount > 0 {
						ctx = client.WithBudget(ctx, client.NewBudget(asset(srv), u(amount)))
					}
				}
				resp, err := p.in(ctx, rail+"/data")
				if c.limit == "" {
					p.ok(resp, err)
					require.Len(t, o.quotes, 1)
					assert.Equal(t, u(c.left), o.quotes[0].Decision.Left)
					return
				}
				assert.Equal(t, c.limit, p.over(resp, err).Limit)
				assert.Empty(t, o.quotes, "the owner was asked about what is refused anyway")
				assert.Empty(t, p.channels())
			})
		}
	}
}
