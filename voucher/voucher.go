// Package voucher is the ground that payments stand on: amounts, the typed data of vouchers and
// zero-dollar proofs, and the keys that sign them. It does no I/O and keeps no state.
//
// # What a voucher is
//
// A voucher says: "of the deposit in this channel, the payee may have up to this cumulative amount".
// It has no expiry and cannot be taken back, so signing is spending. This package signs whatever it is
// told to; what may be signed is decided in package channel and enforced at the one gate,
// internal/ledger.
//
// A [Voucher] is hashed under a [Domain] (protocol, chain and escrow) as EIP-712 typed data, signed by a
// [Signer] and checked by [Verify].
//
// # Amounts
//
// An [Amount] counts base units in 128 bits and never wraps around. [ParseAmount] reads what the wire has;
// [ParseTokens] and [Amount.FormatTokens] are for people and belong at the edges of a program.
//
// # Keys
//
// There are two roles, and they may be two keys. The funding key is the payer: it opens, tops up and
// withdraws ([TransactionSigner]), and shows who it is ([ProofSigner]). The voucher key is the channel's
// authorized signer ([Signer]). A careful arrangement keeps the funding key cold and lets a hot voucher
// key sign, whose reach is the deposit of its channels.
//
//   - [KeySigner]: a secp256k1 key in memory ([ParseKey], package voucher/keyfile).
//   - [DigestSigner]: a secp256k1 key in a KMS or HSM.
//   - [P256Signer]: a P256 key in memory, on v2 only.
//   - [AccessKey]: any of these, funding for the root account that authorized it.
//
// Other keys (a wallet with a screen, a policy of one's own) implement the interfaces. No error, log line or
// print of this package shows a key.
//
// # Signatures
//
// Every signature has one form: 65 bytes r || s || v with v 27 or 28, or on v2 and for transactions a
// TIP-1020 P256 envelope; s is always low. What comes in is held to the same: a signature that could be
// written in two ways could be counted twice.
package voucher

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Protocol is the version of the session protocol: which escrow holds the deposit, and how its
// vouchers are hashed. The zero value is no protocol.
type Protocol uint8

const (
	// V1 is the escrow contract ("Tempo Stream Channel"); amounts are uint128.
	V1 Protocol = 1
	// V2 is the TIP-1034 precompile ("TIP20 Channel Reserve"); amounts are uint96.
	V2 Protocol = 2
)

// String is "v1" or "v2", as in methodDetails.sessionProtocol.
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

// Max is the largest amount that the protocol's escrow can count, in base units.
func (p Protocol) Max() Amount {
	if p == V2 {
		return Amount{hi: 1<<32 - 1, lo: ^uint64(0)}
	}
	return MaxAmount
}

// Voucher is what a payer signs: of the deposit of ChannelID, up to Cumulative base units in all.
type Voucher struct {
	ChannelID  common.Hash
	Cumulative Amount
}

// Signed is a voucher with its signature as it goes over the wire. A Signed that came from outside
// is worth nothing before [Verify].
type Signed struct {
	Voucher
	// Signature is 65 bytes r || s || v (v is 27 or 28) for secp256k1, or a TIP-1020 envelope on v2.
	Signature []byte
}

// Signer holds the voucher key (the channel's authorized signer). It is shown the typed data that it
// signs, never a bare digest, so that a signer with a screen can show it and one with rules can obey
// them. An implementation must be safe for concurrent use and obey the context.
type Signer interface {
	// Address is the address that the escrow recovers from this signer's signatures. It is constant.
	Address() common.Address
	// SignVoucher signs v under d. It returns 65 bytes with v 27 or 28 and low s, or for v2 a TIP-1020
	// primitive envelope.
	SignVoucher(ctx context.Context, d *Domain, v Voucher) ([]byte, error)
}

// ProofSigner is a payer that can show it is itself, for zero dollars.
type ProofSigner interface {
	// Address is the payer (the root account, also where an access key signs).
	Address() common.Address
	// SignProof signs p. p.Account is Address.
	SignProof(ctx context.Context, p Proof) ([]byte, error)
}

// Transaction is a Tempo transaction that wants a signature. package channel/escrow makes them; its
// Tx can be read and shown by a careful signer with a type assertion.
type Transaction interface {
	// SigningBytes returns the exact bytes whose keccak256 is signed (0x76 || rlp). The signer does not
	// change them.
	SigningBytes() []byte
	// String says in one line, for a person, what the transaction does.
	String() string
}

// TransactionSigner holds the funding key: it opens, tops up and withdraws. An implementation must
// be safe for concurrent use and obey the context.
type TransactionSigner interface {
	// Address is the payer: the sender of the transaction.
	Address() common.Address
	// SignTransaction returns the sender's signature: 65 bytes with v 27 or 28, or a TIP-1020 or
	// keychain envelope.
	SignTransaction(ctx context.Context, tx Transaction) ([]byte, error)
}

// Errors of signatures.
var (
	// ErrSignatureFormat: the bytes are not in a form that this protocol accepts.
	ErrSignatureFormat = errors.New("voucher: signature format not accepted")
	// ErrHighS: the signature is the malleable twin (s above half the order).
	ErrHighS = errors.New("voucher: signature has a high s")
	// ErrSignerMismatch: the signature is sound but another key made it.
	ErrSignerMismatch = errors.New("voucher: signed by another key")
)
