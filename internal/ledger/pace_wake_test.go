package ledger_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestPaceWakesAfterAnOvertakenRequest: a request that waits for an overtaken one goes on when that
// was answered, also if what that presented then was not known to the pace before.
func TestPaceWakesAfterAnOvertakenRequest(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		b := newBench(t, lim)
		a := b.open(t, 100_000)
		sharing(t, a, b)
		stream, _, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		stream.Wrote()
		stream.Stream(u(10), func() uint64 { return 20 })
		first, low, err := paced(t.Context(), a, b)
		require.NoError(t, err)
		first.Wrote()
		_, err = stream.More(t.Context(), low.Cumulative.AddCapped(u(10))) // overtakes it
		require.NoError(t, err)
		first.Overtaken(true)
		waiting := later(t, a, b)
		high, err := first.Again(t.Context(), low.Cumulative)
		require.NoError(t, err)
		require.True(t, low.Cumulative.Less(high.Cumulative))
		first.Wrote()
		time.Sleep(time.Millisecond)
		first.Keep()
		synctest.Wait()
		assert.Len(t, waiting, 1)
		<-waiting
	})
}
