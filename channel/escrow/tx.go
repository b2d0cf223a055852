package escrow

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// Tx is a Tempo transaction (type 0x76). The zero value of an optional field is its absence. A Tx is a
// plain value: it may be copied, and must not be changed while it is used elsewhere.
type Tx struct {
	// ChainID is the chain it is for.
	ChainID uint64
	// MaxPriorityFeePerGas and MaxFeePerGas are attodollars a gas (10^-18 of one dollar; 10^-12 base
	// units of a 6-decimal token).
	MaxPriorityFeePerGas, MaxFeePerGas uint64
	// Gas is the most gas that it may use.
	Gas uint64
	// Calls are executed in order, all or none.
	Calls []Call
	// NonceKey chooses the nonce; [ExpiringNonceKey] is TIP-1009's.
	NonceKey common.Hash
	// Nonce is zero for expiring nonces.
	Nonce uint64
	// ValidBefore and ValidAfter bound the block time (Unix seconds). Zero is no bound.
	ValidBefore, ValidAfter uint64
	// FeeToken pays the fee. Zero leaves it to the chain, or to the sponsor.
	FeeToken common.Address
	// Sponsored leaves the fee to somebody who signs later. What the sender signs then names no fee token.
	Sponsored bool
	// Sender is the root account. It is not part of the 0x76 form, where it follows from the signature.
	Sender common.Address
	// Signature is the sender's: 65 bytes r || s || v with v 27 or 28, or a TIP-1020 or keychain envelope.
	// Nil is unsigned.
	Signature []byte

	// AccessList, AuthorizationList and KeyAuthorization are kept as the RLP lists they are, so that a
	// transaction that was read is written as it was. Nil is an empty list, for KeyAuthorization none.
	AccessList, AuthorizationList, KeyAuthorization rlp.RawValue
	// FeePayerSignature is the sponsor's signature as an RLP list, present when a sponsor has completed
	// the transaction. Nil is none.
	FeePayerSignature rlp.RawValue
}

// Call is one call of a transaction.
type Call struct {
	// To is the callee. Nil creates a contract.
	To *common.Address
	// Value is not used by any call of a session. Nil is zero.
	Value *big.Int
	// Data is the calldata.
	Data []byte
}

// ExpiringNonceKey is the nonce key of transactions that can be mined once, until ValidBefore, in any order
// (TIP-1009).
var ExpiringNonceKey = common.MaxHash

// SigningBytes is what the sender signs the keccak256 of: 0x76 and the fields without the signature.
func (t *Tx) SigningBytes() []byte { return nil }

// String says in one line what the transaction does.
func (t *Tx) String() string { return "" }

// SigningHash is the keccak256 of [Tx.SigningBytes].
func (t *Tx) SigningHash() common.Hash { return common.Hash{} }

// ExpiringNonceHash is the replay id of the transaction, which names a v2 channel that it opens
// (TIP-1034): the keccak256 of [Tx.SigningBytes] and Sender.
func (t *Tx) ExpiringNonceHash() common.Hash { return common.Hash{} }

// Serialize is the transaction in its 0x76 form.
func (t *Tx) Serialize() []byte { return nil }

// Handoff is the form in which a sender hands a sponsored transaction to its sponsor (0x78). It cannot be
// broadcast.
func (t *Tx) Handoff() []byte { return nil }

// Hash is the transaction's hash: the keccak256 of [Tx.Serialize].
func (t *Tx) Hash() common.Hash { return common.Hash{} }

// DecodeTx reads a transaction in its 0x76 or 0x78 form.
func DecodeTx(raw []byte) (*Tx, error) { return nil, ErrTx }
