package rule_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
)

// TestRetried: a retry raises what is asked for and not raised yet. If everything that was asked
// for is claimed without it, what exists is presented; other refusals stay refusals.
func TestRetried(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(1000), Deposit: u(1000)})
	s, claim, _ := pay(t, open(t, 1000), 100, lim)

	next, after, due, err := s.Retried(claim, rule.Request{Price: u(60)}, lim)
	require.NoError(t, err)
	assert.Equal(t, s, next, "the higher price of before counts")
	assert.Equal(t, claim, after)
	assert.Equal(t, u(100), due)

	ended := claim
	ended.Price = u(0)
	next, after, due, err = s.Retried(ended, rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
	assert.Equal(t, s, next)
	assert.Equal(t, ended, after)
	assert.Equal(t, u(100), due)
	_, _, _, err = s.Renew(ended, rule.Request{Price: u(100)}, lim)
	require.ErrorIs(t, err, channel.ErrLimit, "a new request would be refused")

	_, _, _, err = s.Retried(ended, rule.Request{Price: u(100), Floor: u(101)}, lim)
	require.Error(t, err, "what exists does not reach the floor")
	_, _, _, err = s.Retried(ended, rule.Request{Price: u(1001)}, lim)
	require.ErrorIs(t, err, channel.ErrLimit)
	_, _, _, err = s.Retried(ended, rule.Request{Price: u(100), Elsewhere: u(100)}, lim)
	require.ErrorIs(t, err, channel.ErrRaised, "another channel has its price")

	freed := s.Release(claim)
	next, after, due, err = freed.Retried(ended, rule.Request{Price: u(100)}, lim)
	require.NoError(t, err)
	assert.Equal(t, u(100), next.Claimed)
	assert.Equal(t, u(100), next.Authorized())
	assert.Equal(t, u(100), after.Price)
	assert.Equal(t, u(100), due)
}

// TestPresented: a voucher is due only if there is one and the channel takes vouchers.
func TestPresented(t *testing.T) {
	lim := rule.Of(channel.Limits{Price: u(1000), Deposit: u(1000)})
	s := open(t, 1000)
	_, err := s.Presented()
	require.ErrorIs(t, err, channel.ErrNotPayable)
	s, _, _ = pay(t, s, 100, lim)
	due, err := s.Presented()
	require.NoError(t, err)
	assert.Equal(t, u(100), due)
	s.CloseSent = true
	_, err = s.Presented()
	require.ErrorIs(t, err, channel.ErrNotPayable)
}
