package rule_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestOverride: every limit can be lowered, none raised without leave.
func TestOverride(t *testing.T) {
	var base rule.Limits
	var own, raised, most channel.Limits
	for _, f := range []string{
		"Price", "Deposit", "Total", "Fund", "Stream", "Step", "Ahead", "Ask", "All.Hour",
		"All.Day", "All.Month",
		"Origin.Hour", "Origin.Day", "Origin.Month", "Payee.Hour", "Payee.Day", "Payee.Month",
		"Fees.Transaction", "Fees.Hour", "Fees.Day", "Fees.Month",
	} {
		require.NoError(t, base.Set(f, u(100)))
	}
	for _, f := range []string{
		"Price", "Deposit", "Total", "Fund", "Stream", "Step", "Ahead", "Ask", "All.Hour",
		"Origin.Day", "Payee.Month", "Fees.Transaction", "Fees.Day",
	} {
		t.Run(f, func(t *testing.T) {
			own, raised, most = channel.Limits{}, channel.Limits{}, channel.Limits{}
			require.NoError(t, own.Set(f, u(99)))
			want := base
			require.NoError(t, want.Set(f, u(99)))
			got, err := base.Override(own, most)
			require.NoError(t, err)
			assert.Equal(t, want, got)

			require.NoError(t, raised.Set(f, u(101)))
			_, err = base.Override(raised, most)
			var over *channel.LimitError
			require.ErrorAs(t, err, &over)
			assert.Equal(
				t, channel.LimitError{Limit: f, Wanted: u(101), Allowed: u(100), Left: u(100)},
				*over,
			)

			require.NoError(t, most.Set(f, u(101)))
			got, err = base.Override(raised, most)
			require.NoError(t, err)
			require.NoError(t, want.Set(f, u(101)))
			assert.Equal(t, want, got)
		})
	}
	require.Error(t, base.Set("Minute", u(1)))
}

// TestOverrideWhatIsNotSet: an unset limit means something, and that is what may not be passed.
func TestOverrideWhatIsNotSet(t *testing.T) {
	base := rule.Of(channel.Limits{Price: u(10), Deposit: u(100)})
	for _, c := range []struct {
		field   string
		amount  uint64
		refused bool
	}{
		{"All.Day", 100, false},
		{"All.Day", 101, true},
		{"Origin.Hour", 100, false},
		{"Payee.Month", 101, true},
		{"Total", 100, false},
		{"Total", 101, true},
		{"Ask", 5, false},
		{"Fund", 50, false},
		{"Fund", 101, true},
		{"Stream", 1, true},
		{"Ahead", 1, true},
		{"Fees.Transaction", 10, false},
		{"Fees.Transaction", 11, true},
		{"Fees.Hour", 25, false},
		{"Fees.Month", 26, true},
	} {
		var own channel.Limits
		require.NoError(t, own.Set(c.field, u(c.amount)))
		_, err := base.Override(own, channel.Limits{})
		assert.Equal(
			t, c.refused, errors.Is(err, channel.ErrLimit), "%s %d: %v", c.field, c.amount, err,
		)
	}
}

// TestPieceByPieceStays: other limits can turn the lead off, and not on.
func TestPieceByPieceStays(t *testing.T) {
	for _, c := range []struct{ outer, own, want bool }{
		{false, false, false}, {false, true, true}, {true, false, true}, {true, true, true},
	} {
		lim := wide
		lim.PieceByPiece = c.outer
		got, err := lim.Override(channel.Limits{Price: u(1), PieceByPiece: c.own}, channel.Limits{})
		require.NoError(t, err)
		assert.Equal(t, c.want, got.PieceByPiece, "%+v", c)
	}
}

// TestALongerLimitOnFeesRaisesNoShorterOne: one that is set stands for the shorter ones that are not, which
// were a quarter of what payments may take before. Lowered, it leaves them as they were.
func TestALongerLimitOnFeesRaisesNoShorterOne(t *testing.T) {
	base := rule.Of(channel.Limits{
		Price: u(10), Deposit: u(100), All: channel.Windows{Month: u(60_000), Day: u(2000), Hour: u(400)},
	})
	for name, c := range map[string]struct {
		own, most channel.FeeLimits
		want      [3]uint64
	}{
		"lowered":    {channel.FeeLimits{Month: u(14_000)}, channel.FeeLimits{}, [3]uint64{14_000, 500, 100}},
		"the day":    {channel.FeeLimits{Day: u(400)}, channel.FeeLimits{}, [3]uint64{15_000, 400, 100}},
		"below them": {channel.FeeLimits{Month: u(50)}, channel.FeeLimits{}, [3]uint64{50, 50, 50}},
		"raised":     {channel.FeeLimits{Month: u(16_000)}, channel.FeeLimits{Month: u(16_000)}, [3]uint64{16_000, 16_000, 16_000}},
	} {
		lim, err := base.Override(channel.Limits{Fees: c.own}, channel.Limits{Fees: c.most})
		require.NoError(t, err, name)
		_, rules := lim.FeeBudgets()
		for i, want := range c.want {
			assert.Equal(t, u(want), rules[i].Allowed, "%s: %s", name, rules[i].Name)
		}
	}
}
