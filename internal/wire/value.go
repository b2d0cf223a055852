package wire

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Value is one well-formed JSON value, as it is written. Its methods read it as one thing and nothing
// else; they are what [Required], [Optional] and [Pointer] are given.
type Value string

var (
	errMissing = errors.New("is missing")
	errString  = errors.New("is not a string")
	errInteger = errors.New("is not a whole number")
	errBool    = errors.New("is not true or false")
	errObject  = errors.New("is not an object")
	errHex     = errors.New("is not 0x and hexadecimal digits of the right length")
)

// Text is a string.
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

// Amount is a decimal string of base units. A JSON number is refused: amounts do not fit into what
// many JSON readers make of numbers.
func (v Value) Amount() (voucher.Amount, error) {
	s, err := v.Text()
	if err != nil {
		return voucher.Amount{}, err
	}
	return voucher.ParseAmount(s)
}

// Uint64 is a JSON number without fraction and exponent.
func (v Value) Uint64() (uint64, error) {
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil {
		return 0, errInteger
	}
	return n, nil
}

// Seconds is a point in Unix time: a decimal string, as mppx writes it, or a whole number.
func (v Value) Seconds() (uint64, error) {
	if s, err := v.Text(); err == nil {
		v = Value(s)
	}
	return v.Uint64()
}

// Bool is true or false.
func (v Value) Bool() (bool, error) {
	if v != "true" && v != "false" {
		return false, errBool
	}
	return v == "true", nil
}

// Bytes is a string of 0x and hexadecimal digits in any case.
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

// Address is 20 bytes in hexadecimal; a checksum in the case of its letters is not looked at.
func (v Value) Address() (a common.Address, err error) {
	err = v.fixed(a[:])
	return a, err
}

// Hash is 32 bytes in hexadecimal.
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

// Object is a nested object.
func (v Value) Object() (*Object, error) {
	if v == "" || v[0] != '{' {
		return nil, errObject
	}
	return readObject(string(v))
}

// shown quotes a text from outside for an error, cut to what a person reads.
func shown(s string) string {
	if len(s) > 48 {
		s = s[:48] + "…"
	}
	return fmt.Sprintf("%q", s)
}
