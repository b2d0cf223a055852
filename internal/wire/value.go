package wire

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Value is the text of one well-formed JSON value. Each method reads it as one type and returns an
// error for any other; pass them to [Required], [Optional] and [Pointer].
type Value string

// Text reads a string.
func (v Value) Text() (string, error) {
	if len(v) < 2 || v[0] != '"' {
		return "", errString
	}
	if !strings.Contains(string(v), `\`) {
		return string(v[1 : len(v)-1]), nil
	}
	var s string
	err := json.Unmarshal([]byte(v), &s)
	return s, err
}

// Amount reads a decimal string of base units. A JSON number is an error, because many JSON readers
// cannot represent amounts as numbers.
func (v Value) Amount() (voucher.Amount, error) {
	s, err := v.Text()
	if err != nil {
		return voucher.Amount{}, err
	}
	return voucher.ParseAmount(s)
}

// Uint64 reads a JSON number without fraction and exponent.
func (v Value) Uint64() (uint64, error) {
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil {
		return 0, errInteger
	}
	return n, nil
}

// Seconds reads a Unix time: a decimal string, as mppx writes it, or a whole number.
func (v Value) Seconds() (uint64, error) {
	if s, err := v.Text(); err == nil {
		v = Value(s)
	}
	return v.Uint64()
}

// Bool reads true or false.
func (v Value) Bool() (bool, error) {
	if v != "true" && v != "false" {
		return false, errBool
	}
	return v == "true", nil
}

// Bytes reads a string of 0x and hexadecimal digits in any case.
func (v Value) Bytes() ([]byte, error) {
	s, err := v.Text()
	if err != nil {
		return nil, err
	}
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return nil, errHex
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		return nil, errHex
	}
	return b, nil
}

// Address reads 20 bytes in hexadecimal. It does not check the checksum in the case of the letters.
func (v Value) Address() (a common.Address, err error) {
	err = v.fixed(a[:])
	return a, err
}

// Hash reads 32 bytes in hexadecimal.
func (v Value) Hash() (h common.Hash, err error) {
	err = v.fixed(h[:])
	return h, err
}

func (v Value) fixed(dst []byte) error {
	s, err := v.Text()
	if err != nil {
		return err
	}
	return fixedHex(dst, s)
}

// fixedHex reads 0x and exactly the digits that fill dst.
func fixedHex(dst []byte, s string) error {
	if len(s) != 2+2*len(dst) || s[:2] != "0x" {
		return errHex
	}
	if _, err := hex.Decode(dst, []byte(s[2:])); err != nil {
		return errHex
	}
	return nil
}

// Object reads a nested object.
func (v Value) Object() (*Object, error) {
	if v == "" || v[0] != '{' {
		return nil, errObject
	}
	return readObject(string(v))
}

// shown quotes a text from outside for an error message and cuts it at 48 bytes.
func shown(s string) string {
	if len(s) > 48 {
		s = s[:48] + "…"
	}
	return fmt.Sprintf("%q", s)
}
