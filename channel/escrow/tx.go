package escrow

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Tx is a Tempo transaction (type 0x76). An optional field with its zero value is absent. A Tx is a plain
// value: it may be copied, and must not be changed while it is used elsewhere.
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
	// FeeToken pays the fee. Zero leaves the choice to the chain, or to the sponsor.
	FeeToken common.Address
	// Sponsored means that a sponsor pays the fee and signs later. The sender then signs no fee
	// token.
	Sponsored bool
	// Sender is the root account. It is not part of the 0x76 form, in which the signature implies
	// it.
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

// The type bytes of a Tempo transaction and of its hand-off form.
const (
	txType      = 0x76
	handoffType = 0x78
)

// rlpNothing is an empty string, rlpZeroByte the string of one zero byte (the mark of a sponsored
// transaction), rlpNoItems an empty list.
var (
	rlpNothing  = rlp.RawValue{0x80}
	rlpZeroByte = rlp.RawValue{0x00}
	rlpNoItems  = rlp.RawValue{0xc0}
)

// SigningBytes returns the bytes whose keccak256 the sender signs: 0x76 and all fields but the
// signature. A sponsored transaction is signed without a fee token and with a zero byte in place of
// the sponsor's signature, so that the sponsor can fill in both.
func (t *Tx) SigningBytes() []byte {
	if t.Sponsored {
		return t.encode(txType, common.Address{}, rlpZeroByte, nil)
	}
	return t.encode(txType, t.FeeToken, rlpNothing, nil)
}

// SigningHash returns the keccak256 of [Tx.SigningBytes].
func (t *Tx) SigningHash() common.Hash { return crypto.Keccak256Hash(t.SigningBytes()) }

// ExpiringNonceHash returns the replay id of the transaction, which names a v2 channel that it
// opens (TIP-1034): the keccak256 of [Tx.SigningBytes] and the 20 bytes of Sender. It does not
// depend on the signatures.
func (t *Tx) ExpiringNonceHash() common.Hash {
	return crypto.Keccak256Hash(t.SigningBytes(), t.Sender[:])
}

// Serialize returns the transaction in its 0x76 form, which a node accepts. A sponsored one needs
// the signature of its sponsor first.
func (t *Tx) Serialize() []byte {
	switch {
	case t.FeePayerSignature != nil:
		return t.encode(txType, t.FeeToken, t.FeePayerSignature, t.Signature)
	case t.Sponsored:
		return t.encode(txType, common.Address{}, rlpZeroByte, t.Signature)
	default:
		return t.encode(txType, t.FeeToken, rlpNothing, t.Signature)
	}
}

// Handoff returns the form in which a sender hands a sponsored transaction to its sponsor: type
// 0x78, with the sender's address in place of the sponsor's signature. It cannot be broadcast.
func (t *Tx) Handoff() []byte {
	var slot [1 + common.AddressLength]byte
	slot[0] = 0x80 + common.AddressLength
	copy(slot[1:], t.Sender[:])
	return t.encode(handoffType, common.Address{}, slot[:], t.Signature)
}

// Hash returns the transaction's hash: the keccak256 of [Tx.Serialize]. A sponsor changes it.
func (t *Tx) Hash() common.Hash { return crypto.Keccak256Hash(t.Serialize()) }

// encode writes the fields in their order. feePayer is RLP already. A nil signature is left out.
func (t *Tx) encode(kind byte, feeToken common.Address, feePayer rlp.RawValue, signature []byte) []byte {
	w := rlp.NewEncoderBuffer(nil)
	list := w.List()
	w.WriteUint64(t.ChainID)
	w.WriteUint64(t.MaxPriorityFeePerGas)
	w.WriteUint64(t.MaxFeePerGas)
	w.WriteUint64(t.Gas)
	calls := w.List()
	for _, c := range t.Calls {
		c.encode(w)
	}
	w.ListEnd(calls)
	writeRaw(w, t.AccessList, rlpNoItems)
	w.WriteBytes(common.TrimLeftZeroes(t.NonceKey[:]))
	w.WriteUint64(t.Nonce)
	w.WriteUint64(t.ValidBefore) // an absent bound and a zero are both the empty string
	w.WriteUint64(t.ValidAfter)
	writeAddress(w, feeToken)
	writeRaw(w, feePayer, rlpNothing)
	writeRaw(w, t.AuthorizationList, rlpNoItems)
	writeRaw(w, t.KeyAuthorization, nil) // no placeholder: absent means one element less
	if signature != nil {
		w.WriteBytes(signature)
	}
	w.ListEnd(list)
	return append([]byte{kind}, w.ToBytes()...)
}

func (c Call) encode(w rlp.EncoderBuffer) {
	list := w.List()
	if c.To == nil {
		w.WriteBytes(nil)
	} else {
		w.WriteBytes(c.To[:])
	}
	if c.Value == nil {
		w.WriteUint64(0)
	} else {
		w.WriteBytes(c.Value.Bytes())
	}
	w.WriteBytes(c.Data)
	w.ListEnd(list)
}

// writeAddress writes the zero address as an absent one.
func writeAddress(w rlp.EncoderBuffer, a common.Address) {
	if a == (common.Address{}) {
		w.WriteBytes(nil)
		return
	}
	w.WriteBytes(a[:])
}

// writeRaw writes RLP as it is, or absent instead of nothing. Writing to the buffer does not fail.
func writeRaw(w rlp.EncoderBuffer, raw, absent rlp.RawValue) {
	if raw == nil {
		raw = absent
	}
	_, _ = w.Write(raw)
}
