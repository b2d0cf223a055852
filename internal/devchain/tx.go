package devchain

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Envelope type bytes of Tempo transactions.
const (
	typeTempo   = 0x76 // a transaction; also the prefix of what the sender signs
	typeHandoff = 0x78 // a signed transaction on its way to a sponsor; also the prefix of what the sponsor signs
)

// maxTransaction is the largest serialized transaction that is looked at, in bytes.
const maxTransaction = 128 << 10

// Positions of the fields in the RLP list.
const (
	fieldChainID = iota
	fieldMaxPriorityFee
	fieldMaxFee
	fieldGas
	fieldCalls
	fieldAccessList
	fieldNonceKey
	fieldNonce
	fieldValidBefore
	fieldValidAfter
	fieldFeeToken
	fieldFeePayer
	fieldAuthorizations
	fieldKeyAuthorization // left out entirely when absent
)

var (
	emptyString      = rlp.RawValue{0x80}
	emptyList        = rlp.RawValue{0xc0}
	sponsorSlotEmpty = rlp.RawValue{0x00} // a sponsor will sign
	expiringNonceKey = common.MaxHash
)

// feePayerKind is what the fee payer field holds.
type feePayerKind uint8

const (
	feePayerNone        feePayerKind = iota // empty: the sender pays
	feePayerPlaceholder                     // 0x00: a sponsor is to sign
	feePayerSender                          // an address: the hand-off form
	feePayerSigned                          // a list: the sponsor has signed
)

// call is one call of a transaction. A nil to would create a contract.
type call struct {
	to    *common.Address
	value *big.Int
	data  []byte
}

// transaction is a decoded Tempo transaction. Its fields are kept as they came, so that the bytes
// that were signed can be put together again.
type transaction struct {
	kind      byte
	fields    []rlp.RawValue // without the signature
	signature []byte
	hash      common.Hash // of the serialized bytes

	chainID, gas, nonce     uint64
	maxPriorityFee, maxFee  *big.Int
	calls                   []call
	nonceKey                common.Hash
	validBefore, validAfter uint64 // zero is absent
	feeToken                common.Address
	hasFeeToken             bool
	feePayer                feePayerKind
	handoffSender           common.Address // with feePayerSender
	sponsorSignature        []byte         // r || s || v, with feePayerSigned
}

// decodeTransaction reads a signed transaction in one of its serialized forms.
func decodeTransaction(raw []byte) (*transaction, error) {
	if len(raw) == 0 || len(raw) > maxTransaction {
		return nil, fmt.Errorf("a transaction has 1 to %d bytes, not %d", maxTransaction, len(raw))
	}
	if raw[0] != typeTempo && raw[0] != typeHandoff {
		return nil, fmt.Errorf("transaction type 0x%02x is not known here; send a Tempo transaction (0x76)", raw[0])
	}
	items, err := splitList(raw[1:])
	if err != nil {
		return nil, err
	}
	t := &transaction{kind: raw[0], hash: crypto.Keccak256Hash(raw)}
	// The last element is the signature; a list before it is a key authorization.
	n := len(items) - 1
	if n != fieldKeyAuthorization && (n != fieldKeyAuthorization+1 || !isList(items[fieldKeyAuthorization])) {
		return nil, fmt.Errorf("a signed transaction has 14 fields, or 15 with a key authorization, not %d", len(items))
	}
	t.fields = items[:n]
	if t.signature, err = asString(items[n]); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	r := fieldReader{fields: t.fields}
	t.chainID, t.gas, t.nonce = r.uint64(fieldChainID), r.uint64(fieldGas), r.uint64(fieldNonce)
	t.maxPriorityFee, t.maxFee = r.number(fieldMaxPriorityFee, 16), r.number(fieldMaxFee, 16)
	t.nonceKey = common.BigToHash(r.number(fieldNonceKey, 32))
	t.validBefore, t.validAfter = r.uint64(fieldValidBefore), r.uint64(fieldValidAfter)
	t.feeToken, t.hasFeeToken = r.optionalAddress(fieldFeeToken)
	t.calls = r.calls(fieldCalls)
	r.list(fieldAccessList)
	r.list(fieldAuthorizations)
	if r.err == nil {
		r.err = t.readFeePayer(t.fields[fieldFeePayer])
	}
	return t, r.err
}

// readFeePayer reads the field that says who pays.
func (t *transaction) readFeePayer(field rlp.RawValue) error {
	switch {
	case isList(field):
		return t.readSponsorSignature(field)
	case bytes.Equal(field, emptyString):
		t.feePayer = feePayerNone
	case bytes.Equal(field, sponsorSlotEmpty):
		t.feePayer = feePayerPlaceholder
	default:
		sender, err := asString(field)
		if err != nil || len(sender) != common.AddressLength {
			return errors.New("the fee payer field is neither empty, 0x00, an address nor a signature")
		}
		t.feePayer, t.handoffSender = feePayerSender, common.Address(sender)
	}
	if (t.feePayer == feePayerSender) != (t.kind == typeHandoff) {
		return errors.New("the sender's address belongs in the fee payer field of the 0x78 form, and only there")
	}
	return nil
}

// readSponsorSignature reads [yParity, r, s] into 65 bytes.
func (t *transaction) readSponsorSignature(field rlp.RawValue) error {
	items, err := splitList(field)
	if err != nil || len(items) != 3 || t.kind != typeTempo {
		return errors.New("the sponsor's signature is not a list of parity, r and s in a 0x76 transaction")
	}
	r := fieldReader{fields: items}
	parity, sr, ss := r.uint64(0), r.number(1, 32), r.number(2, 32)
	if r.err != nil || parity > 1 {
		return errors.New("the sponsor's signature is not a parity of 0 or 1 and two numbers of 32 bytes")
	}
	t.sponsorSignature = make([]byte, 65)
	sr.FillBytes(t.sponsorSignature[:32])
	ss.FillBytes(t.sponsorSignature[32:64])
	t.sponsorSignature[64] = byte(27 + parity)
	t.feePayer = feePayerSigned
	return nil
}

// senderPreimage is what the sender signed: prefix 0x76, no signature, and when somebody sponsors no
// fee token and 0x00 for the fee payer, whoever that turns out to be.
func (t *transaction) senderPreimage() []byte {
	fields := append([]rlp.RawValue(nil), t.fields...)
	if t.feePayer != feePayerNone {
		fields[fieldFeeToken], fields[fieldFeePayer] = emptyString, sponsorSlotEmpty
	}
	return envelope(typeTempo, fields)
}

// sponsorPreimage is what a sponsor signs: prefix 0x78, the fee token, the sender for the fee payer.
func (t *transaction) sponsorPreimage(sender, feeToken common.Address) []byte {
	fields := append([]rlp.RawValue(nil), t.fields...)
	fields[fieldFeeToken], fields[fieldFeePayer] = rawString(feeToken[:]), rawString(sender[:])
	return envelope(typeHandoff, fields)
}

// expiring reports whether the transaction is protected by its validBefore instead of a counter.
func (t *transaction) expiring() bool { return t.nonceKey == expiringNonceKey }
