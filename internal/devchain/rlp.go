package devchain

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// splitList takes exactly one list apart into its encoded elements.
func splitList(b []byte) ([]rlp.RawValue, error) {
	content, rest, err := rlp.SplitList(b)
	if err != nil {
		return nil, err
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("%d bytes behind the list", len(rest))
	}
	var items []rlp.RawValue
	for len(content) > 0 {
		_, _, after, err := rlp.Split(content)
		if err != nil {
			return nil, err
		}
		items = append(items, rlp.RawValue(content[:len(content)-len(after)]))
		content = after
	}
	return items, nil
}

func isList(item rlp.RawValue) bool { return len(item) > 0 && item[0] >= 0xc0 }

// asString returns the content of one encoded byte string.
func asString(item rlp.RawValue) ([]byte, error) {
	content, _, err := rlp.SplitString(item)
	return content, err
}

// rawString encodes a byte string.
func rawString(b []byte) rlp.RawValue {
	out, _ := rlp.EncodeToBytes(b) // cannot fail for bytes
	return out
}

// rawNumber encodes a number without leading zeros.
func rawNumber(n *big.Int) rlp.RawValue { return rawString(n.Bytes()) }

func rawUint(n uint64) rlp.RawValue { return rawNumber(new(big.Int).SetUint64(n)) }

// rawList puts encoded elements into a list.
func rawList(items ...rlp.RawValue) rlp.RawValue {
	out, _ := rlp.EncodeToBytes(items) // cannot fail for encoded elements
	return out
}

// envelope puts the type byte before the list of fields.
func envelope(kind byte, fields []rlp.RawValue) []byte {
	return append([]byte{kind}, rawList(fields...)...)
}

// fieldReader reads fields by position and keeps the first error.
type fieldReader struct {
	fields []rlp.RawValue
	err    error
}

func (r *fieldReader) fail(i int, err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("field %d: %w", i, err)
	}
}

// number reads an unsigned integer of at most size bytes without leading zeros.
func (r *fieldReader) number(i, size int) *big.Int {
	b, err := asString(r.fields[i])
	switch {
	case err != nil:
		r.fail(i, err)
	case len(b) > size:
		r.fail(i, fmt.Errorf("a number of %d bytes, more than %d", len(b), size))
	case len(b) > 0 && b[0] == 0:
		r.fail(i, errors.New("a number with a leading zero"))
	}
	if r.err != nil {
		return new(big.Int)
	}
	return new(big.Int).SetBytes(b)
}

func (r *fieldReader) uint64(i int) uint64 { return r.number(i, 8).Uint64() }

// optionalAddress reads 20 bytes or nothing.
func (r *fieldReader) optionalAddress(i int) (common.Address, bool) {
	b, err := asString(r.fields[i])
	if err == nil && len(b) != 0 && len(b) != common.AddressLength {
		err = fmt.Errorf("an address of %d bytes", len(b))
	}
	r.fail(i, err)
	if r.err != nil || len(b) == 0 {
		return common.Address{}, false
	}
	return common.Address(b), true
}

// list reads the elements of a list.
func (r *fieldReader) list(i int) []rlp.RawValue {
	items, err := splitList(r.fields[i])
	r.fail(i, err)
	return items
}

// calls reads the list of calls.
func (r *fieldReader) calls(i int) []call {
	var out []call
	for _, item := range r.list(i) {
		fields, err := splitList(item)
		if err == nil && len(fields) != 3 {
			err = fmt.Errorf("a call of %d fields, not 3", len(fields))
		}
		if err != nil {
			r.fail(i, err)
			return nil
		}
		one := fieldReader{fields: fields}
		to, ok := one.optionalAddress(0)
		c := call{value: one.number(1, 32)}
		if ok {
			c.to = &to
		}
		c.data, err = asString(fields[2])
		one.fail(2, err)
		r.fail(i, one.err)
		out = append(out, c)
	}
	return out
}
