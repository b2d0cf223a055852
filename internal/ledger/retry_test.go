package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestRetryCountsOnce: a request that may have been charged and is made again counts one price, in
// the channel and in its budget, and raises nothing more, however often.
func TestRetryCountsOnce(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	run := ledger.NewBudget(b.asset(), u(1000), nil)
	terms := ledger.Terms{Limits: lim, Charge: ledger.NewCharge(run)}
	r, signed, err := a.Reserve(t.Context(), terms, price(100))
	require.NoError(t, err)
	assert.Equal(t, u(100), signed.Cumulative)
	for range 3 {
		r.Keep()
		assert.Equal(t, u(100), a.State().Claimed)
		assert.Equal(t, u(0), r.Without().Claimed, "a plan counts its price once")
		signed, err = r.Retry(t.Context(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(100), signed.Cumulative)
		s := a.State()
		assert.Equal(t, u(100), s.Claimed)
		assert.Equal(t, u(100), s.Authorized())
		assert.Equal(t, u(900), run.Left())
	}
	r.Release()
	assert.Equal(t, u(100), a.State().Claimed, "the first try may have been charged")
	signed, err = r.Retry(t.Context(), price(60))
	require.NoError(t, err)
	assert.Equal(t, u(100), a.State().Claimed, "it may have been charged the higher price")
	assert.Equal(t, u(100), signed.Cumulative)
	require.NoError(t, r.Settle(t.Context(), channel.Report{Accepted: u(100), Spent: u(60)}))
	assert.Equal(t, u(60), a.State().Claimed, "the report knows")
	assert.Equal(t, u(900), run.Left())
}

// TestRetryAfterAReport: reports of later requests show what was charged in all. If the first try
// was not, its price counts anew; if it was, the voucher that exists is presented and nothing is
// raised.
func TestRetryAfterAReport(t *testing.T) {
	for charged, want := range map[bool]struct{ spent, signed, claimed uint64 }{
		true:  {200, 200, 200},
		false: {100, 200, 200},
	} {
		for _, used := range []bool{false, true} {
			b := newBench(t, lim)
			a := b.open(t, 1000)
			run := ledger.NewBudget(b.asset(), u(1000), nil)
			terms := ledger.Terms{Limits: lim, Charge: ledger.NewCharge(run)}
			r, _, err := a.Reserve(t.Context(), terms, price(100))
			require.NoError(t, err)
			r.Keep()
			other, _, err := a.Reserve(t.Context(), b.terms(), price(100))
			require.NoError(t, err)
			report := channel.Report{Accepted: u(200), Spent: u(want.spent)}
			require.NoError(t, other.Settle(t.Context(), report))
			assert.Equal(t, u(want.spent), a.State().Claimed)
			spent := want.spent
			if used { // by a request of another caller: the credit, if there is any
				third, _, err := a.Reserve(t.Context(), b.terms(), price(100))
				require.NoError(t, err)
				spent += 100
				report := channel.Report{Accepted: a.State().Signed, Spent: u(spent)}
				require.NoError(t, third.Settle(t.Context(), report))
				want.signed, want.claimed = 300, 300
			}
			signed, err := r.Retry(t.Context(), price(100))
			require.NoError(t, err)
			assert.Equal(t, u(want.signed), signed.Cumulative, "charged %t, used %t", charged, used)
			s := a.State()
			assert.Equal(t, u(want.claimed), s.Claimed, "charged %t, used %t", charged, used)
			assert.Equal(t, u(want.signed), s.Authorized())
			assert.False(t, s.Asked().Less(s.Authorized()))
			left := uint64(900)
			if used && !charged {
				left = 800 // what it raised first went to a caller outside of its budget
			}
			assert.Equal(t, u(left), run.Left())
			r.Release()
			assert.Equal(t, u(spent), a.State().Claimed, "charged %t, used %t", charged, used)
		}
	}
}

// TestRetryInFlight: what reports of others free leaves room for a retry that is under way.
func TestRetryInFlight(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	r, _, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	r.Keep()
	_, err = r.Retry(t.Context(), price(100))
	require.NoError(t, err)
	other, _, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	require.NoError(t, other.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(100)}))
	assert.Equal(t, u(200), a.State().Claimed)
	require.NoError(t, r.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(200)}))
	assert.Equal(t, u(200), a.State().Claimed)
	_, err = r.Decide(t.Context(), price(100))
	require.ErrorIs(t, err, ledger.ErrEnded)
}

// TestPresent returns the voucher that exists and changes nothing.
func TestPresent(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	_, err := a.Present(t.Context())
	require.ErrorIs(t, err, channel.ErrNotPayable)
	_, first, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	before, asked := a.State(), b.judge.asked.Load()
	again, err := a.Present(t.Context())
	require.NoError(t, err)
	assert.Equal(t, first, again)
	assert.Equal(t, before, a.State())
	assert.Equal(t, asked, b.judge.asked.Load())
}
