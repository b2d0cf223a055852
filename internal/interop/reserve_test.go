package interop

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

var openSelector = pack("open(address,address,address,uint96,bytes32,address)")

// simulation is the context of calls that are in no transaction.
var simulation = common.Hash{31: 1}

// prepare writes what ChannelReserve.sol cannot know: the transaction's hash for an open, and an allowance for
// what pulls tokens. The hash of a transaction replaces that of a simulation, not the other way round.
func (a *anvil) prepare(from, to common.Address, data []byte, context common.Hash) error {
	if to != devchain.ReserveAddress || len(data) < 4 {
		return nil
	}
	if err := a.approve(from); err != nil {
		return err
	}
	if !bytes.Equal(data[:4], openSelector) {
		return nil
	}
	key := crypto.Keccak256(common.LeftPadBytes(from[:], 32), crypto.Keccak256(data))
	slot := mapping(common.BytesToHash(key), common.Hash{})
	if context == simulation {
		var word common.Hash
		if err := a.up.call(&word, "eth_getStorageAt", devchain.ReserveAddress, slot, "latest"); err != nil || word != (common.Hash{}) {
			return err
		}
	}
	return a.up.call(nil, "anvil_setStorageAt", devchain.ReserveAddress, slot, context)
}

// approve gives the reserve an unlimited allowance of the owner's, once.
func (a *anvil) approve(owner common.Address) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[owner] {
		return nil
	}
	a.known[owner] = true
	return a.up.call(nil, "anvil_setStorageAt", devchain.PathUSD, allowance(owner, a.slot), common.MaxHash)
}

// findAllowances looks for the place of allowances in the token's storage, by writing and asking.
func (a *anvil) findAllowances(t testing.TB) {
	t.Helper()
	owner := common.HexToAddress("0x00000000000000000000000000000000deadbeef")
	for a.slot = range uint64(64) {
		require.NoError(t, a.up.call(nil, "anvil_setStorageAt", devchain.PathUSD, allowance(owner, a.slot), common.MaxHash))
		if common.BytesToHash(a.up.read(t, devchain.PathUSD, "allowance(address,address)", owner, devchain.ReserveAddress)) == common.MaxHash {
			return
		}
	}
	t.Fatal("the token keeps no allowances where a mapping of mappings would")
}

func mapping(key, slot common.Hash) common.Hash { return crypto.Keccak256Hash(key[:], slot[:]) }

func allowance(owner common.Address, slot uint64) common.Hash {
	inner := mapping(common.BytesToHash(owner[:]), common.BigToHash(new(big.Int).SetUint64(slot)))
	return mapping(common.BytesToHash(devchain.ReserveAddress[:]), inner)
}
