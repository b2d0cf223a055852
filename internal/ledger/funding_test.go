package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// exactly wishes for n base units.
func exactly(n uint64) rule.Wish { return rule.Wish{Suggested: u(n), Exact: true} }

func TestPlanHoldsTheTotal(t *testing.T) {
	l := lim
	l.Deposit, l.Total = u(100), u(150)
	b := newBench(t, l)
	p, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), exactly(100))
	require.NoError(t, err)
	assert.Equal(t, rule.Plan{Step: rule.Fund, Amount: u(100)}, p)
	p, err = b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), exactly(100))
	require.NoError(t, err)
	assert.Equal(t, u(50), p.Amount)
	_, err = b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), exactly(100))
	assert.ErrorIs(t, err, channel.ErrLimit)
	b.Unplan(b.scope, u(50))
	assert.Equal(t, u(100), b.Funded(b.scope))
}

// TestTotalIsOfOneAsset: what is put into channels of one token leaves Total of another one as it is.
// Dollar tokens share it.
func TestTotalIsOfOneAsset(t *testing.T) {
	l := lim
	l.Deposit, l.Total = u(100), u(150)
	inEuros := l
	inEuros.Currency = euro
	b := newBench(t, l)
	euros, alpha, elsewhere := b.scope, b.scope, b.scope
	euros.Token, alpha.Token[19] = euro.Token, 1
	elsewhere.Token, elsewhere.ChainID = euro.Token, 1
	plan := func(scope channel.Scope, l channel.Limits) voucher.Amount {
		p, err := b.Plan(t.Context(), ledger.Terms{Limits: l}, scope, nil, price(10), exactly(100))
		require.NoError(t, err)
		return p.Amount
	}
	assert.Equal(t, u(100), plan(b.scope, l))
	assert.Equal(t, u(100), plan(euros, inEuros))
	assert.Equal(t, u(50), plan(alpha, l))
	assert.Equal(t, u(50), plan(euros, inEuros))
	tx, more := rule.Funding{Amount: u(100), Raw: []byte{1}}, rule.Funding{Amount: u(50), Raw: []byte{2}}
	b.Leave(euros, tx, u(100))
	b.Leave(alpha, more, u(50))
	b.Unplan(euros, u(50))
	left := func() (all [4]voucher.Amount) {
		for i, scope := range []channel.Scope{b.scope, alpha, euros, elsewhere} {
			all[i] = b.Funded(scope)
		}
		return all
	}
	assert.Equal(t, [4]voucher.Amount{u(150), u(150), u(100), {}}, left())
	b.Unmined(tx)
	assert.Equal(t, [4]voucher.Amount{u(150), u(150), {}, {}}, left())
	b.Unmined(more)
	assert.Equal(t, [4]voucher.Amount{u(100), u(100), {}, {}}, left())
}

// TestTotalCountsWhatLeft: a funding transaction counts once when it leaves, and no longer when it
// can never be mined.
func TestTotalCountsWhatLeft(t *testing.T) {
	l := lim
	l.Deposit, l.Total = u(100), u(150)
	b := newBench(t, l)
	p, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), exactly(100))
	require.NoError(t, err)
	tx := rule.Funding{Amount: p.Amount, Raw: []byte{1}}
	b.Leave(b.scope, tx, p.Amount)
	b.Leave(b.scope, tx, voucher.Amount{})
	assert.Equal(t, u(100), b.Funded(b.scope))
	b.Unmined(rule.Funding{Amount: u(7), Raw: []byte{2}})
	assert.Equal(t, u(100), b.Funded(b.scope), "another one was never counted")
	b.Unmined(tx)
	b.Unmined(tx)
	assert.True(t, b.Funded(b.scope).IsZero())
}

// TestDeadFundingIsGivenBack: a transaction that the chain shows to be dead no longer counts.
// Everything else does.
func TestDeadFundingIsGivenBack(t *testing.T) {
	b := newBench(t, lim)
	opening := b.state(t, 1, 100)
	gone := rule.OnChain{Time: 101} // the opening can no longer be mined
	there := rule.OnChain{Exists: true, Deposit: u(100), Time: 50}
	more := rule.Funding{Amount: u(40), Raw: []byte{7}, ValidBefore: 100}
	topping := opening.Settle(there).Funded(more)
	taken := opening.Acknowledged()
	final := rule.OnChain{Exists: true, Finalized: true}
	grown := there
	grown.Deposit = u(140)
	late := there
	late.Time = 101
	for name, c := range map[string]struct {
		before, after rule.State
		counted       uint64
	}{
		"an opening that is not seen":       {opening, opening.Settle(gone), 100},
		"an opening that was never sent":    {opening, opening.NeverSent(), 0},
		"an opening that was mined":         {opening, opening.Settle(there), 100},
		"an opening that the payee took":    {taken, taken.Settle(gone), 100},
		"an opening of a finalized channel": {opening, opening.Settle(final), 100},
		"an opening that nobody decided":    {opening, opening, 100},
		"a top-up that never was":           {topping, topping.Settle(late), 0},
		"a top-up that was mined":           {topping, topping.Settle(grown), 40},
		"a top-up of a channel that closed since": {
			topping, topping.Settle(rule.OnChain{Time: 101}), 40,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, lim)
			if c.before.ToppingUp.Pending() {
				b.Leave(b.scope, c.before.ToppingUp, voucher.Amount{})
			} else {
				b.Leave(b.scope, c.before.Opening, voucher.Amount{})
			}
			b.Correct(c.before, c.after)
			b.Correct(c.before, c.after)
			assert.Equal(t, u(c.counted), b.Funded(b.scope))
		})
	}
}
