package voucher

import "github.com/ethereum/go-ethereum/common"

// Domain is the EIP-712 domain of one escrow on one chain.
type Domain struct {
	protocol  Protocol
	chainID   uint64
	escrow    common.Address
	separator common.Hash
}

// Proof is the typed data of the zero-dollar proof.
type Proof struct {
	ChainID     uint64
	Account     common.Address
	ChallengeID string
	Realm       string
}
