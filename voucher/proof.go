package voucher

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// The constant parts of the proof's typed data. Its domain names no contract. Its version is 3,
// which all current implementations verify.
var (
	proofDomainType    = hashOf("EIP712Domain(string name,string version,uint256 chainId)")
	proofDomainName    = hashOf("MPP")
	proofDomainVersion = hashOf("3")
	proofStruct        = hashOf("Proof(address account,string challengeId,string realm)")
)

// Proof is the typed data of the zero-dollar proof: "I am this account, and I answer this challenge". It
// moves no money. A server that verified it may disclose what it knows about the account's channels, so
// sign one only for an amount of exactly zero and for the realm of the server that the request is for.
type Proof struct {
	// ChainID is the chain of the challenge.
	ChainID uint64
	// Account is the payer: the root account, also if an access key signs.
	Account common.Address
	// ChallengeID and Realm are copied from the challenge byte for byte.
	ChallengeID, Realm string
}

// Digest returns the EIP-712 hash of p, which a signer signs. It does not allocate.
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

// check returns an error if the proof names another account.
func (p Proof) check(account common.Address) error {
	if p.Account != account {
		return fmt.Errorf(
			"%w: the proof names account %s, the signer is %s", ErrSignerMismatch, p.Account,
			account,
		)
	}
	return nil
}
