package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestBudgetLimitsAhead: what is signed ahead stays within the budget, and the requests that follow
// are paid from it.
func TestBudgetLimitsAhead(t *testing.T) {
	own := lim
	own.Ahead = u(1000)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	run := b.budget(50, nil)
	for range 5 {
		terms := b.in(run)
		r, v, err := a.Reserve(t.Context(), terms, price(10))
		require.NoError(t, err)
		assert.Equal(t, u(50), v.Cumulative)
		terms.Charge.Sent()
		r.Keep()
	}
	assert.True(t, run.Left().IsZero())
	_, _, err := a.Reserve(t.Context(), b.in(run), price(10))
	assert.Equal(t, refusal(channel.LimitBudget, 60, 50, 0), over(t, err))
	assert.Equal(t, u(50), a.State().Authorized())
}

// TestBudgetOfAStream: pieces count as they are asked for, and no more are asked for than the
// budget pays.
func TestBudgetOfAStream(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	run := b.budget(30, nil)
	r, _, err := a.Reserve(t.Context(), b.in(run), price(10))
	require.NoError(t, err)
	var pieces uint64
	r.Stream(u(10), func() uint64 { return pieces })
	for pieces = 1; pieces < 3; pieces++ {
		assert.Equal(t, u(30-10*pieces), run.Left())
		_, err = r.More(t.Context(), u(10*(pieces+1)))
		require.NoError(t, err)
	}
	_, err = r.More(t.Context(), u(40))
	assert.Equal(t, channel.LimitBudget, over(t, err).Limit)
	assert.Equal(t, u(30), a.State().Authorized())
	assert.NoError(t, r.Overspent(), "nothing was delivered beyond it")
}

// TestOverspentStream: a stream takes pieces out of a voucher that exists, without asking. What its
// budget does not pay for is reported, and counts for nothing.
func TestOverspentStream(t *testing.T) {
	own := lim
	own.Ahead = u(1000)
	for name, end := range map[string]func(*ledger.Reservation){
		"kept":     (*ledger.Reservation).Keep,
		"released": (*ledger.Reservation).Release,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, own)
			a := b.open(t, 100_000)
			_, _, err := a.Reserve(t.Context(), b.terms(), price(10)) // a voucher of 1010
			require.NoError(t, err)
			run := b.budget(50, nil)
			r, _, err := a.Reserve(t.Context(), b.in(run), price(10))
			require.NoError(t, err)
			var pieces uint64
			r.Stream(u(10), func() uint64 { return pieces })
			pieces = 4
			require.NoError(t, r.Overspent())
			assert.Equal(t, u(10), run.Left())
			pieces = 90
			assert.Equal(t, refusal(channel.LimitBudget, 900, 50, 10), over(t, r.Overspent()))
			assert.Equal(t, u(50), r.Price())
			assert.True(t, run.Left().IsZero())
			assert.Equal(t, u(60), a.State().Claimed)
			end(r)
			assert.True(t, run.Left().IsZero())
			later, v, err := a.Reserve(t.Context(), b.terms(), price(1))
			require.NoError(t, err)
			_, err = later.Again(t.Context(), v.Cumulative)
			require.NoError(t, err)
			assert.False(t, u(1010+1001).Less(a.State().Authorized()), "nobody makes up for it")
		})
	}
}

// TestArrearsAreCharged: a stream took pieces out of another request's voucher and ended. They are
// charged to its own budget, before they raise anything.
func TestArrearsAreCharged(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	run := b.budget(35, nil)
	stream, _, err := a.Reserve(t.Context(), b.in(run), price(10))
	require.NoError(t, err)
	stream.Stream(u(10), func() uint64 { return 4 })
	request, v, err := a.Reserve(t.Context(), b.terms(), price(50))
	require.NoError(t, err)
	require.Equal(t, u(60), v.Cumulative)
	stream.Keep()
	assert.True(t, run.Left().IsZero())
	v, err = request.Again(t.Context(), v.Cumulative)
	require.NoError(t, err)
	assert.Equal(t, u(85), v.Cumulative, "25 that the run paid for, beside the 60")
}

// TestBudgetOfARefusedCeiling: a signer refused what was authorized for others, Ahead included. A
// run that uses the stored ceiling is charged what comes to be signed, and no more is signed for it
// than its budget leaves.
func TestBudgetOfARefusedCeiling(t *testing.T) {
	own := lim
	own.Ahead = u(1000)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	b.judge.fail.Store(true)
	_, _, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.ErrorContains(t, err, "the key is locked")
	b.judge.fail.Store(false)
	require.Equal(t, u(1100), a.State().Authorized())
	run := b.budget(50, nil)
	_, v, err := a.Reserve(t.Context(), b.in(run), price(10))
	require.NoError(t, err)
	assert.Equal(t, u(50), v.Cumulative)
	assert.True(t, run.Left().IsZero())
	_, _, err = a.Reserve(t.Context(), b.in(run), price(41))
	require.ErrorIs(t, err, channel.ErrLimit)
	_, v, err = a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(1110), v.Cumulative, "others are not bound by it")
}
