package channel

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Descriptor identifies a channel on its escrow and chain. With these two it hashes to the
// channel's id, so no channel can be mistaken for another. A v1 channel has no operator and no
// expiring nonce hash; both are zero.
type Descriptor struct {
	// Payer funded the channel and gets back what is left.
	Payer common.Address
	// Payee may settle and close.
	Payee common.Address
	// Operator may settle and close for the payee. The zero address means that there is none.
	Operator common.Address
	// Token is the TIP-20 token of the deposit.
	Token common.Address
	// Salt is 32 random bytes chosen by the payer.
	Salt common.Hash
	// AuthorizedSigner signs the vouchers. The zero address means the payer ([Descriptor.Signer]).
	AuthorizedSigner common.Address
	// ExpiringNonceHash binds a v2 channel to the transaction that opened it (TIP-1034).
	ExpiringNonceHash common.Hash
}

// Signer returns the address whose vouchers the escrow accepts: the authorized signer, or the payer
// if that is the zero address.
func (d Descriptor) Signer() common.Address {
	if d.AuthorizedSigner == (common.Address{}) {
		return d.Payer
	}
	return d.AuthorizedSigner
}

// ID returns the channel's id: the keccak256 of the ABI encoding of the descriptor, the escrow and
// the chain, in the order of the protocol (v2: TIP-1034; v1: draft-tempo-session-00).
func (d Descriptor) ID(p voucher.Protocol, escrow common.Address, chainID uint64) common.Hash {
	var w [9][32]byte
	n := 0
	word := func(b []byte) { copy(w[n][32-len(b):], b); n++ }
	word(d.Payer[:])
	word(d.Payee[:])
	if p == voucher.V2 {
		word(d.Operator[:])
	}
	word(d.Token[:])
	word(d.Salt[:])
	word(d.AuthorizedSigner[:])
	if p == voucher.V2 {
		word(d.ExpiringNonceHash[:])
	}
	word(escrow[:])
	binary.BigEndian.PutUint64(w[n][24:], chainID)
	n++
	buf := make([]byte, 0, len(w)*32)
	for _, one := range w[:n] {
		buf = append(buf, one[:]...)
	}
	return crypto.Keccak256Hash(buf)
}

// Identity identifies a channel. All fields are required, except the descriptor of a v1 channel.
type Identity struct {
	Protocol voucher.Protocol
	ChainID  uint64
	Escrow   common.Address
	ID       common.Hash
	// Descriptor hashes to ID, with Protocol, ChainID and Escrow.
	Descriptor Descriptor
}
