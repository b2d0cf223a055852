package ledger_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

func TestStreamCountsDeliveries(t *testing.T) {
	l := lim
	l.Ahead = u(50)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	c, v, err := a.Reserve(t.Context(), a.Terms(), price(10))
	require.NoError(t, err)
	require.Equal(t, u(60), v.Cumulative)
	var pieces atomic.Uint64
	c.Stream(u(10), pieces.Load)
	pieces.Store(6)
	v, err = c.More(t.Context(), u(70))
	require.NoError(t, err)
	assert.Equal(t, u(120), v.Cumulative, "six pieces and one more, and Ahead")
	assert.Equal(t, u(70), c.Price())
	same, err := c.More(t.Context(), u(90))
	require.NoError(t, err)
	assert.Equal(t, v, same)
	var desync *channel.DesyncError
	_, err = c.More(t.Context(), u(9000))
	assert.ErrorAs(t, err, &desync)
	pieces.Store(7)
	c.Keep()
	assert.Equal(t, u(70), a.State().Claimed)
}

// TestArrearsOfAnEndedStream: a stream used the credit of a request and ended. The request is
// refused for it, and gets once as much as is missing, within Limits.Stream.
func TestArrearsOfAnEndedStream(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(c *ledger.Reservation)
		limit uint64
		want  uint64
	}{
		"kept": {(*ledger.Reservation).Keep, 10_000, 90},
		"settled": {func(c *ledger.Reservation) {
			_ = c.Settle(
				t.Context(), says(60, 40),
			)
		}, 10_000, 90},
		"limited": {(*ledger.Reservation).Keep, 20, 70},
	} {
		t.Run(name, func(t *testing.T) {
			l := lim
			l.Stream = u(c.limit)
			b := newBench(t, l)
			a := b.open(t, 1000)
			stream, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
			require.NoError(t, err)
			stream.Stream(u(10), func() uint64 { return 4 })
			request, v, err := a.Reserve(t.Context(), a.Terms(), price(50))
			require.NoError(t, err)
			require.Equal(t, u(60), v.Cumulative)
			c.end(stream)
			assert.Equal(t, u(60), a.State().Authorized(), "nothing rises for it by itself")
			v, err = request.Again(t.Context(), v.Cumulative)
			require.NoError(t, err)
			assert.Equal(t, u(c.want), v.Cumulative)
			_, err = request.Again(t.Context(), v.Cumulative)
			require.ErrorIs(t, err, channel.ErrSpent, "once")
		})
	}
}

// TestStreamTakesAnothersCredit: a stream delivered pieces out of the voucher of a request. The
// request is refused, and the price of those pieces raises the ceiling for it.
func TestStreamTakesAnothersCredit(t *testing.T) {
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

// TestStreamDeliversOutOfAhead: a stream delivers more than Limits.Stream pays for, out of Ahead
// and without asking. Nobody agreed to that, so the next request does not restore Ahead.
func TestStreamDeliversOutOfAhead(t *testing.T) {
	l := lim
	l.Stream, l.Ahead = u(200), u(1000)
	b := newBench(t, l)
	a := b.open(t, 10_000)
	c, _, err := a.Reserve(t.Context(), a.Terms(), price(25))
	require.NoError(t, err)
	c.Stream(u(25), func() uint64 { return 40 })
	c.Keep()
	assert.Equal(t, u(200), a.State().Claimed)
	_, _, err = a.Reserve(t.Context(), a.Terms(), price(1000))
	require.NoError(t, err)
	assert.Equal(t, u(200+1000+1000), a.State().Authorized(), "what was asked for, and Ahead once")
}
