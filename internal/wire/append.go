package wire

import (
	"encoding/hex"
	"encoding/json"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// appendHex appends b as a JSON string of 0x and lower-case digits.
func appendHex(dst, b []byte) []byte {
	dst = append(dst, `"0x`...)
	return append(hex.AppendEncode(dst, b), '"')
}

// appendAmount appends a as a JSON string of decimal base units.
func appendAmount(dst []byte, a voucher.Amount) []byte {
	return append(a.AppendText(append(dst, '"')), '"')
}

// appendText appends s as a JSON string.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string never fails
			return append(dst, quoted...)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}
