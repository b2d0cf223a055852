package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestTrialDecidesNothing: it presents what exists, and is held to what the request is held to.
func TestTrialDecidesNothing(t *testing.T) {
	s, _, _ := pay(t, open(t, 250), 100, wide)
	for price, want := range map[uint64]error{70: nil, 160: channel.ErrDeposit, 1001: channel.ErrLimit} {
		next, c, due, err := s.Trial(rule.Claim{}, rule.Request{Price: u(price)}, wide)
		require.ErrorIs(t, err, want)
		assert.Equal(t, s, next)
		assert.Zero(t, c)
		assert.Equal(t, u(100), due)
	}
}
