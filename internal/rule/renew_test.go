package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestRenewCountsOnce: another price, or another look at the deposit, does not make one request
// two.
func TestRenewCountsOnce(t *testing.T) {
	s, claim, _ := pay(t, open(t, 10_000), 100, wide)
	for range 3 {
		next, renewed, due, err := s.Renew(claim, rule.Request{Price: u(100)}, wide)
		require.NoError(t, err)
		assert.Equal(t, u(100), due)
		assert.Equal(t, u(100), next.Asked())
		_, _, _, err = next.Overdrawn(renewed, due, wide)
		assert.ErrorIs(t, err, channel.ErrSpent, "the price has raised the ceiling already")
		s, claim = next, renewed
	}
	s, claim, due, err := s.Renew(claim, rule.Request{Price: u(150)}, wide)
	require.NoError(t, err)
	assert.Equal(t, u(150), due)
	assert.Equal(t, u(150), s.Asked())
	same, kept, _, err := s.Renew(claim, rule.Request{Price: u(1001)}, wide)
	require.ErrorIs(t, err, channel.ErrLimit)
	assert.Equal(t, s, same)
	assert.Equal(t, claim, kept)
}

// TestPriceThatFallsAndRises: one request is asked 1000, then 1, then 1000 again, and its voucher
// is refused as used up. All of it is one price.
func TestPriceThatFallsAndRises(t *testing.T) {
	s, c, _ := pay(t, open(t, 10_000), 1000, wide)
	for _, price := range []uint64{1, 1000} {
		var err error
		s, c, _, err = s.Renew(c, rule.Request{Price: u(price)}, wide)
		require.NoError(t, err)
	}
	assert.Equal(t, u(1000), s.Asked())
	_, _, _, err := s.Overdrawn(c, u(1000), wide)
	require.ErrorIs(t, err, channel.ErrSpent)

	// What was asked for and delivered is signed for by others; it stays asked for.
	s, c, _ = pay(t, open(t, 10_000), 10, wide)
	s, c = s.CatchUp(c, u(30), u(30), wide)
	s, _, _ = pay(t, s, 10, wide)
	require.Equal(t, u(40), s.Signed)
	s, _, _, err = s.Renew(c, rule.Request{Price: u(10)}, wide)
	require.NoError(t, err)
	assert.Equal(t, u(40), s.Asked())
}

// TestRenewRemembersWhatWasRaised: others asked and were not charged, so there is room under what
// was asked for in all. One claim takes its own price of it, also when it is decided again in
// between.
func TestRenewRemembersWhatWasRaised(t *testing.T) {
	s := open(t, 10_000)
	for range 2 {
		var c rule.Claim
		s, c, _ = pay(t, s, 100, wide)
		s = s.Release(c)
	}
	s, c, due := pay(t, s, 100, wide)
	s, c, due, err := s.Overdrawn(c, due, wide)
	require.NoError(t, err)
	require.Equal(t, u(200), due)
	s, c, _, err = s.Renew(c, rule.Request{Price: u(100)}, wide)
	require.NoError(t, err)
	_, _, _, err = s.Overdrawn(c, s.Authorized(), wide)
	require.ErrorIs(t, err, channel.ErrSpent)
}
