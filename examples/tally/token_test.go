package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// TestKnownTokens: each token that limits are for without being named has its balance and its symbol shown.
func TestKnownTokens(t *testing.T) {
	for c := range channel.Dollars() {
		shown := func(h holding) bool { return h.Token == c.Token && h.Symbol == c.Symbol }
		assert.True(t, slices.ContainsFunc((&world{}).known(c.ChainID), shown), "%s", c)
		assert.Equal(t, c, (&world{}).currencyOf(c.ChainID, c.Token))
	}
}
