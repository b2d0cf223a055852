// Package voucher implements amounts, the typed data of vouchers and zero-dollar proofs, and the
// keys that sign them. It does no I/O and keeps no state.
//
// # Vouchers
//
// A voucher allows the payee of a channel to take up to a cumulative amount of the channel's
// deposit. It does not expire and cannot be revoked, so signing is spending. This package signs
// what its caller passes. The limits on what may be signed are in package channel and enforced in
// internal/ledger.
//
// A [Voucher] is hashed under a [Domain] (protocol, chain and escrow) as EIP-712 typed data, signed
// by a [Signer] and checked by [Verify].
//
// # Amounts
//
// An [Amount] counts base units in 128 bits and never wraps around. [ParseAmount] reads the form of
// the protocol. [ParseTokens] and [Amount.FormatTokens] are for input from and output to people.
//
// # Keys
//
// There are two roles, which may use two keys. The funding key belongs to the payer: it opens
// channels, tops up and withdraws ([TransactionSigner]), and proves who the payer is
// ([ProofSigner]). The voucher key is the authorized signer of a channel ([Signer]). For safety,
// keep the funding key offline and use a separate voucher key, which can spend no more than the
// deposits of its channels.
//
//   - [KeySigner]: a secp256k1 key in memory ([ParseKey], package voucher/keyfile).
//   - [DigestSigner]: a secp256k1 key in a KMS or HSM.
//   - [P256Signer]: a P256 key in memory, on v2 only.
//   - [AccessKey]: one of these as funding key, for the root account that authorized it.
//
// Implement the interfaces for other keys, for example a wallet with a display. No error and no printed,
// logged or marshaled value of this package shows a key.
//
// # Signatures
//
// Every signature has one canonical form: 65 bytes r || s || v with v 27 or 28, or on v2 and for
// transactions a TIP-1020 P256 envelope. s is always low. Incoming signatures must have the same
// form, because a signature with two forms could be counted twice.
package voucher

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Protocol is the version of the session protocol. It determines which escrow holds the deposit and
// how vouchers are hashed. The zero value is not a protocol.
type Protocol uint8

const (
	// V1 is the escrow contract ("Tempo Stream Channel"); amounts are uint128.
	V1 Protocol = 1
	// V2 is the TIP-1034 precompile ("TIP20 Channel Reserve"); amounts are uint96.
	V2 Protocol = 2
)

// String returns "v1" or "v2", as in methodDetails.sessionProtocol.
func (p Protocol) String() string {
	switch p {
	case V1:
		return "v1"
	case V2:
		return "v2"
	default:
		return fmt.Sprintf("protocol(%d)", uint8(p))
	}
}

// Max returns the largest amount, in base units, that the protocol's escrow can count.
func (p Protocol) Max() Amount {
	if p == V2 {
		return Amount{hi: 1<<32 - 1, lo: ^uint64(0)}
	}
	return MaxAmount
}

// Voucher is the data that a payer signs: the payee may take up to Cumulative base units in all
// from the deposit of ChannelID.
type Voucher struct {
	ChannelID  common.Hash
	Cumulative Amount
}

// Signed is a voucher with its signature. Check one that was received with [Verify] before using
// it.
type Signed struct {
	Voucher
	// Signature is 65 bytes r || s || v (v is 27 or 28) for secp256k1, or a TIP-1020 envelope on
	// v2.
	Signature []byte
}

// Signer signs vouchers with the voucher key (the channel's authorized signer). It gets the typed
// data, not a digest, so that an implementation can display it or apply rules to it. An
// implementation must be safe for concurrent use and obey the context.
type Signer interface {
	// Address returns the address that the escrow recovers from this signer's signatures. It must
	// never change.
	Address() common.Address
	// SignVoucher signs v under d. It returns 65 bytes with v 27 or 28 and low s, or for v2 a
	// TIP-1020 primitive envelope.
	SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error)
}

// ProofSigner signs zero-dollar proofs for the payer. An implementation must be safe for concurrent
// use and obey the context.
type ProofSigner interface {
	// Address returns the payer: the root account, also if an access key signs.
	Address() common.Address
	// SignProof signs p, whose Account is Address.
	SignProof(ctx context.Context, p Proof) ([]byte, error)
}

// Transaction is a Tempo transaction to be signed. Package channel/escrow creates them. A signer
// can inspect the transaction with a type assertion to escrow.Tx.
type Transaction interface {
	// SigningBytes returns the bytes whose keccak256 is signed (0x76 || rlp). The signer must not
	// change them.
	SigningBytes() []byte
	// String returns one line that tells a person what the transaction does.
	String() string
}

// TransactionSigner signs transactions with the funding key, which opens channels, tops up and
// withdraws. An implementation must be safe for concurrent use and obey the context.
type TransactionSigner interface {
	// Address returns the payer: the sender of the transaction.
	Address() common.Address
	// SignTransaction returns the sender's signature: 65 bytes with v 27 or 28, or a TIP-1020 or
	// keychain envelope.
	SignTransaction(ctx context.Context, tx Transaction) ([]byte, error)
}

// Errors of signatures.
var (
	// ErrSignatureFormat means that a signature has a form that the protocol does not accept.
	ErrSignatureFormat = errors.New("voucher: signature format not accepted")
	// ErrHighS means that s is above half the order of the curve. Such a signature is refused
	// because it is malleable.
	ErrHighS = errors.New("voucher: signature has a high s")
	// ErrSignerMismatch means that another key made the signature, or made it over other data.
	ErrSignerMismatch = errors.New("voucher: signed by another key")
)
