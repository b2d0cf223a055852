package ledger_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestRefusalsUseUpTheBudget: a payee refuses every request after it has seen the voucher. It can
// redeem them all.
func TestRefusalsUseUpTheBudget(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	_, before, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	run := b.budget(100, nil)
	for i := range 20 {
		terms := b.in(run)
		r, v, err := a.Reserve(t.Context(), terms, price(100))
		if i > 0 {
			require.ErrorIs(t, err, channel.ErrLimit)
			continue
		}
		require.NoError(t, err)
		terms.Charge.Sent()
		_, err = r.Again(t.Context(), v.Cumulative)
		require.ErrorIs(t, err, channel.ErrSpent)
		r.Release()
		terms.Charge.Refund()
	}
	assert.True(t, run.Left().IsZero())
	grown := a.State().Signed.SubFloor(before.Cumulative)
	assert.False(t, u(100).Less(grown), "a run of 100 signed %s", grown)
}

// TestBudgetInAnotherAsset: amounts of two tokens are never added.
func TestBudgetInAnotherAsset(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	other := b.asset()
	other.Token = common.Address{77}
	euros := ledger.NewBudget(other, u(1_000_000), nil)
	terms := b.in(b.budget(1000, nil), euros)
	assert.ErrorIs(t, terms.Charge.Affords(b.asset(), u(1)), channel.ErrLimit)
	_, _, err := a.Reserve(t.Context(), terms, price(1))
	assert.Equal(t, channel.LimitBudget, over(t, err).Limit)
	assert.ErrorContains(t, err, other.Token.Hex())
	assert.ErrorContains(t, err, b.scope.Token.Hex())
	assert.True(t, a.State().Authorized().IsZero())
	assert.Equal(t, u(1_000_000), euros.Left())

	_, _, err = a.Reserve(
		t.Context(), b.in(ledger.NewBudget(channel.Asset{}, u(100), nil)), price(1),
	)
	assert.ErrorIs(t, err, channel.ErrLimit, "no asset is no money")
	plenty := ledger.NewCharge(b.budget(99, nil))
	assert.NoError(t, plenty.Affords(b.asset(), u(99)))
	assert.ErrorIs(t, plenty.Affords(b.asset(), u(100)), channel.ErrLimit)
	assert.True(t, plenty.Taken().IsZero())
}

// TestNothingIsDepositedForWhatABudgetRefuses, and the limits that a quote sees know the budget.
func TestNothingIsDepositedForWhatABudgetRefuses(t *testing.T) {
	b := newBench(t, lim)
	_, err := b.Plan(t.Context(), b.in(b.budget(50, nil)), b.scope, nil, price(51), exactly(1000))
	assert.Equal(t, refusal(channel.LimitBudget, 51, 50, 50), over(t, err))
	assert.True(t, b.Funded(b.scope).IsZero())
	limits, err := b.Limited(t.Context(), b.in(b.budget(50, nil)), b.scope, u(1))
	require.NoError(t, err)
	assert.Equal(t, channel.LimitBudget, limits.Decide(nil, price(51)).Rule)
}

// TestLimitsAreForOneAsset: the gate raises nothing, and no deposit is planned, on limits of another
// asset. What exists can be presented, and the channel closed.
func TestLimitsAreForOneAsset(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	r, signed, err := a.Reserve(t.Context(), ledger.Terms{Limits: lim}, price(10))
	require.NoError(t, err)
	r.Keep()
	inEuros := lim
	inEuros.Currency = euro
	_, _, err = a.Reserve(t.Context(), ledger.Terms{Limits: inEuros}, price(10))
	assert.ErrorIs(t, err, channel.ErrAsset)
	_, err = b.Plan(t.Context(), ledger.Terms{Limits: inEuros}, b.scope, nil, price(10), rule.Wish{})
	assert.ErrorIs(t, err, channel.ErrAsset)
	assert.Equal(t, u(10), a.State().Authorized())
	assert.True(t, b.Funded(b.scope).IsZero())
	again, err := a.Present(t.Context())
	require.NoError(t, err)
	assert.Equal(t, signed, again)
	closing, err := a.CloseVoucher(t.Context(), u(0))
	require.NoError(t, err)
	assert.Equal(t, u(10), closing.Cumulative)

	inEuros.Currency.Asset = b.asset()
	_, _, err = a.Reserve(t.Context(), ledger.Terms{Limits: inEuros}, price(10))
	assert.NoError(t, err, "they are for the channel's own")
	b.scope.Token = euro.Token // limits without a currency are for dollars
	_, err = b.Plan(t.Context(), ledger.Terms{Limits: lim}, b.scope, nil, price(10), rule.Wish{})
	assert.ErrorIs(t, err, channel.ErrAsset)
	_, err = b.Plan(t.Context(), ledger.Terms{Limits: channel.Limits{Currency: euro, Price: u(10), Deposit: u(1000)}}, b.scope, nil, price(10), rule.Wish{})
	assert.NoError(t, err)
}
