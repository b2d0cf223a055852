package escrow_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestFeesAreAgreedToBeforeTheSignature: whoever pays a fee hears the most that it can be while there is no
// signature, and a refusal means that there is none.
func TestFeesAreAgreedToBeforeTheSignature(t *testing.T) {
	var asked []escrow.Fee
	refuse := errors.New("too much")
	for _, sponsored := range []bool{false, true} {
		for name, prepare := range map[string]func(context.Context, *escrow.Client, voucher.TransactionSigner, func(context.Context, escrow.Fee) error) error{
			"open": func(ctx context.Context, c *escrow.Client, s voucher.TransactionSigner, agree func(context.Context, escrow.Fee) error) error {
				p := openParams(t)
				p.Payer, p.Agree, p.Sponsored = s, agree, sponsored
				_, err := c.PrepareOpen(ctx, p)
				return err
			},
			"top-up": func(ctx context.Context, c *escrow.Client, s voucher.TransactionSigner, agree func(context.Context, escrow.Fee) error) error {
				p := topUpParams(t)
				p.Payer, p.Agree, p.Sponsored = s, agree, sponsored
				_, err := c.PrepareTopUp(ctx, p)
				return err
			},
			"close": func(ctx context.Context, c *escrow.Client, s voucher.TransactionSigner, agree func(context.Context, escrow.Fee) error) error {
				p := topUpParams(t)
				_, err := c.RequestClose(ctx, escrow.CloseParams{
					Protocol: p.Protocol, ChainID: p.ChainID, Escrow: p.Escrow, Payer: s, Descriptor: p.Descriptor, Agree: agree,
				})
				return err
			},
		} {
			if name == "close" && sponsored {
				continue
			}
			asked = nil
			n, s := newNode(t), &signer{TransactionSigner: key(t)}
			err := prepare(soon(t), dial(t, n.URL), s, func(_ context.Context, f escrow.Fee) error {
				asked = append(asked, f)
				assert.Zero(t, s.signed, name)
				return refuse
			})
			if sponsored {
				require.NoError(t, err, name)
				assert.Empty(t, asked, "%s: a sponsor pays", name)
				continue
			}
			require.ErrorIs(t, err, refuse, name)
			assert.Zero(t, s.signed, "%s: signed all the same", name)
			_, sent := n.count("eth_sendRawTransaction")
			assert.Zero(t, sent, name)
			// 600,000 gas and a margin, at the price now and a quarter more.
			want := escrow.Fee{Token: escrow.PathUSD, Max: voucher.Units(16_250), ValidBefore: blockTime + 25}
			assert.Equal(t, []escrow.Fee{want}, asked, name)
		}
	}
}

// TestCloseIsRecordedBeforeItLeaves: what a transaction of our own can cost is stored, with its hash, when it
// is sent; if that fails, it is not.
func TestCloseIsRecordedBeforeItLeaves(t *testing.T) {
	refuse := errors.New("disk full")
	n, p := newNode(t), topUpParams(t)
	var recorded escrow.Fee
	_, err := dial(t, n.URL).RequestClose(soon(t), escrow.CloseParams{
		Protocol: p.Protocol, ChainID: p.ChainID, Escrow: p.Escrow, Payer: p.Payer, Descriptor: p.Descriptor,
		Record: func(_ context.Context, f escrow.Fee) error {
			recorded = f
			return refuse
		},
	})
	require.ErrorIs(t, err, refuse)
	assert.NotZero(t, recorded.TxHash)
	assert.False(t, recorded.Max.IsZero())
	_, sent := n.count("eth_sendRawTransaction")
	assert.Zero(t, sent)
}

// TestReceiptsTellTheFee: what was charged is all gas at its price, rounded up. A node that leaves a part of
// that out tells nothing.
func TestReceiptsTellTheFee(t *testing.T) {
	payer := common.HexToAddress("0x77")
	for name, c := range map[string]struct {
		change func(map[string]any)
		fee    uint64
		known  bool
	}{
		"all":                 {func(map[string]any) {}, 6, true},
		"no gas":              {func(r map[string]any) { delete(r, "gasUsed") }, 0, false},
		"no price":            {func(r map[string]any) { delete(r, "effectiveGasPrice") }, 0, false},
		"no payer":            {func(r map[string]any) { delete(r, "feePayer") }, 0, false},
		"nobody as the payer": {func(r map[string]any) { r["feePayer"] = common.Address{} }, 0, false},
		"free":                {func(r map[string]any) { r["effectiveGasPrice"] = "0x0" }, 0, true},
		"more than there is":  {func(r map[string]any) { r["effectiveGasPrice"] = "0x1" + strings.Repeat("0", 32) }, 4_740_813_227, true},
	} {
		n := newNode(t)
		r := map[string]any{
			"status": "0x1", "blockNumber": "0x7", "gasUsed": "0x101", "effectiveGasPrice": "0x4a817c800", "feePayer": payer,
		}
		c.change(r)
		n.say("eth_getTransactionReceipt", r)
		got, found, err := dial(t, n.URL).Confirm(soon(t), common.Hash{1})
		require.NoError(t, err, name)
		require.True(t, found, name)
		assert.Equal(t, c.known, got.FeeKnown, name)
		assert.Equal(t, voucher.Units(c.fee), got.Fee, name)
		assert.Equal(t, c.known, got.FeePayer == payer, name)
	}
}

// TestFreeTransactions: where gas costs nothing, a transaction can cost nothing.
func TestFreeTransactions(t *testing.T) {
	w := newWorld(t, devchain.Config{Free: true})
	p := openParams(t)
	p.Payer = w.payer
	o, err := w.PrepareOpen(soon(t), p)
	require.NoError(t, err)
	assert.Equal(t, escrow.Fee{Token: p.Token, TxHash: o.TxHash, ValidBefore: o.ValidBefore}, o.Fee)
	assert.Equal(t, voucher.Amount{}, w.send(t, o.Raw).Fee)
	r, found, err := w.Confirm(soon(t), o.TxHash)
	require.NoError(t, err)
	assert.True(t, found && r.FeeKnown && r.Fee.IsZero())
}
