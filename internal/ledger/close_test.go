package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestCloseVoucher(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	require.NoError(t, c.Settle(t.Context(), channel.Report{Accepted: u(100), Spent: u(70)}))
	v, err := a.CloseVoucher(t.Context(), voucher.Amount{})
	require.NoError(t, err)
	assert.Equal(t, u(70), v.Cumulative)
	v, err = a.CloseVoucher(t.Context(), u(70))
	require.NoError(t, err)
	assert.Equal(t, u(100), v.Cumulative)
	_, err = a.CloseVoucher(t.Context(), u(100))
	assert.ErrorIs(t, err, channel.ErrNotPayable)
}

// TestCloseAfterRestartSignsAgain: a channel that was found has no signature. It is made for the
// close, for no more than is stored.
func TestCloseAfterRestartSignsAgain(t *testing.T) {
	b := newBench(t, lim)
	found := b.state(t, 3, 100).Settle(rule.OnChain{Exists: true, Deposit: u(100), Settled: u(30)})
	a, _, err := b.Add(t.Context(), found, nil)
	require.NoError(t, err)
	v, err := a.CloseVoucher(t.Context(), voucher.Amount{})
	require.NoError(t, err)
	assert.Equal(t, u(30), v.Cumulative)
	assert.NoError(t, voucher.Verify(found.Domain(), v, b.scope.Signer))
}
