package escrow

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// maxTxSize bounds what is read: no transaction of a session comes near it.
const maxTxSize = 128 << 10

// DecodeTx reads a transaction in its 0x76 or 0x78 form. It accepts only the canonical form, so that
// [Tx.Serialize] returns the same bytes for a 0x76 form, and [Tx.Handoff] for a 0x78 form. The error is
// [ErrTx].
//
// Sender is recovered from a valid signature: it is zero if the transaction is unsigned, or signed
// in a way that only a node can verify. A hand-off that another key than its sender's signed is
// refused.
func DecodeTx(raw []byte) (*Tx, error) {
	if len(raw) == 0 || len(raw) > maxTxSize || (raw[0] != txType && raw[0] != handoffType) {
		return nil, fmt.Errorf("%w: %d bytes that do not start with 0x76 or 0x78", ErrTx, len(raw))
	}
	body, rest, err := rlp.SplitList(raw[1:])
	if err != nil || len(rest) != 0 {
		return nil, fmt.Errorf("%w: not one list to the end", ErrTx)
	}
	t, d := &Tx{}, &decoder{rest: body}
	t.ChainID = d.uint64("chain id")
	t.MaxPriorityFeePerGas = d.uint64("priority fee")
	t.MaxFeePerGas = d.uint64("fee")
	t.Gas = d.uint64("gas")
	t.Calls = d.calls()
	t.AccessList = d.list("access list")
	t.NonceKey = common.BytesToHash(d.number("nonce key", 32))
	t.Nonce = d.uint64("nonce")
	t.ValidBefore = d.uint64("valid before")
	t.ValidAfter = d.uint64("valid after")
	t.FeeToken = d.address("fee token")
	d.feePayer(t, raw[0])
	t.AuthorizationList = d.list("authorization list")
	d.tail(t)
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTx, d.err)
	}
	return t, t.findSender(raw[0] == handoffType)
}

// decoder takes element after element off an RLP list. After the first error it does nothing.
type decoder struct {
	rest []byte
	err  error
}

// next returns the next element: its bytes, and its content.
func (d *decoder) next(name string) (kind rlp.Kind, raw, content []byte) {
	if d.err != nil {
		return rlp.String, nil, nil
	}
	kind, content, rest, err := rlp.Split(d.rest)
	if err != nil {
		d.err = fmt.Errorf("%s: %w", name, err)
		return rlp.String, nil, nil
	}
	raw = d.rest[:len(d.rest)-len(rest)]
	d.rest = rest
	return kind, raw, content
}

// string returns the content of a string.
func (d *decoder) string(name string) []byte {
	kind, _, content := d.next(name)
	if kind == rlp.List {
		d.fail(name, "a list, not a string")
		return nil
	}
	return content
}

// list returns a copy of a list with its header. An empty one is nil.
func (d *decoder) list(name string) rlp.RawValue {
	kind, raw, content := d.next(name)
	if d.err == nil && kind != rlp.List {
		d.fail(name, "not a list")
	}
	if d.err != nil || len(content) == 0 {
		return nil
	}
	return append(rlp.RawValue(nil), raw...)
}

// number returns a minimal big-endian number.
func (d *decoder) number(name string, size int) []byte {
	b := d.string(name)
	if len(b) > size || (len(b) > 0 && b[0] == 0) {
		d.fail(name, "too large, or with leading zeros")
		return nil
	}
	return b
}

func (d *decoder) uint64(name string) uint64 {
	return new(big.Int).SetBytes(d.number(name, 8)).Uint64()
}

// address returns an optional address. One of 20 zero bytes could not be told from an absent one.
func (d *decoder) address(name string) common.Address {
	a, ok := d.optionalAddress(name)
	if ok && a == (common.Address{}) {
		d.fail(name, "the zero address")
	}
	return a
}

func (d *decoder) optionalAddress(name string) (a common.Address, ok bool) {
	b := d.string(name)
	if len(b) != 0 && len(b) != common.AddressLength {
		d.fail(name, "not an address")
		return a, false
	}
	return common.BytesToAddress(b), len(b) != 0
}

func (d *decoder) calls() []Call {
	kind, _, content := d.next("calls")
	if kind != rlp.List || len(content) == 0 {
		d.fail("calls", "none")
		return nil
	}
	var calls []Call
	for all := (&decoder{rest: content}); len(all.rest) > 0; {
		kind, _, one := all.next("call")
		if all.err != nil || kind != rlp.List {
			d.fail("calls", "not a list of calls")
			return nil
		}
		in, c := &decoder{rest: one}, Call{}
		if to, ok := in.optionalAddress("to"); ok {
			c.To = &to
		}
		if v := in.number("value", 32); len(v) > 0 {
			c.Value = new(big.Int).SetBytes(v)
		}
		c.Data = append([]byte(nil), in.string("data")...)
		if in.err != nil || len(in.rest) != 0 {
			d.fail("calls", "a call is [to, value, data]")
			return nil
		}
		calls = append(calls, c)
	}
	return calls
}

// feePayer reads who pays the fee: nobody else (empty), a sponsor to come (a zero byte, or the sender's
// address in a hand-off), or a sponsor that has signed (a list).
func (d *decoder) feePayer(t *Tx, form byte) {
	const name = "fee payer"
	kind, raw, content := d.next(name)
	t.Sponsored = true
	switch {
	case d.err != nil:
		return
	case form == handoffType && kind != rlp.List && len(content) == common.AddressLength:
		t.Sender = common.BytesToAddress(content)
	case form == handoffType:
		d.fail(name, "a hand-off has the sender's address here")
	case kind == rlp.List && len(content) > 0:
		t.FeePayerSignature = append(rlp.RawValue(nil), raw...)
		return // the sponsor's fee token stays
	case kind != rlp.List && len(content) == 0:
		t.Sponsored = false
		return
	case kind == rlp.List || len(content) != 1 || content[0] != 0:
		d.fail(name, "neither empty, a zero byte nor a signature")
	}
	if t.FeeToken != (common.Address{}) {
		d.fail("fee token", "the sponsor chooses it")
	}
}

// tail reads what is left: an optional key authorization (a list), then an optional signature (a string).
func (d *decoder) tail(t *Tx) {
	if d.err == nil && len(d.rest) > 0 && d.rest[0] >= 0xc0 {
		if _, raw, content := d.next("key authorization"); len(content) > 0 {
			t.KeyAuthorization = append(rlp.RawValue(nil), raw...)
		} else {
			d.fail("key authorization", "empty")
		}
	}
	if d.err == nil && len(d.rest) > 0 {
		t.Signature = append([]byte{}, d.string("signature")...)
		if len(t.Signature) == 0 {
			d.fail("signature", "empty")
		}
	}
	if d.err == nil && len(d.rest) > 0 {
		d.fail("end", "more elements than a transaction has")
	}
}

// fail keeps the first error.
func (d *decoder) fail(name, what string) {
	if d.err == nil {
		d.err = errors.New(name + ": " + what)
	}
}
