package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestCreditThatAnotherSessionFreedToo: a session frees credit by a report and does not write it. A
// quarter of an hour later another session takes it for ended and frees the same credit, in the
// record. When the first one comes back, the credit counts once: what the payee has charged and
// what is in flight stays claimed.
func TestCreditThatAnotherSessionFreedToo(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		first := newBench(t, lim)
		a := first.open(t, 10_000)
		r, v, err := a.Reserve(t.Context(), first.terms(), price(10))
		require.NoError(t, err)
		require.Equal(t, u(10), v.Cumulative)
		require.NoError(t, r.Settle(t.Context(), channel.Report{Accepted: u(10), Spent: u(3)}))
		require.Equal(t, u(3), a.State().Claimed)

		time.Sleep(15 * time.Minute)
		second := first.again()
		b, err := second.Account(t.Context(), a.ID())
		require.NoError(t, err)
		r, v, err = b.Reserve(t.Context(), second.terms(), price(10))
		require.NoError(t, err)
		require.NoError(t, r.Settle(t.Context(), channel.Report{Accepted: v.Cumulative, Spent: u(6)}))
		require.NoError(t, second.Flush(t.Context()))
		require.Equal(t, u(6), b.State().Claimed)

		_, v, err = a.Reserve(t.Context(), first.terms(), price(100))
		require.NoError(t, err)
		assert.Equal(t, u(106), a.State().Claimed, "6 are charged, and 100 are in flight")
		assert.False(t, v.Cumulative.Less(u(106)))
	})
}
