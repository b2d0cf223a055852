package rule_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestFeesOfAThousandRequests tries random prices, fees, suggestions and limits: the top-ups of a
// thousand requests of one price cost at most 2% of what was paid, nothing passes a limit, and no
// request meets a deposit that is too small while the limits leave room. A top-up begins where the
// client begins it.
func TestFeesOfAThousandRequests(t *testing.T) {
	const n = 1000
	random := rand.New(rand.NewPCG(12, 2))
	for range 300 {
		price := 1 + random.Uint64N(uint64(1)<<(1+random.Uint64N(40)))
		wish := rule.Wish{
			Suggested: u(random.Uint64N(40 * price)),
			Fee:       u(random.Uint64N(uint64(1) << (1 + random.Uint64N(16)))),
		}
		lim := rule.Of(channel.Limits{
			Price: u(price), Deposit: u(n*price + random.Uint64N(n*price)),
		})
		room, err := wish.Fee.Mul(n) // for the fees themselves
		require.NoError(t, err)
		lim.Total = lim.Deposit.AddCapped(room)
		s := rule.State{Confirmed: true}
		var topUps uint64
		fund := func(state *rule.State) {
			plan, err := rule.PlanPayment(
				state, rule.Request{Price: u(price)}, wish, s.Deposit, lim,
			)
			require.NoError(t, err)
			s.Deposit = s.Deposit.AddCapped(plan.Amount)
			require.False(t, lim.Deposit.Less(s.Deposit), "above Limits.Deposit")
			require.False(t, plan.Costly, "price %d, %v, %+v", price, wish, lim.Limits)
		}
		fund(nil)
		for i := uint64(1); i <= n; i++ {
			s.Claimed = u(i * price)
			require.False(t, s.Deposit.Less(s.Claimed), "request %d waits", i)
			left, err := s.Deposit.SubFloor(s.Claimed).Mul(rule.FundedShare)
			require.NoError(t, err)
			if s.Deposit.Less(lim.Deposit) && left.Less(s.Deposit.Max(u(rule.FundedRequests*price))) {
				used := s
				used.Claimed = used.Deposit
				topUps++
				fund(&used)
				fees, err := wish.Fee.Mul(50 * topUps)
				require.NoError(t, err)
				require.False(t, u(n*price).Less(fees), "price %d, %+v, %d top-ups", price, wish, topUps)
			}
		}
	}
}

// TestHowMuchFundingPutsIn beyond what is needed, within the limits.
func TestHowMuchFundingPutsIn(t *testing.T) {
	lim := func(deposit, total, fund uint64) rule.Limits {
		return rule.Of(channel.Limits{
			Price: u(1000), Deposit: u(deposit), Total: u(total), Fund: u(fund),
			All: channel.Windows{Month: voucher.MaxAmount},
		})
	}
	holds := func(n uint64) *rule.State {
		return &rule.State{Confirmed: true, Deposit: u(n), Claimed: u(n)}
	}
	const big = 1_000_000_000
	for name, c := range map[string]struct {
		state  *rule.State
		wish   rule.Wish
		funded uint64
		lim    rule.Limits
		want   uint64
		costly bool
	}{
		"twenty requests":                 {nil, rule.Wish{}, 0, lim(big, 0, 0), 2000, false},
		"a hundred fees":                  {nil, rule.Wish{Fee: u(70)}, 0, lim(big, 0, 0), 7000, false},
		"a higher suggestion":             {nil, rule.Wish{Suggested: u(9000), Fee: u(70)}, 0, lim(big, 0, 0), 9000, false},
		"a lower suggestion":              {nil, rule.Wish{Suggested: u(100), Fee: u(70)}, 0, lim(big, 0, 0), 7000, false},
		"exactly the suggestion":          {nil, rule.Wish{Suggested: u(100), Fee: u(70), Exact: true}, 0, lim(big, 0, 0), 100, false},
		"exactly the need":                {nil, rule.Wish{Exact: true}, 0, lim(big, 0, 0), 100, false},
		"the owner's amount":              {nil, rule.Wish{Suggested: u(9000), Fee: u(10)}, 0, lim(big, 0, 5000), 5000, false},
		"it grows":                        {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(big, 0, 0), 30_000, false},
		"the deposit's limit":             {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(40_000, big, 0), 10_000, false},
		"half of the rest of the total":   {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(big, 70_000, 0), 20_000, false},
		"a suggestion of all":             {nil, rule.Wish{Suggested: u(big)}, 0, lim(big, 100_000, 0), 50_000, false},
		"more than half if that is fees":  {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(big, 40_000, 0), 7000, false},
		"and no more than the rest of it": {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(big, 31_000, 0), 930, true},
		"and no more than its own need":   {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(big, 30_110, 0), 100, true},
		"less than there is for the fee":  {nil, rule.Wish{Reserve: u(900), Exact: true, Suggested: u(5000)}, 0, lim(5000, 0, 0), 4100, false},
		"and with it a small rest":        {holds(30_000), rule.Wish{Fee: u(70)}, 30_000, lim(61_999, big, 0), 31_999, false},
		"few requests for a fee":          {nil, rule.Wish{Fee: u(70)}, 0, lim(1999, 0, 0), 1999, true},
		"enough requests for a fee":       {nil, rule.Wish{Fee: u(70)}, 0, lim(2000, 0, 0), 2000, false},
		"one request for a fee":           {nil, rule.Wish{Fee: u(70)}, 0, lim(big, 0, 100), 100, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rule.PlanPayment(
				c.state, rule.Request{Price: u(100)}, c.wish, u(c.funded), c.lim,
			)
			require.NoError(t, err)
			assert.Equal(t, u(c.want), got.Amount)
			assert.Equal(t, c.costly, got.Costly)
		})
	}
}

// TestAdviceOnDepositsLasts: a limit that is set as a refusal advises allows as many requests again.
func TestAdviceOnDepositsLasts(t *testing.T) {
	for _, claimed := range []uint64{0, 100, 50_000} {
		for _, which := range []string{"Deposit", "Total"} {
			lim := rule.Of(channel.Limits{
				Price: u(100), Deposit: u(1 << 40), Total: u(1 << 40),
				All: channel.Windows{Month: voucher.MaxAmount},
			})
			require.NoError(t, lim.Set(which, u(max(claimed, 1))))
			s := &rule.State{Confirmed: true, Deposit: u(claimed), Claimed: u(claimed)}
			_, err := rule.PlanPayment(s, rule.Request{Price: u(100)}, rule.Wish{}, u(claimed), lim)
			var over *channel.LimitError
			require.ErrorAs(t, err, &over)
			assert.Equal(t, which, over.Limit)
			assert.Equal(t, u(claimed+100), over.Wanted)
			require.NoError(t, lim.Set(which, over.Enough))
			s.Claimed = over.Enough.SubFloor(u(100)).Min(u(claimed + max(claimed, 2000) - 100))
			_, err = rule.PlanPayment(s, rule.Request{Price: u(100)}, rule.Wish{}, s.Deposit, lim)
			require.NoError(t, err)
			assert.ErrorContains(t, over, "set Limits."+which+" to "+over.Enough.String())
		}
	}
}
