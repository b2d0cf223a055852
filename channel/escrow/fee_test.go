package escrow_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestFundingFee is not below what openings and top-ups are charged, and not above one and a half times.
func TestFundingFee(t *testing.T) {
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		w := newWorld(t, devchain.Config{})
		ctx := soon(t)
		at, _ := escrow.DefaultEscrow(p, escrow.Moderato)
		open, topUp, err := w.FundingFee(ctx, escrow.Moderato, p)
		require.NoError(t, err)
		o, err := w.PrepareOpen(ctx, escrow.OpenParams{
			Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: w.payer, Token: devchain.PathUSD,
			Payee: crypto.PubkeyToAddress(w.payee.PublicKey), Deposit: voucher.Units(1000),
		})
		require.NoError(t, err)
		opened := w.send(t, o.Raw).Fee
		add, err := w.PrepareTopUp(ctx, escrow.TopUpParams{
			Protocol: p, ChainID: escrow.Moderato, Escrow: at, Payer: w.payer, Descriptor: o.Descriptor, Additional: voucher.Units(1000),
		})
		require.NoError(t, err)
		added := w.send(t, add.Raw).Fee
		for what, c := range map[string]struct{ says, charged voucher.Amount }{"open": {open, opened}, "top-up": {topUp, added}} {
			assert.False(t, c.says.Less(c.charged), "%s %s: says %s, charged %s", p, what, c.says, c.charged)
			assert.False(t, c.charged.AddCapped(c.charged).Less(c.says.AddCapped(c.says.SubFloor(c.charged))), "%s %s: says %s, charged %s", p, what, c.says, c.charged)
		}
	}
}

// TestFundingFeeIsReadOnce in ten minutes, and a node that does not tell is an error.
func TestFundingFeeIsReadOnce(t *testing.T) {
	n := newNode(t)
	c := dial(t, n.URL)
	for range 3 {
		_, _, err := c.FundingFee(soon(t), 0, voucher.V2)
		require.NoError(t, err)
	}
	_, calls := n.count("eth_gasPrice")
	assert.Equal(t, 1, calls)
	silent := newNode(t)
	silent.say("eth_gasPrice", "0x0")
	_, _, err := dial(t, silent.URL).FundingFee(soon(t), 0, voucher.V2)
	assert.ErrorIs(t, err, escrow.ErrRPC)
}
