package devchain

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Hashes of the EIP-712 types.
var (
	domainType    = crypto.Keccak256Hash([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"))
	voucherTypeV1 = crypto.Keccak256Hash([]byte("Voucher(bytes32 channelId,uint128 cumulativeAmount)"))
	voucherTypeV2 = crypto.Keccak256Hash([]byte("Voucher(bytes32 channelId,uint96 cumulativeAmount)"))
)

// domain is an EIP-712 domain separator of version 1.
func domain(name string, chainID uint64, escrow common.Address) common.Hash {
	return crypto.Keccak256Hash(words(domainType, crypto.Keccak256Hash([]byte(name)), crypto.Keccak256Hash([]byte("1")), chainID, escrow))
}

func domainV1(chainID uint64, escrow common.Address) common.Hash {
	return domain("Tempo Stream Channel", chainID, escrow)
}

func domainV2(chainID uint64) common.Hash {
	return domain("TIP20 Channel Reserve", chainID, ReserveAddress)
}

// voucherDigest is what a voucher's signer signs.
func voucherDigest(separator, voucherType, id common.Hash, cumulative voucher.Amount) common.Hash {
	return crypto.Keccak256Hash([]byte{0x19, 0x01}, separator[:], crypto.Keccak256(words(voucherType, id, cumulative)))
}
