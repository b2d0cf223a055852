package ledger_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestRenewIsOneClaim: deciding a claim again counts it once and signs nothing that exists.
func TestRenewIsOneClaim(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.True(t, c.Without().Claimed.IsZero())
	assert.Equal(t, u(100), a.State().Claimed)
	same, err := c.Decide(t.Context(), price(100))
	require.NoError(t, err)
	assert.Equal(t, v, same)
	assert.Equal(t, u(100), a.State().Asked())
	_, err = c.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, channel.ErrSpent, "its price has raised the ceiling already")
	dearer, err := c.Decide(t.Context(), price(130))
	require.NoError(t, err)
	assert.Equal(t, u(130), dearer.Cumulative)
	assert.Equal(t, u(130), c.Price())

	b.judge.fail.Store(true)
	_, err = c.Decide(t.Context(), price(500))
	require.Error(t, err)
	assert.Equal(t, u(130), c.Price(), "what was not signed was not asked")
	assert.Equal(t, u(130), a.State().Claimed)
}

// TestWhatThePayeeTook is remembered as the highest voucher.
func TestWhatThePayeeTook(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	assert.True(t, a.Taken().IsZero())
	a.Took(u(30))
	a.Took(u(20))
	assert.Equal(t, u(30), a.Taken())
}

// TestAloneOnAChannel: a claim knows whether a stream is open beside it, which may use what was meant for
// it.
func TestAloneOnAChannel(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	c1, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	c2, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	var pieces atomic.Uint64
	c2.Stream(u(10), pieces.Load)
	assert.False(t, c1.Alone())
	c2.Keep()
	assert.True(t, c1.Alone())
}

// TestAStreamThatTookForeignCredit: a stream brought pieces that were paid from a request's voucher. The
// request is refused, and what the stream owes raises the ceiling for it.
func TestAStreamThatTookForeignCredit(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 1000)
	stream, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	var pieces atomic.Uint64
	stream.Stream(u(10), pieces.Load)
	request, v, err := a.Reserve(t.Context(), a.Terms(), price(50))
	require.NoError(t, err)
	require.Equal(t, u(60), v.Cumulative)
	pieces.Store(4) // three of them from the request's fifty
	v, err = request.Again(t.Context(), v.Cumulative)
	require.NoError(t, err)
	assert.Equal(t, u(90), v.Cumulative)
	assert.Equal(t, u(40), stream.Price())
	_, err = request.Again(t.Context(), v.Cumulative)
	assert.ErrorIs(t, err, channel.ErrSpent)
}

// TestTotalCountsWhatLeft: a funding transaction counts once from when it leaves, and no more when it can never
// be mined.
func TestTotalCountsWhatLeft(t *testing.T) {
	l := lim
	l.Deposit, l.Total = u(100), u(150)
	b := newBench(t, l)
	p, err := b.Plan(t.Context(), b.terms(), b.scope, nil, price(10), u(100))
	require.NoError(t, err)
	tx := rule.Funding{Amount: p.Amount, Raw: []byte{1}}
	b.Leave(tx, p.Amount)
	b.Leave(tx, voucher.Amount{})
	assert.Equal(t, u(100), b.Funded())
	b.Unmined(rule.Funding{Amount: u(7), Raw: []byte{2}})
	assert.Equal(t, u(100), b.Funded(), "another one was never counted")
	b.Unmined(tx)
	b.Unmined(tx)
	assert.True(t, b.Funded().IsZero())
}

// TestASignerThatPanics leaves the gate usable, and nobody waiting.
func TestASignerThatPanics(t *testing.T) {
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

func (p *panics) SignVoucher(ctx context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	if p.now.Load() {
		panic("the signer's own fault")
	}
	return p.judge.SignVoucher(ctx, d, v)
}
