package devchain

import (
	"crypto/ecdsa"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// party is a key with its address.
type party struct {
	key  *ecdsa.PrivateKey
	addr common.Address
}

// newParty makes the same party for the same number.
func newParty(n byte) party {
	key, err := crypto.ToECDSA(common.LeftPadBytes([]byte{n + 1}, 32))
	if err != nil {
		panic(err)
	}
	return party{key, crypto.PubkeyToAddress(key.PublicKey)}
}

var payer, payee, operator, delegate, sponsor, stranger = newParty(1), newParty(2), newParty(3), newParty(4), newParty(5), newParty(6)

// testChain has money for everybody.
func testChain(t *testing.T) *Chain {
	c := New(Config{})
	t.Cleanup(func() {
		assert.NoError(t, c.CheckSupply())
		c.Close()
	})
	for _, p := range []party{payer, payee, operator, delegate, sponsor, stranger} {
		c.Mint(PathUSD, p.addr, voucher.Units(100_000_000))
	}
	return c
}

// on makes a call from a signature and static words.
func on(to common.Address, signature string, values ...any) Call {
	return Call{to, append(selectorBytes(signature), words(values...)...)}
}

const openCall = "open(address,address,address,uint96,bytes32,address)"

func TestOpenAdvanceBalance(t *testing.T) {
	c := testChain(t)
	r, err := c.Send(payer.key, on(ReserveAddress, openCall, payee.addr, common.Address{}, PathUSD, voucher.Units(1000), common.Hash{1}, common.Address{}))
	require.NoError(t, err)
	require.True(t, r.Success, r.RevertReason())
	id := c.ChannelID(voucher.V2, Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD, Salt: common.Hash{1}, ExpiringNonceHash: r.ExpiringNonceHash})
	assert.Equal(t, id, r.Logs[1].Topics[1])
	assert.Equal(t, ChannelState{Protocol: voucher.V2, Deposit: voucher.Units(1000)}, c.ChannelState(id))
	assert.Equal(t, voucher.Units(1000), c.Balance(PathUSD, ReserveAddress))
	assert.Equal(t, voucher.Units(100_000_000-1000).SubFloor(r.Fee), c.Balance(PathUSD, payer.addr))
	assert.Equal(t, r.Fee, c.Balance(PathUSD, FeeCollector))

	before := c.Now()
	c.Advance(1500 * time.Millisecond)
	assert.Equal(t, 2*time.Second, c.Now().Sub(before))
}
