package devchain

import (
	"bytes"
	"encoding/binary"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// selector is the first four bytes of calldata, or of a custom error.
type selector [4]byte

// selectorOf hashes a signature as it is written in Solidity.
func selectorOf(signature string) selector {
	return selector(crypto.Keccak256([]byte(signature))[:4])
}

// args reads the static words of calldata in order. It is strict: a word with dirty upper bits, or
// calldata that is too short, sets bad, and the call reverts without data as a Solidity contract does.
type args struct {
	data []byte // behind the selector
	pos  int
	bad  bool
}

func (a *args) word() (w [32]byte) {
	if len(a.data)-a.pos < 32 {
		a.bad = true
		return w
	}
	copy(w[:], a.data[a.pos:])
	a.pos += 32
	return w
}

func (a *args) hash() common.Hash { return a.word() }

func (a *args) address() common.Address {
	w := a.word()
	a.clean(w[:12])
	return common.Address(w[12:])
}

// amount reads an unsigned integer of at most 128 bits.
func (a *args) amount(bits int) voucher.Amount {
	w := a.word()
	a.clean(w[:32-bits/8])
	amount, _ := voucher.AmountFromBig(new(big.Int).SetBytes(w[16:]))
	return amount
}

// number reads a uint256.
func (a *args) number() *big.Int {
	w := a.word()
	return new(big.Int).SetBytes(w[:])
}

// bytes reads a dynamic byte string through its offset.
func (a *args) bytes() []byte {
	from := a.offset()
	if a.bad {
		return nil
	}
	size := args{data: a.data, pos: from}
	n := size.length()
	if size.bad || len(a.data)-size.pos < n {
		a.bad = true
		return nil
	}
	return a.data[size.pos : size.pos+n]
}

// hashes reads a dynamic bytes32[] through its offset.
func (a *args) hashes() []common.Hash {
	list := args{data: a.data, pos: a.offset()}
	n := list.length()
	if a.bad || list.bad || (len(a.data)-list.pos)/32 < n {
		a.bad = true
		return nil
	}
	out := make([]common.Hash, n)
	for i := range out {
		out[i] = list.hash()
	}
	return out
}

// offset reads where a dynamic value begins.
func (a *args) offset() int {
	n := a.length()
	if n > len(a.data) {
		a.bad = true
		return 0
	}
	return n
}

// length reads a word that counts bytes or elements of this calldata.
func (a *args) length() int {
	w := a.word()
	a.clean(w[:28])
	return int(binary.BigEndian.Uint32(w[28:]))
}

// clean notes upper bits that are not zero.
func (a *args) clean(upper []byte) {
	a.bad = a.bad || len(bytes.Trim(upper, "\x00")) != 0
}

// words encodes static values: addresses, hashes, amounts, numbers and booleans.
func words(values ...any) []byte {
	out := make([]byte, 0, 32*len(values))
	for _, v := range values {
		var w [32]byte
		switch v := v.(type) {
		case common.Address:
			copy(w[12:], v[:])
		case common.Hash:
			w = v
		case voucher.Amount:
			w = v.Word()
		case *big.Int:
			v.FillBytes(w[:])
		case uint64:
			binary.BigEndian.PutUint64(w[24:], v)
		case bool:
			if v {
				w[31] = 1
			}
		default:
			panic("devchain: words cannot encode this type")
		}
		out = append(out, w[:]...)
	}
	return out
}

// dynamicBytes encodes one byte string as the tail of calldata or of a result: length and padded data.
func dynamicBytes(b []byte) []byte {
	out := append(words(uint64(len(b))), b...)
	return append(out, make([]byte, (32-len(b)%32)%32)...)
}

// revert is how a call fails: with the bytes that the contract returns.
type revert struct{ data []byte }

func (r *revert) Error() string {
	if name := errorName(r.data); name != "" {
		return "execution reverted: " + name
	}
	return "execution reverted"
}

// ErrorCode is 3, as JSON-RPC has it for a revert.
func (r *revert) ErrorCode() int { return 3 }

// ErrorData is the revert data in hexadecimal.
func (r *revert) ErrorData() any { return hexBytes(r.data) }

// customErrors are the signatures of all errors that the contracts here revert with.
var customErrors = map[selector]string{}

// newError names a custom error once; revertWith reverts with it.
func newError(signature string) selector {
	s := selectorOf(signature)
	customErrors[s] = signature
	return s
}

func revertWith(s selector, values ...any) *revert {
	return &revert{append(s[:], words(values...)...)}
}

// errorName is the signature of the custom error in revert data, or empty.
func errorName(data []byte) string {
	if len(data) < 4 {
		return ""
	}
	return customErrors[selector(data[:4])]
}
