package ledger_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestSignerPanic: a signer panics. The channel can be used again, and nobody waits for ever.
func TestSignerPanic(t *testing.T) {
	b := newBench(t, lim)
	k := &panics{judge: b.judge}
	b.Ledger = b.with(k)
	a := b.open(t, 1000)
	k.now.Store(true)
	assert.Panics(t, func() { _, _, _ = a.Reserve(context.Background(), a.Terms(), price(10)) })
	k.now.Store(false)
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	assert.False(t, u(20).Less(v.Cumulative))
}

type panics struct {
	*judge
	now atomic.Bool
}

func (p *panics) SignVoucher(
	ctx context.Context, d *voucher.Domain, v voucher.Voucher,
) ([]byte, error) {
	if p.now.Load() {
		panic("the signer's own fault")
	}
	return p.judge.SignVoucher(ctx, d, v)
}

// panicking is a store that panics once when it is listed.
type panicking struct {
	store.Store
	once sync.Once
}

func (p *panicking) List(ctx context.Context, prefix string) iter.Seq2[store.Entry, error] {
	p.once.Do(func() { panic("no list") })
	return p.Store.List(ctx, prefix)
}

// TestListingPanic: the store panics before a decision was made, so nothing is taken back.
func TestListingPanic(t *testing.T) {
	b := newBench(t, lim)
	b.Ledger = ledger.New(&panicking{Store: b.store}, b.judge, lim)
	a := b.open(t, 1000)
	assert.Panics(t, func() { _, _, _ = a.Reserve(context.Background(), a.Terms(), price(10)) })
	_, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	assert.Equal(t, u(10), v.Cumulative)
	assert.Equal(t, u(10), a.State().Claimed)
}
