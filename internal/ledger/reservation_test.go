package ledger_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestDecidedAgainCountsOnce: a reservation that is decided again counts once, and no voucher that
// exists is signed again.
func TestDecidedAgainCountsOnce(t *testing.T) {
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

// TestRequestThatComesBack: a request left the channel and comes back. What it was asked for is not
// asked for again, and a reservation that has ended is not decided again.
func TestRequestThatComesBack(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	r, _, err := a.Reserve(t.Context(), a.Terms(), price(1000))
	require.NoError(t, err)
	_, err = r.Decide(t.Context(), price(1001))
	require.Error(t, err, "above the limit")
	r.Release()
	assert.True(t, a.State().Claimed.IsZero())
	v, err := r.Decide(t.Context(), price(300))
	require.NoError(t, err)
	assert.Equal(t, u(1000), v.Cumulative, "what exists already")
	assert.Equal(t, u(1000), a.State().Asked())
	assert.Equal(t, u(300), a.State().Claimed)
	assert.Equal(t, u(1000), r.Raised())
	r.Keep()
	_, err = r.Decide(t.Context(), price(300))
	require.ErrorIs(t, err, ledger.ErrEnded)
	_, err = r.Again(t.Context(), v.Cumulative)
	require.ErrorIs(t, err, ledger.ErrEnded)
	_, err = r.More(t.Context(), u(400))
	require.ErrorIs(t, err, ledger.ErrEnded)
	assert.Equal(t, u(1000), a.State().Asked())
	assert.Equal(t, u(300), a.State().Claimed)
}

// TestTakenIsTheHighest: the highest voucher that the payee took is remembered.
func TestTakenIsTheHighest(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	assert.True(t, a.Taken().IsZero())
	a.Took(u(30))
	a.Took(u(20))
	assert.Equal(t, u(30), a.Taken())
}

// TestAlone: a reservation knows whether a stream is open beside it, which may use its credit.
func TestAlone(t *testing.T) {
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

func TestAgainRaisesOncePerPrice(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c, v, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	_, err = c.Again(t.Context(), v.Cumulative)
	assert.ErrorIs(t, err, channel.ErrSpent)
	c.Release()
	c, v, err = a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	v2, err := c.Again(t.Context(), v.Cumulative)
	require.NoError(t, err)
	assert.Equal(t, u(200), v2.Cumulative)
	_, err = c.Again(t.Context(), v2.Cumulative)
	assert.ErrorIs(t, err, channel.ErrSpent)
}

// TestUnderOtherLimits: a request was redirected and goes on under other limits, for another
// origin. Its next decision keeps both, and what its budget counts goes on.
func TestUnderOtherLimits(t *testing.T) {
	own := lim
	own.Origin.Hour = u(150)
	b := newBench(t, own)
	a := b.open(t, 10_000)
	other := b.at(t, 2, there, 2)
	_, _, err := other.Reserve(t.Context(), b.terms(), price(100))
	require.NoError(t, err)
	run := b.budget(500, nil)
	r, _, err := a.Reserve(t.Context(), b.in(run), price(40))
	require.NoError(t, err)
	r.Release()

	strict := own
	strict.Price = u(90)
	r.Under(ledger.Terms{Limits: strict, Origin: there, Charge: ledger.NewCharge(b.budget(1, nil))})
	_, err = r.Decide(t.Context(), price(91))
	assert.Equal(t, refusal("Price", 91, 90, 90), over(t, err))
	_, err = r.Decide(t.Context(), price(90))
	require.NoError(t, err)
	assert.Equal(t, u(410), run.Left())
	_, err = r.Decide(t.Context(), price(41))
	require.NoError(t, err)
	_, _, err = other.Reserve(t.Context(), b.terms(), price(1))
	assert.Equal(
		t, refusal("Origin.Hour", 151, 150, 0), over(t, err), "fifty of it for this request",
	)
}
