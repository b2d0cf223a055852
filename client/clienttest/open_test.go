package clienttest

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestCheckOpened checks that the server believes only the ChannelOpened event of a receipt. The
// receipts are made up, because the chain of this package never lies.
func TestCheckOpened(t *testing.T) {
	id, o := common.Hash{
		1,
	}, devchain.Opening{
		Amount:     voucher.Units(9),
		Descriptor: devchain.Descriptor{Salt: common.Hash{2}, ExpiringNonceHash: common.Hash{3}},
	}
	d := o.Descriptor
	log := func(change func(*types.Log)) *types.Log {
		l := &types.Log{
			Address: devchain.ReserveAddress, Topics: []common.Hash{channelOpened, id, {}, {}},
			Data: words(
				d.Operator[:], d.Token[:], d.AuthorizedSigner[:], d.Salt[:], d.ExpiringNonceHash[:],
				[]byte{9},
			),
		}
		change(l)
		return l
	}
	same := func(*types.Log) {}
	assert.NoError(t, checkOpened(&devchain.Receipt{Logs: []*types.Log{log(same)}}, id, o))
	for name, logs := range map[string][]*types.Log{
		"none":            nil,
		"two":             {log(same), log(same)},
		"another emitter": {log(func(l *types.Log) { l.Address = common.Address{} })},
		"another channel": {log(func(l *types.Log) { l.Topics[1] = common.Hash{4} })},
		"another event":   {log(func(l *types.Log) { l.Topics[0] = common.Hash{4} })},
		"another deposit": {log(func(l *types.Log) { l.Data[191] = 8 })},
		"another nonce":   {log(func(l *types.Log) { l.Data[4*32] = 8 })},
		"no topics":       {log(func(l *types.Log) { l.Topics = nil })},
	} {
		assert.Error(t, checkOpened(&devchain.Receipt{Logs: logs}, id, o), name)
	}
}
