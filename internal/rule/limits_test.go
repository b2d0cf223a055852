package rule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestBudgetsFollowEachOther: a window that is not set is as large as the next longer one, and all
// are bounded by what is deposited at most.
func TestBudgetsFollowEachOther(t *testing.T) {
	amounts := func(r [3]channel.BudgetRule) [3]voucher.Amount {
		return [3]voucher.Amount{r[0].Allowed, r[1].Allowed, r[2].Allowed}
	}
	for name, c := range map[string]struct {
		lim                rule.Limits
		all, origin, payee [3]voucher.Amount // month, day, hour
	}{
		"nothing": {
			rule.Of(channel.Limits{}),
			[3]voucher.Amount{},
			[3]voucher.Amount{},
			[3]voucher.Amount{},
		},
		"a deposit": {
			rule.Of(channel.Limits{Deposit: u(9)}),
			[3]voucher.Amount{u(9), u(9), u(9)},
			[3]voucher.Amount{u(9), u(9), u(9)},
			[3]voucher.Amount{u(9), u(9), u(9)},
		},
		"a total": {
			rule.Of(channel.Limits{Deposit: u(9), Total: u(20)}),
			[3]voucher.Amount{u(20), u(20), u(20)},
			[3]voucher.Amount{u(20), u(20), u(20)},
			[3]voucher.Amount{u(20), u(20), u(20)},
		},
		"windows": {
			rule.Of(
				channel.Limits{
					Deposit: u(9), Total: u(20), All: channel.Windows{Month: u(50), Hour: u(3)},
					Origin: channel.Windows{Day: u(4)},
					Payee:  channel.Windows{Hour: u(1), Day: u(2), Month: u(3)},
				},
			),
			[3]voucher.Amount{u(50), u(50), u(3)},
			[3]voucher.Amount{u(50), u(4), u(4)},
			[3]voucher.Amount{u(3), u(2), u(1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all, origin, payee := c.lim.Budgets()
			assert.Equal(t, c.all, amounts(all))
			assert.Equal(t, c.origin, amounts(origin))
			assert.Equal(t, c.payee, amounts(payee))
			assert.Equal(t, "Origin.Month", origin[0].Name)
			assert.Equal(
				t, []time.Duration{30 * 24 * time.Hour, 24 * time.Hour, time.Hour},
				[]time.Duration{all[0].Length, all[1].Length, all[2].Length},
			)
		})
	}
}

// leaving returns lim with what the limits over time leave.
func leaving(lim rule.Limits, rooms ...channel.Room) rule.Limits {
	lim.Rooms = rooms
	return lim
}

func room(allowed, used uint64) channel.Room {
	return channel.Room{
		Rule: channel.BudgetRule{Name: "Origin.Day", Length: 24 * time.Hour, Allowed: u(allowed)},
		Used: u(used),
	}
}

// TestBudgetsBoundRises: the ceiling rises no further than budgets leave. Ahead shrinks to it; a
// price that does not fit is refused by name; what is authorized already can always be used.
func TestBudgetsBoundRises(t *testing.T) {
	lim := ahead(wide, 500)
	s := open(t, 10_000)

	next, _, due, err := s.Authorize(rule.Request{Price: u(100)}, leaving(lim, room(1000, 700)))
	require.NoError(t, err)
	assert.Equal(t, u(300), due, "the price, and as much ahead as there is room")
	assert.Equal(t, u(300), next.Authorized())

	same, _, _, err := next.Authorize(rule.Request{Price: u(200)}, leaving(lim, room(1000, 1000)))
	require.NoError(t, err, "nothing new is authorized")
	assert.Equal(t, u(300), same.Authorized())

	_, _, _, err = same.Authorize(rule.Request{Price: u(51)}, leaving(lim, room(1000, 950)))
	var over *channel.LimitError
	require.ErrorAs(t, err, &over)
	assert.Equal(
		t, channel.LimitError{Limit: "Origin.Day", Wanted: u(1001), Allowed: u(1000), Left: u(50)},
		*over,
	)
	assert.ErrorContains(t, err, "set Limits.Origin.Day to at least 1001")

	_, _, _, err = same.Overdrawn(rule.Claim{Price: u(60)}, u(300), leaving(lim, room(1000, 950)))
	require.ErrorIs(t, err, channel.ErrLimit)
	signed := sign(t, same, u(300))
	_, _, _, err = signed.AuthorizeMore(
		rule.Claim{Price: u(10)}, u(10), u(351), u(51), leaving(lim, room(1000, 950)),
	)
	require.ErrorIs(t, err, channel.ErrLimit)

	// Nothing is deposited for what may not be paid.
	_, err = rule.PlanPayment(
		nil, rule.Request{Price: u(51)}, rule.Wish{}, u(0), leaving(lim, room(1000, 950)),
	)
	require.ErrorIs(t, err, channel.ErrLimit)
	_, err = rule.PlanPayment(
		nil, rule.Request{Price: u(50)}, rule.Wish{}, u(0), leaving(lim, room(1000, 950)),
	)
	require.NoError(t, err)
	full, _, _ := pay(t, open(t, 150), 100, wide)
	_, err = rule.PlanPayment(
		&full, rule.Request{Price: u(51)}, rule.Wish{}, u(0), leaving(lim, room(1000, 950)),
	)
	require.ErrorIs(t, err, channel.ErrLimit)
	_, err = rule.PlanPayment(
		&full, rule.Request{Price: u(51)}, rule.Wish{}, u(0), leaving(lim, room(1000, 949)),
	)
	require.NoError(t, err)
}

// TestTotalNamesTheFeeOnlyIfItIsTheFee: a deposit that Limits.Total does not allow is refused without a word of
// the fee, and one that it allows without the fee names it.
func TestTotalNamesTheFeeOnlyIfItIsTheFee(t *testing.T) {
	lim := wide
	lim.Total = u(1000)
	for funded, fee := range map[uint64]uint64{901: 0, 900: 50, 851: 50} {
		_, err := rule.PlanPayment(nil, rule.Request{Price: u(100)}, rule.Wish{Reserve: u(50)}, u(funded), lim)
		var over *channel.LimitError
		require.ErrorAs(t, err, &over)
		assert.Equal(t, "Total", over.Limit)
		assert.Equal(t, u(fee), over.Fee)
		assert.Equal(t, u(funded+100+fee), over.Wanted)
	}
	_, err := rule.PlanPayment(nil, rule.Request{Price: u(100)}, rule.Wish{Reserve: u(50)}, u(850), lim)
	require.NoError(t, err)
}

// TestNearIs80Percent is said once, when four fifths are passed.
func TestNearIs80Percent(t *testing.T) {
	for _, c := range []struct {
		allowed, used, rise uint64
		near                bool
	}{
		{1000, 0, 799, false},
		{1000, 0, 800, true},
		{1000, 799, 1, true},
		{1000, 800, 1, false},
		{1000, 1000, 0, false},
		{0, 0, 0, false},
		{4, 3, 1, true},
	} {
		assert.Equal(t, c.near, room(c.allowed, c.used).Near(u(c.rise)), "%+v", c)
	}
	assert.False(t, channel.Room{Rule: channel.BudgetRule{Allowed: voucher.MaxAmount}}.Near(u(1)))
}

func TestDecideNamesTheLimit(t *testing.T) {
	lim := wide
	lim.Ask = u(500)
	lim = leaving(lim, room(1000, 300))
	paid, _, _ := pay(t, open(t, 100), 100, wide)
	credit := paid.Release(rule.Claim{Price: u(100)})
	for name, c := range map[string]struct {
		state *rule.State
		price uint64
		lim   rule.Limits
		want  channel.Decision
	}{
		"allowed": {
			nil, 100, lim,
			channel.Decision{
				Verdict: channel.Allow, Rule: "Origin.Day", Wanted: u(400), Allowed: u(1000),
				Left: u(700),
			},
		},
		"asked": {
			nil, 501, lim,
			channel.Decision{
				Verdict: channel.Ask, Rule: "Ask", Wanted: u(501), Allowed: u(500), Left: u(500),
			},
		},
		"a budget": {
			nil, 701, lim,
			channel.Decision{
				Verdict: channel.Deny, Rule: "Origin.Day", Wanted: u(1001), Allowed: u(1000),
				Left: u(700),
			},
		},
		"the price": {
			nil, 1001, lim,
			channel.Decision{
				Verdict: channel.Deny, Rule: "Price", Wanted: u(1001), Allowed: u(1000),
				Left: u(1000),
			},
		},
		"a deposit that can grow": {
			&paid, 100, lim,
			channel.Decision{
				Verdict: channel.Allow, Rule: "Origin.Day", Wanted: u(400), Allowed: u(1000),
				Left: u(700),
			},
		},
		"credit": {
			&credit, 100, leaving(wide, room(1000, 1000)),
			channel.Decision{
				Verdict: channel.Allow, Rule: "Origin.Day", Wanted: u(1100), Allowed: u(1000),
				Left: u(0),
			},
		},
		"no budgets": {
			nil, 100, wide,
			channel.Decision{
				Verdict: channel.Allow, Rule: "Price", Wanted: u(100), Allowed: u(1000),
				Left: u(1000),
			},
		},
		"nothing": {
			nil, 1, rule.Of(channel.Limits{}),
			channel.Decision{Verdict: channel.Deny, Rule: "Price", Wanted: u(1)},
		},
		"free": {
			nil, 0, wide,
			channel.Decision{Verdict: channel.Deny, Rule: "Price", Allowed: u(1000), Left: u(1000)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, c.lim.Decide(c.state, rule.Request{Price: u(c.price)}))
		})
	}
}

func ExampleLimits_Decide() {
	lim := rule.Of(channel.Limits{Price: u(1000), Deposit: u(50_000), Ask: u(500)})
	for _, price := range []uint64{100, 700, 2000} {
		d := lim.Decide(nil, rule.Request{Price: u(price)})
		fmt.Println(price, d.Verdict, d.Rule, d.Allowed)
	}
	// Output:
	// 100 allow Price 1000
	// 700 ask Ask 500
	// 2000 deny Price 1000
}

// TestLimitsOfFees: what is not set means a share of what is, and never nothing or everything.
func TestLimitsOfFees(t *testing.T) {
	type windows struct{ hour, day, month uint64 }
	for name, c := range map[string]struct {
		lim         channel.Limits
		transaction uint64
		want        windows
	}{
		"nothing":         {channel.Limits{}, 0, windows{}},
		"a deposit":       {channel.Limits{Deposit: u(1000)}, 100, windows{250, 250, 250}},
		"rounded down":    {channel.Limits{Deposit: u(19), Total: u(7)}, 1, windows{1, 1, 1}},
		"a total":         {channel.Limits{Deposit: u(1000), Total: u(8000)}, 100, windows{2000, 2000, 2000}},
		"a day of all":    {channel.Limits{Deposit: u(1000), All: channel.Windows{Day: u(400)}}, 100, windows{100, 100, 250}},
		"an hour of all":  {channel.Limits{Deposit: u(1000), All: channel.Windows{Hour: u(40)}}, 100, windows{10, 250, 250}},
		"a transaction":   {channel.Limits{Deposit: u(1000), Fees: channel.FeeLimits{Transaction: u(7)}}, 7, windows{250, 250, 250}},
		"a month of fees": {channel.Limits{Deposit: u(1000), All: channel.Windows{Day: u(4)}, Fees: channel.FeeLimits{Month: u(900)}}, 100, windows{900, 900, 900}},
		"a day of fees":   {channel.Limits{Deposit: u(1000), Fees: channel.FeeLimits{Day: u(30)}}, 100, windows{30, 30, 250}},
		"all of fees":     {channel.Limits{Deposit: u(1000), Fees: channel.FeeLimits{Transaction: u(1), Hour: u(2), Day: u(3), Month: u(4)}}, 1, windows{2, 3, 4}},
	} {
		transaction, w := rule.Of(c.lim).FeeBudgets()
		assert.Equal(t, u(c.transaction), transaction, name)
		assert.Equal(t, [3]voucher.Amount{u(c.want.month), u(c.want.day), u(c.want.hour)},
			[3]voucher.Amount{w[0].Allowed, w[1].Allowed, w[2].Allowed}, name)
	}
}
