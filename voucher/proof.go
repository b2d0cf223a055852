package voucher

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// The fixed parts of the proof's typed data. Its domain names no contract, and its version is 3: the
// one that all current implementations verify.
var (
	proofDomainType    = hashOf("EIP712Domain(string name,string version,uint256 chainId)")
	proofDomainName    = hashOf("MPP")
	proofDomainVersion = hashOf("3")
	proofStruct        = hashOf("Proof(address account,string challengeId,string realm)")
)

// Proof is the typed data of the zero-dollar proof: "I am this account, and I answer this challenge".
// It moves no money. A server that checked it may hand out what it remembers about the account's
// channels, so sign one only for an amount of exactly zero and a realm that was asked.
type Proof struct {
	// ChainID is the chain of the challenge.
	ChainID uint64
	// Account is the payer. With an access key it is still the root account.
	Account common.Address
	// ChallengeID and Realm are those of the challenge, byte for byte.
	ChallengeID, Realm string
}

// Digest is the hash that signs p (EIP-712). It does not allocate.
func (p Proof) Digest() common.Hash {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	id, realm := h.sumString(p.ChallengeID), h.sumString(p.Realm)

	copy(h.in[0:], proofDomainType[:])
	copy(h.in[32:], proofDomainName[:])
	copy(h.in[64:], proofDomainVersion[:])
	clear(h.in[96:120])
	binary.BigEndian.PutUint64(h.in[120:], p.ChainID)
	separator := h.sum(128)

	copy(h.in[0:], proofStruct[:])
	clear(h.in[32:44])
	copy(h.in[44:], p.Account[:])
	copy(h.in[64:], id[:])
	copy(h.in[96:], realm[:])
	return h.typed(separator, h.sum(128))
}

// check refuses a proof of somebody else's account.
func (p Proof) check(account common.Address) error {
	if p.Account != account {
		return fmt.Errorf("%w: the proof names account %s, this signer is %s", ErrSignerMismatch, p.Account, account)
	}
	return nil
}
