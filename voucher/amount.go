package voucher

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strings"
)

// Errors of amounts.
var (
	// ErrAmountSyntax means that a text is not a decimal number of 1 to 39 digits below 2^128.
	ErrAmountSyntax = errors.New("voucher: not a decimal amount below 2^128 base units")
	// ErrAmountRange means that a result is negative or does not fit into 128 bits.
	ErrAmountRange = errors.New("voucher: amount out of range")
)

// Amount is a number of base units of a token (a TIP-20 token with 6 decimals has 1,000,000 base
// units in one token). It is an unsigned 128-bit integer: v1 channels count in uint128, v2 channels
// in uint96 ([Protocol.Max]). The zero value is zero base units. Amounts are values; compare them
// with == or [Amount.Cmp]. No arithmetic wraps around.
type Amount struct{ hi, lo uint64 }

// maxDecimals is the most decimals that ParseTokens accepts. An amount has at most 39 digits, so
// one whole token with more decimals could not be written.
const maxDecimals = 38

// MaxAmount is 2^128-1 base units, the largest value an Amount holds.
var MaxAmount = Amount{^uint64(0), ^uint64(0)}

// Units returns n base units.
func Units(n uint64) Amount { return Amount{lo: n} }

// ParseAmount reads a decimal number of base units as the protocol writes it: at most 39 digits and
// nothing else. The error is [ErrAmountSyntax].
func ParseAmount(s string) (Amount, error) {
	if len(s) == 0 || len(s) > 39 {
		return Amount{}, fmt.Errorf("%w: %s", ErrAmountSyntax, shown(s))
	}
	var a Amount
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return Amount{}, fmt.Errorf("%w: %s", ErrAmountSyntax, shown(s))
		}
		// a*10 + d, checking every carry.
		hiOver, hi := bits.Mul64(a.hi, 10)
		loCarry, lo := bits.Mul64(a.lo, 10)
		lo, c := bits.Add64(lo, uint64(d), 0)
		hi, c = bits.Add64(hi, loCarry, c)
		if hiOver != 0 || c != 0 {
			return Amount{}, fmt.Errorf("%w: %s", ErrAmountSyntax, shown(s))
		}
		a = Amount{hi, lo}
	}
	return a, nil
}

// AmountFromBig returns b as an Amount. The error is [ErrAmountRange] if b is nil, negative or
// above 2^128-1.
func AmountFromBig(b *big.Int) (Amount, error) {
	if b == nil || b.Sign() < 0 || b.BitLen() > 128 {
		return Amount{}, fmt.Errorf("%w: %v", ErrAmountRange, b)
	}
	var w [16]byte
	b.FillBytes(w[:])
	return Amount{binary.BigEndian.Uint64(w[:8]), binary.BigEndian.Uint64(w[8:])}, nil
}

// Add returns a+b, or [ErrAmountRange].
func (a Amount) Add(b Amount) (Amount, error) {
	lo, c := bits.Add64(a.lo, b.lo, 0)
	hi, c := bits.Add64(a.hi, b.hi, c)
	if c != 0 {
		return Amount{}, fmt.Errorf("%w: %s + %s", ErrAmountRange, a, b)
	}
	return Amount{hi, lo}, nil
}

// AddCapped returns a+b, or [MaxAmount] if the sum does not fit. Use it for bounds, never for an
// amount that is signed.
func (a Amount) AddCapped(b Amount) Amount {
	if s, err := a.Add(b); err == nil {
		return s
	}
	return MaxAmount
}

// Sub returns a-b, or [ErrAmountRange] if b is above a.
func (a Amount) Sub(b Amount) (Amount, error) {
	if a.Less(b) {
		return Amount{}, fmt.Errorf("%w: %s - %s", ErrAmountRange, a, b)
	}
	return a.SubFloor(b), nil
}

// SubFloor returns a-b, or zero if b is above a.
func (a Amount) SubFloor(b Amount) Amount {
	if a.Less(b) {
		return Amount{}
	}
	lo, c := bits.Sub64(a.lo, b.lo, 0)
	hi, _ := bits.Sub64(a.hi, b.hi, c)
	return Amount{hi, lo}
}

// Mul returns a*n, or [ErrAmountRange].
func (a Amount) Mul(n uint64) (Amount, error) {
	over, hi := bits.Mul64(a.hi, n)
	carry, lo := bits.Mul64(a.lo, n)
	hi, c := bits.Add64(hi, carry, 0)
	if over != 0 || c != 0 {
		return Amount{}, fmt.Errorf("%w: %s * %d", ErrAmountRange, a, n)
	}
	return Amount{hi, lo}, nil
}

// Cmp returns -1 if a is below b, 0 if they are equal, and 1 if a is above b.
func (a Amount) Cmp(b Amount) int {
	switch {
	case a == b:
		return 0
	case a.hi < b.hi, a.hi == b.hi && a.lo < b.lo:
		return -1
	default:
		return 1
	}
}

// Less reports whether a is below b.
func (a Amount) Less(b Amount) bool { return a.Cmp(b) < 0 }

// IsZero reports whether a is zero base units.
func (a Amount) IsZero() bool { return a == Amount{} }

// Max returns the larger of a and b.
func (a Amount) Max(b Amount) Amount {
	if a.Less(b) {
		return b
	}
	return a
}

// Min returns the smaller of a and b.
func (a Amount) Min(b Amount) Amount {
	if b.Less(a) {
		return b
	}
	return a
}

// Big returns a as a new big integer.
func (a Amount) Big() *big.Int {
	var w [16]byte
	binary.BigEndian.PutUint64(w[:8], a.hi)
	binary.BigEndian.PutUint64(w[8:], a.lo)
	return new(big.Int).SetBytes(w[:])
}

// Word returns a as a 32-byte big-endian ABI word.
func (a Amount) Word() (w [32]byte) {
	binary.BigEndian.PutUint64(w[16:], a.hi)
	binary.BigEndian.PutUint64(w[24:], a.lo)
	return w
}

// Uint64 returns a, and whether it fits into 64 bits.
func (a Amount) Uint64() (uint64, bool) { return a.lo, a.hi == 0 }

// String returns a in decimal base units, as the protocol writes it.
func (a Amount) String() string { return string(a.AppendText(nil)) }

// AppendText appends a in decimal to b. It does not allocate if b has room for 39 more bytes.
func (a Amount) AppendText(b []byte) []byte {
	var t [39]byte
	i := len(t)
	for {
		q, r := a.hi/10, a.hi%10
		lo, rem := bits.Div64(r, a.lo, 10)
		i--
		t[i] = byte('0' + rem)
		a = Amount{q, lo}
		if a.IsZero() {
			return append(b, t[i:]...)
		}
	}
}

// MarshalText returns a in decimal, so that an Amount is a decimal string in JSON.
func (a Amount) MarshalText() ([]byte, error) { return a.AppendText(nil), nil }

// UnmarshalText accepts what [ParseAmount] accepts.
func (a *Amount) UnmarshalText(t []byte) (err error) {
	*a, err = ParseAmount(string(t))
	return err
}

// ParseTokens reads an amount as a person writes it: tokens with an optional fraction ("0.25"), or base
// units with a trailing u ("250000u"). decimals is the token's number of decimals, 0 to 38 (6 for TIP-20
// stablecoins). A fraction below one base unit is an error. The error is [ErrAmountSyntax]. Use it where
// people write amounts, on a command line or in a configuration file. Programs count in base units.
func ParseTokens(s string, decimals int) (Amount, error) {
	if base, ok := strings.CutSuffix(s, "u"); ok {
		return ParseAmount(base)
	}
	whole, frac, dot := strings.Cut(s, ".")
	if whole != "" && (frac != "" || !dot) && len(frac) <= decimals && decimals <= maxDecimals {
		zeros := strings.Repeat("0", decimals-len(frac))
		if a, err := ParseAmount(whole + frac + zeros); err == nil {
			return a, nil
		}
	}
	return Amount{}, fmt.Errorf(
		"%w: %s: write tokens with at most %d decimals (0.25) or base units with a u (250000u)",
		ErrAmountSyntax, shown(s), decimals,
	)
}

// FormatTokens returns a in tokens of that many decimals, without trailing zeros ("0.25", "3").
func (a Amount) FormatTokens(decimals int) string {
	s := a.String()
	if decimals <= 0 {
		return s
	}
	if len(s) <= decimals {
		s = strings.Repeat("0", decimals-len(s)+1) + s
	}
	whole, frac := s[:len(s)-decimals], strings.TrimRight(s[len(s)-decimals:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

// shown quotes a text from outside for an error message and cuts it at 48 bytes.
func shown(s string) string {
	if len(s) > 48 {
		s = s[:48] + "…"
	}
	return fmt.Sprintf("%q", s)
}
