package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestPlanTopUp by an amount that the owner names.
func TestPlanTopUp(t *testing.T) {
	for name, c := range map[string]struct {
		amount, funded, deposit, total voucher.Amount
		limit                          string // that refuses, "" if none does
		err                            error  // that is no limit
	}{
		"within both":       {amount: u(10), funded: u(90), deposit: u(60), total: u(100)},
		"above Deposit":     {amount: u(11), deposit: u(60), total: u(100), limit: "Deposit"},
		"above Total":       {amount: u(10), funded: u(91), deposit: u(60), total: u(100), limit: "Total"},
		"Total as Deposit":  {amount: u(10), funded: u(50), deposit: u(60)},
		"above that":        {amount: u(10), funded: u(51), deposit: u(60), limit: "Total"},
		"nothing is set":    {amount: u(1), limit: "Deposit"},
		"zero":              {deposit: u(60), err: channel.ErrDeposit},
		"more than amounts": {amount: voucher.MaxAmount, deposit: voucher.MaxAmount, err: channel.ErrDeposit},
	} {
		t.Run(name, func(t *testing.T) {
			s := &rule.State{Protocol: voucher.V2, Confirmed: true, Deposit: u(50)}
			plan, err := rule.PlanTopUp(s, c.amount, c.funded, rule.Of(channel.Limits{Deposit: c.deposit, Total: c.total}))
			switch {
			case c.limit != "":
				var over *channel.LimitError
				require.ErrorAs(t, err, &over)
				assert.Equal(t, c.limit, over.Limit)
			case c.err != nil:
				require.ErrorIs(t, err, c.err)
			default:
				require.NoError(t, err)
				assert.Equal(t, rule.Plan{Step: rule.TopUp, Amount: c.amount}, plan)
				return
			}
			assert.Zero(t, plan)
		})
	}
}
