//go:build !race

package voucher_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestDigestAllocatesNothing is not built with the race detector, which empties pools on purpose.
func TestDigestAllocatesNothing(t *testing.T) {
	v := voucher.Voucher{ChannelID: common.Hash{1}, Cumulative: voucher.Units(1)}
	p := voucher.Proof{ChainID: 1, ChallengeID: "kM9xPqWvT2nJrHsY4aDfEb", Realm: "api.example.com"}
	buf := make([]byte, 0, 39)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { v2Domain.Digest(v) }), "voucher")
	assert.Zero(t, testing.AllocsPerRun(1000, func() { p.Digest() }), "proof")
	assert.Zero(
		t, testing.AllocsPerRun(1000, func() { buf = voucher.MaxAmount.AppendText(buf[:0]) }),
		"amount",
	)
	assert.Zero(
		t, testing.AllocsPerRun(1000, func() { _, _ = voucher.ParseAmount(maxUint128) }), "parse",
	)
}
