package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

// TestAStreamThatEndedOwing: it took pieces out of a request's voucher and is over. The request that is refused
// for it is made good, by as much as is missing and within Limits.Stream, and once.
func TestAStreamThatEndedOwing(t *testing.T) {
	for name, c := range map[string]struct {
		end   func(c *ledger.Reservation)
		limit uint64
		want  uint64
	}{
		"kept":    {(*ledger.Reservation).Keep, 10_000, 90},
		"settled": {func(c *ledger.Reservation) { _ = c.Settle(t.Context(), channel.Report{Accepted: u(60), Spent: u(40)}) }, 10_000, 90},
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
