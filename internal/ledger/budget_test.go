package ledger_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// in returns the terms of one more request that is charged to the budgets.
func (b *bench) in(budgets ...*ledger.Budget) ledger.Terms {
	return ledger.Terms{Limits: b.Limits(), Charge: ledger.NewCharge(budgets...)}
}

func (b *bench) asset() channel.Asset {
	return channel.Asset{ChainID: b.scope.ChainID, Token: b.scope.Token}
}

func (b *bench) budget(n uint64, parent *ledger.Budget) *ledger.Budget {
	return ledger.NewBudget(b.asset(), u(n), parent)
}

// TestBudgetCountsPrices: requests within a budget spend it and those around it, and a refused one
// spends nothing.
func TestBudgetCountsPrices(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 100_000)
	outer := b.budget(300, nil)
	inner := b.budget(250, outer)
	left := func() [2]voucher.Amount { return [2]voucher.Amount{inner.Left(), outer.Left()} }

	_, _, err := a.Reserve(t.Context(), b.in(inner), price(100))
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), b.in(inner, outer), price(100))
	require.NoError(t, err)
	assert.Equal(t, [2]voucher.Amount{u(50), u(100)}, left(), "one that is named twice counts once")
	_, _, err = a.Reserve(t.Context(), b.in(inner), price(51))
	assert.Equal(t, refusal(channel.LimitBudget, 251, 250, 50), over(t, err))
	assert.ErrorContains(t, err, "start the run with a larger budget")
	_, _, err = a.Reserve(t.Context(), b.in(outer), price(60))
	require.NoError(t, err)
	_, _, err = a.Reserve(t.Context(), b.in(inner), price(50))
	assert.Equal(t, u(300), over(t, err).Allowed, "the outer one")
	assert.Equal(t, [2]voucher.Amount{u(40), u(40)}, left(), "and the inner one was not charged")

	// Another price of the same request counts in the place of the first.
	terms := b.in(inner)
	r, _, err := a.Reserve(t.Context(), terms, price(10))
	require.NoError(t, err)
	_, err = r.Decide(t.Context(), price(40))
	require.NoError(t, err)
	assert.Equal(t, u(0), inner.Left())
	_, err = r.Decide(t.Context(), price(41))
	require.ErrorIs(t, err, channel.ErrLimit)
	_, err = r.Decide(t.Context(), price(20))
	require.NoError(t, err)
	assert.Equal(t, u(0), inner.Left(), "its voucher of the higher price exists")
	assert.Equal(t, u(40), terms.Charge.Taken())
}

// TestBudgetOfOthersCredit: a request that is covered by a voucher which exists raises nothing, and
// its price counts.
func TestBudgetOfOthersCredit(t *testing.T) {
	own := lim
	own.Ahead = u(500)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	_, v, err := a.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	run := b.budget(250, nil)
	for _, want := range []uint64{150, 50} {
		_, same, err := a.Reserve(t.Context(), b.in(run), price(100))
		require.NoError(t, err)
		assert.Equal(t, v, same)
		assert.Equal(t, u(want), run.Left())
	}
	_, _, err = a.Reserve(t.Context(), b.in(run), price(51))
	require.ErrorIs(t, err, channel.ErrLimit)
}

// TestChargeAcrossChannels: a price that was released on one channel and is asked for on another
// counts once; what the request raised on both counts twice.
func TestChargeAcrossChannels(t *testing.T) {
	b := newBench(t, lim)
	first, second := b.at(t, 1, here, 1), b.at(t, 2, here, 2)
	_, _, err := second.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	other, _, err := second.Reserve(t.Context(), b.terms(), price(60))
	require.NoError(t, err)
	other.Release() // 60 are free on the second channel

	run := b.budget(500, nil)
	terms := b.in(run)
	r, _, err := first.Reserve(t.Context(), terms, price(100))
	require.NoError(t, err)
	r.Release()
	assert.Equal(t, u(400), run.Left(), "a refusal gives nothing back")
	r2, _, err := second.Reserve(t.Context(), terms, price(60))
	require.NoError(t, err)
	assert.Equal(t, u(400), run.Left())
	_, err = r2.Decide(t.Context(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(140), terms.Charge.Taken(), "100 on the first and 40 on the second")
	assert.Equal(t, u(360), run.Left())
	r2.Keep()
	_, _, err = first.Reserve(t.Context(), terms, price(300))
	require.NoError(t, err)
	assert.Equal(t, u(100), run.Left(), "100 were kept, so 300 more are 400")
}

// TestRefund: what never left is given back, and nothing else.
func TestRefund(t *testing.T) {
	own := lim
	own.Ahead = u(70)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	outer := b.budget(500, nil)
	run := b.budget(200, outer)
	terms := b.in(run)
	r, _, err := a.Reserve(t.Context(), terms, price(100))
	require.NoError(t, err)
	assert.Equal(t, u(30), run.Left(), "Ahead counts")
	r.Release()
	terms.Charge.Refund()
	terms.Charge.Refund()
	assert.Equal(t, u(200), run.Left())
	assert.Equal(t, u(500), outer.Left())
	assert.True(t, terms.Charge.Taken().IsZero())

	_, err = r.Decide(t.Context(), price(100))
	require.NoError(t, err)
	assert.Equal(t, u(30), run.Left(), "it goes on after all, and is charged all of it again")
	terms.Charge.Sent()
	terms.Charge.Refund()
	assert.Equal(t, u(30), run.Left())

	var none *ledger.Charge
	none.Sent()
	none.Refund()
	assert.True(t, none.Taken().IsZero())
	assert.NoError(t, none.Affords(b.asset(), u(1)))
}

// TestBudgetAfterTrouble: what the store or the signer refused is not charged.
func TestBudgetAfterTrouble(t *testing.T) {
	own := lim
	own.Ahead = u(20)
	b := newBench(t, own)
	a := b.open(t, 100_000)
	run := b.budget(100, nil)
	terms := b.in(run)
	terms.Charge.Sent() // for something else
	b.store.failed.Store(true)
	_, _, err := a.Reserve(t.Context(), terms, price(60))
	require.ErrorIs(t, err, ledger.ErrStore)
	assert.Equal(t, u(100), run.Left())
	b.store.failed.Store(false)
	b.judge.fail.Store(true)
	r, _, err := a.Reserve(t.Context(), terms, price(60))
	require.ErrorContains(t, err, "the key is locked")
	assert.Equal(t, u(100), run.Left())
	b.judge.fail.Store(false)
	_, err = r.Decide(t.Context(), price(60))
	require.NoError(t, err)
	assert.Equal(t, u(20), run.Left())
	assert.Equal(t, u(80), terms.Charge.Taken())
}

// TestBudgetsOnManyChannels: requests that race on several channels cannot pass a budget together,
// neither by their prices nor by what they raise.
func TestBudgetsOnManyChannels(t *testing.T) {
	own := lim
	own.Ahead = u(40)
	b := newBench(t, own)
	outer := b.budget(1000, nil)
	inner := b.budget(600, outer)
	var accounts []*ledger.Account
	for i := range byte(4) {
		accounts = append(accounts, b.at(t, 10+i, here, i+1))
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 10 {
				budget := []*ledger.Budget{inner, outer}[n%2]
				r, _, err := accounts[i%4].Reserve(context.Background(), b.in(budget), price(10))
				if err != nil {
					assert.ErrorIs(t, err, channel.ErrLimit)
					continue
				}
				r.Keep()
			}
		})
	}
	wg.Wait()
	var authorized, claimed voucher.Amount
	for _, a := range accounts {
		authorized = authorized.AddCapped(a.State().Authorized())
		claimed = claimed.AddCapped(a.State().Claimed)
	}
	assert.False(t, u(1000).Less(authorized), "%s", authorized)
	assert.False(t, u(1000).Less(claimed), "%s", claimed)
	assert.Equal(t, u(1000).SubFloor(authorized.Max(claimed)), outer.Left())
}
