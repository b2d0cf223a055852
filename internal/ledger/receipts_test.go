package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
)

func says(accepted, spent uint64) channel.Report {
	return channel.Report{Accepted: u(accepted), Spent: u(spent)}
}

// issue reserves n prices of 10 and returns the open reservations.
func issue(t *testing.T, a *ledger.Account, n int) (all []*ledger.Reservation) {
	t.Helper()
	for range n {
		c, _, err := a.Reserve(t.Context(), a.Terms(), price(10))
		require.NoError(t, err)
		all = append(all, c)
	}
	return all
}

// TestAnswersOvertakeEachOther: four requests of ten were claimed, and the payee charged
// twenty-five in all. After the answers, in any order, what is claimed is what was charged.
func TestAnswersOvertakeEachOther(t *testing.T) {
	words := []channel.Report{says(40, 10), says(40, 20), says(40, 22), says(40, 25)}
	for _, order := range [][]int{
		{0, 1, 2, 3}, {3, 2, 1, 0}, {3, 0, 1, 2}, {1, 3, 0, 2}, {2, 0, 3, 1},
	} {
		a := newBench(t, lim).open(t, 1000)
		claims := issue(t, a, 4)
		for _, i := range order {
			require.NoError(t, claims[i].Settle(t.Context(), words[i]))
			assert.False(t, a.State().Claimed.Less(u(25)), "%v: the payee is owed nothing", order)
		}
		assert.Equal(t, u(25), a.State().Claimed, "%v", order)
	}
}

// TestOlderReportOfALaterRequest: a later request is answered with an older report, so the payee's
// reports are no running totals. It frees nothing, and neither does the next older one.
func TestOlderReportOfALaterRequest(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	claims := issue(t, a, 2)
	require.NoError(t, claims[0].Settle(t.Context(), says(20, 20)))
	later := issue(t, a, 1)[0]
	require.NoError(t, later.Settle(t.Context(), says(10, 10)))
	assert.Equal(t, u(30), a.State().Claimed)
	require.NoError(t, claims[1].Settle(t.Context(), says(10, 10)))
	assert.Equal(t, u(30), a.State().Claimed, "twenty, and the one that nothing shows to be in it")
}

// TestLostAnswerStaysCounted: a request whose answer was lost may have been charged, so an older
// report on another request does not free it.
func TestLostAnswerStaysCounted(t *testing.T) {
	a := newBench(t, lim).open(t, 1000)
	claims := issue(t, a, 3)
	require.NoError(t, claims[0].Settle(t.Context(), says(30, 10)))
	claims[1].Keep()
	require.NoError(t, claims[2].Settle(t.Context(), says(30, 5)))
	assert.Equal(t, u(20), a.State().Claimed)
}

func TestReceiptsFreeWhatWasNotSpent(t *testing.T) {
	b := newBench(t, lim)
	a := b.open(t, 10_000)
	c1, _, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	c2, v2, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	require.NoError(t, c1.Settle(t.Context(), channel.Report{Accepted: u(100), Spent: u(40)}))
	assert.Equal(t, u(140), a.State().Claimed, "what is in flight stays claimed")
	require.NoError(t, c2.Settle(t.Context(), channel.Report{Accepted: u(200), Spent: u(80)}))
	assert.Equal(t, u(80), a.State().Claimed)
	_, v3, err := a.Reserve(t.Context(), a.Terms(), price(100))
	require.NoError(t, err)
	assert.Equal(t, v2, v3, "the credit is used before anything new is signed")

	var bad *channel.ViolationError
	require.ErrorAs(t, a.Reconcile(t.Context(), nil, says(5000, 5000)), &bad)
	assert.Equal(t, u(200), a.State().Authorized())
}

// TestReportClearsOnlyWhatEndedBefore: a request was given up after the answered one was sent. The
// report may have missed it, so its price stays counted.
func TestReportClearsOnlyWhatEndedBefore(t *testing.T) {
	a := newBench(t, lim).open(t, 10_000)
	all := issue(t, a, 2)
	all[0].Keep() // its answer was lost
	sentAfter := issue(t, a, 1)[0]
	all[1].Keep() // given up when sentAfter was under way
	require.NoError(t, sentAfter.Settle(t.Context(), says(30, 12)))
	assert.Equal(t, u(22), a.State().Claimed,
		"the first is in the twelve or was not charged; the second may have been missed")
	last := issue(t, a, 1)[0]
	require.NoError(t, last.Settle(t.Context(), says(32, 20)))
	assert.Equal(t, u(20), a.State().Claimed)
}
