package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestBudgetsAfterAClockThatWasAhead: a program paid while its clock was years ahead, on a channel
// that this one never uses. What it paid counts for one window, although nothing is paid meanwhile,
// and across restarts.
func TestBudgetsAfterAClockThatWasAhead(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		own := lim
		own.All.Day = u(1000)
		b := newBench(t, own)
		s := b.state(t, 7, 10_000).Acknowledged()
		next, _, _, err := s.Authorize(price(1000), rule.Of(lim))
		require.NoError(t, err)
		data, err := next.Noted(s, here, time.Now().Add(10*365*24*time.Hour).Unix()).Encode()
		require.NoError(t, err)
		_, err = b.store.Put(t.Context(), rule.StateKey(s.ID), data, 0)
		require.NoError(t, err)

		a := b.open(t, 10_000)
		for range 23 {
			_, _, err = a.Reserve(t.Context(), a.Terms(), price(1))
			require.ErrorIs(t, err, channel.ErrLimit)
			time.Sleep(time.Hour)
			b = b.again()
			a, err = b.Account(t.Context(), a.ID())
			require.NoError(t, err)
		}
		puts := b.store.puts.Load()
		time.Sleep(2 * time.Hour)
		_, _, err = a.Reserve(t.Context(), a.Terms(), price(1000))
		require.NoError(t, err)
		assert.Equal(t, puts+2, b.store.puts.Load(), "what was ahead was noted once")
	})
}

// TestBudgetsOfTheRequestingOrigin: a request of another origin than the channel's counts for both
// origins, and is held to the limits of its own, across restarts.
func TestBudgetsOfTheRequestingOrigin(t *testing.T) {
	own := lim
	own.Origin.Hour = u(100)
	b := newBench(t, own)
	a := b.at(t, 1, here, 1)
	_, _, err := a.Reserve(t.Context(), ledger.Terms{Limits: own, Origin: there}, price(60))
	require.NoError(t, err)
	for range 2 {
		_, _, err = a.Reserve(t.Context(), ledger.Terms{Limits: own, Origin: there}, price(41))
		assert.Equal(
			t,
			channel.LimitError{Limit: "Origin.Hour", Wanted: u(101), Allowed: u(100), Left: u(40)},
			over(t, err),
		)
		_, _, err = a.Reserve(t.Context(), a.Terms(), price(41))
		assert.Equal(t, u(40), over(t, err).Left, "it counts for the channel's own origin, too")
		_, _, err = b.at(t, 2, there, 2).Reserve(t.Context(), b.terms(), price(41))
		assert.Equal(t, u(40), over(t, err).Left, "and on the other channels of its origin")
		b = b.again()
		a, err = b.Account(t.Context(), a.ID())
		require.NoError(t, err)
	}
	_, _, err = a.Reserve(
		t.Context(), ledger.Terms{Limits: own, Origin: "https://third.example.com:443"}, price(100),
	)
	require.NoError(t, err)
}
