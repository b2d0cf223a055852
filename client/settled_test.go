package client

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestAWordThatIsOlderThanTheRecord: the chain was asked before it had the channel, and another process wrote down
// meanwhile that it has.
func TestAWordThatIsOlderThanTheRecord(t *testing.T) {
	before := rule.State{Deposit: voucher.Units(100), Opening: rule.Funding{Amount: voucher.Units(100), Raw: []byte{0x76}, ValidBefore: 1000}}
	unknown := rule.OnChain{Time: 10}
	seen := before.Settle(rule.OnChain{Exists: true, Deposit: voucher.Units(100), Time: 11})
	assert.Equal(t, channel.Open, seen.Phase())
	assert.Equal(t, channel.Open, settled(before, seen, unknown).Phase(), "an open channel is not forgotten")
	assert.Equal(t, channel.Opening, settled(before, before, unknown).Phase())
	assert.Equal(t, channel.NotSeen, settled(seen, seen, unknown).Phase(), "asked later")
	unknown.Time = 1001
	assert.Equal(t, channel.NotSeen, settled(before, before, unknown).Phase(), "no longer to be mined")
	unknown.Ended = true
	assert.Equal(t, channel.Closed, settled(before, seen, unknown).Phase(), "proof counts, however old")
}
