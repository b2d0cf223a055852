package voucher_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const (
	maxUint96  = "79228162514264337593543950335"
	maxUint128 = "340282366920938463463374607431768211455"
)

func amount(t testing.TB, s string) voucher.Amount {
	a, err := voucher.ParseAmount(s)
	require.NoError(t, err)
	return a
}

func TestParseAmount(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"0", "0"},
		{"1", "1"},
		{"007", "7"},
		{"18446744073709551615", "18446744073709551615"},
		{"18446744073709551616", "18446744073709551616"},
		{maxUint96, maxUint96},
		{maxUint128, maxUint128},
		{strings.Repeat("0", 39), "0"},
	} {
		a, err := voucher.ParseAmount(c.in)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.want, a.String())
	}
	for _, in := range []string{
		"", " ", "-1", "+1", "1 ", " 1", "1.0", "1e3", "0x10", "1_000", "1,000", "a", "\x00", "１",
		"1\n", "NaN",
		"340282366920938463463374607431768211456", // 2^128
		"400000000000000000000000000000000000000",
		"999999999999999999999999999999999999999",
		strings.Repeat("0", 40),
		strings.Repeat("9", 1<<20),
	} {
		_, err := voucher.ParseAmount(in)
		require.ErrorIs(t, err, voucher.ErrAmountSyntax, "%.50q", in)
		assert.Less(t, len(err.Error()), 300, "the error quotes no more than a person reads")
	}
}

func TestParseTokens(t *testing.T) {
	for _, c := range []struct {
		in       string
		decimals int
		want     string
	}{
		{"0.25", 6, "250000"},
		{"3", 6, "3000000"},
		{"0.000001", 6, "1"},
		{"250000u", 6, "250000"},
		{"7", 0, "7"},
		{"00.50", 2, "50"},
		{maxUint128 + "u", 6, maxUint128},
		{"340282366920938463463374607431768.211455", 6, maxUint128},
		{"1." + strings.Repeat("0", 38), 38, "1" + strings.Repeat("0", 38)},
	} {
		a, err := voucher.ParseTokens(c.in, c.decimals)
		require.NoError(t, err, c.in)
		assert.Equal(t, c.want, a.String(), c.in)
	}
	for _, c := range []struct {
		in       string
		decimals int
	}{
		{"", 6},
		{".", 6},
		{".5", 6},
		{"5.", 6},
		{"0.0000001", 6},
		{"1.5", 0},
		{"1.2.3", 6},
		{"-1", 6},
		{"1.-5", 6},
		{"$1", 6},
		{"1e6", 6},
		{"u", 6},
		{"1.5u", 6},
		{"1uu", 6},
		{"340282366920938463463374607431768.211456", 6},
		{"1", -1},
		{"1", 39},
		{"0", 1 << 40},
	} {
		_, err := voucher.ParseTokens(c.in, c.decimals)
		assert.ErrorIs(t, err, voucher.ErrAmountSyntax, "%q with %d decimals", c.in, c.decimals)
	}
}

func TestFormatTokens(t *testing.T) {
	for _, c := range []struct {
		in       string
		decimals int
		want     string
	}{
		{"0", 6, "0"},
		{"1", 6, "0.000001"},
		{"250000", 6, "0.25"},
		{"3000000", 6, "3"},
		{"3000100", 6, "3.0001"},
		{"42", 0, "42"},
		{"42", -1, "42"},
		{maxUint128, 6, "340282366920938463463374607431768.211455"},
	} {
		assert.Equal(t, c.want, amount(t, c.in).FormatTokens(c.decimals), c.in)
	}
}

func TestAmountBounds(t *testing.T) {
	assert.Equal(t, maxUint96, voucher.V2.Max().String())
	assert.Equal(t, maxUint128, voucher.V1.Max().String())
	assert.Equal(t, voucher.MaxAmount, voucher.V1.Max())
	assert.Equal(
		t, []string{"v1", "v2", "protocol(0)"},
		[]string{voucher.V1.String(), voucher.V2.String(), voucher.Protocol(0).String()},
	)

	one, top := voucher.Units(1), voucher.MaxAmount
	_, err := top.Add(one)
	require.ErrorIs(t, err, voucher.ErrAmountRange)
	_, err = voucher.Units(0).Sub(one)
	require.ErrorIs(t, err, voucher.ErrAmountRange)
	_, err = top.Mul(2)
	require.ErrorIs(t, err, voucher.ErrAmountRange)
	_, err = amount(t, "18446744073709551616").Mul(1 << 63) // 2^127 fits
	require.NoError(t, err)
	for _, b := range []*big.Int{nil, big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 128)} {
		_, err = voucher.AmountFromBig(b)
		require.ErrorIs(t, err, voucher.ErrAmountRange)
	}
	assert.True(t, voucher.Amount{}.IsZero())
	assert.False(t, one.IsZero())
}

// TestAmountJSON refuses JSON numbers, because other parsers round them.
func TestAmountJSON(t *testing.T) {
	type record struct{ A voucher.Amount }
	raw, err := json.Marshal(record{amount(t, maxUint128)})
	require.NoError(t, err)
	assert.JSONEq(t, `{"A":"`+maxUint128+`"}`, string(raw))
	var r record
	require.NoError(t, json.Unmarshal(raw, &r))
	assert.Equal(t, voucher.MaxAmount, r.A)
	for _, in := range []string{`{"A":1}`, `{"A":"1.5"}`, `{"A":""}`, `{"A":"-1"}`, `{"A":["1"]}`} {
		assert.Error(t, json.Unmarshal([]byte(in), &r), in)
	}
}

// genAmount prefers amounts with carries.
func genAmount(t *rapid.T, name string) voucher.Amount {
	hi := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, 1<<32 - 1, 1 << 63, ^uint64(0)}),
		rapid.Uint64()).
		Draw(t, name+" high")
	lo := rapid.OneOf(rapid.SampledFrom([]uint64{0, 1, ^uint64(0)}), rapid.Uint64()).
		Draw(t, name+" low")
	b := new(big.Int).SetUint64(hi)
	a, err := voucher.AmountFromBig(b.Lsh(b, 64).Or(b, new(big.Int).SetUint64(lo)))
	require.NoError(t, err)
	return a
}

// TestAmountAlgebra compares with big integers. A result that does not fit is an error.
func TestAmountAlgebra(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, n := genAmount(t, "a"), genAmount(t, "b"), rapid.Uint64().Draw(t, "n")
		check := func(op string, got voucher.Amount, err error, want *big.Int) {
			if want.Sign() < 0 || want.BitLen() > 128 {
				require.ErrorIs(t, err, voucher.ErrAmountRange, op)
				require.True(t, got.IsZero(), op)
				return
			}
			require.NoError(t, err, op)
			require.Zero(t, want.Cmp(got.Big()), op)
		}
		x, y := a.Big(), b.Big()
		sum, err := a.Add(b)
		check("add", sum, err, new(big.Int).Add(x, y))
		diff, err := a.Sub(b)
		check("sub", diff, err, new(big.Int).Sub(x, y))
		product, err := a.Mul(n)
		check("mul", product, err, new(big.Int).Mul(x, new(big.Int).SetUint64(n)))

		require.Equal(t, x.Cmp(y), a.Cmp(b))
		require.Equal(t, x.Cmp(y) < 0, a.Less(b))
		require.Equal(t, a == b, a.Cmp(b) == 0)
		require.Equal(t, a.Max(b), b.Max(a))
		require.Equal(t, a.Min(b), b.Min(a))
		require.False(t, a.Max(b).Less(a.Min(b)))
		if s, err := a.Add(b); err == nil {
			require.Equal(t, s, a.AddCapped(b))
			back, err := s.Sub(b)
			require.NoError(t, err)
			require.Equal(t, a, back)
		} else {
			require.Equal(t, voucher.MaxAmount, a.AddCapped(b))
		}
		if d, err := a.Sub(b); err == nil {
			require.Equal(t, d, a.SubFloor(b))
		} else {
			require.True(t, a.SubFloor(b).IsZero())
		}
	})
}

// TestAmountForms checks that each text form of an amount parses to the same amount.
func TestAmountForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := genAmount(t, "a")
		require.Equal(t, a.Big().String(), a.String())
		parsed, err := voucher.ParseAmount(a.String())
		require.NoError(t, err)
		require.Equal(t, a, parsed)
		word := a.Word()
		fromWord, err := voucher.AmountFromBig(new(big.Int).SetBytes(word[:]))
		require.NoError(t, err)
		require.Equal(t, a, fromWord)
		small, fits := a.Uint64()
		require.Equal(t, a.Big().IsUint64(), fits)
		if fits {
			require.Equal(t, a, voucher.Units(small))
		}
		decimals := rapid.IntRange(0, 38).Draw(t, "decimals")
		tokens, err := voucher.ParseTokens(a.FormatTokens(decimals), decimals)
		require.NoError(t, err)
		require.Equal(t, a, tokens)
	})
}

func FuzzParseAmount(f *testing.F) {
	for _, file := range protocols {
		for _, c := range vectors.Load[voucherVectors](f, file).Cases {
			f.Add(c.CumulativeAmount.String())
		}
	}
	f.Add("")
	f.Add(maxUint128 + "0")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := voucher.ParseAmount(s)
		if err != nil {
			require.ErrorIs(t, err, voucher.ErrAmountSyntax)
			return
		}
		want, ok := new(big.Int).SetString(s, 10)
		require.True(t, ok)
		require.Zero(t, want.Cmp(a.Big()))
		again, err := voucher.ParseAmount(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}

func FuzzParseTokens(f *testing.F) {
	for _, s := range []string{
		"0.25", "250000u", "3", ".5", "5.", "1.2.3", maxUint128, "0.0000001",
	} {
		f.Add(s, 6)
	}
	f.Add("1", 39)
	f.Fuzz(func(t *testing.T, s string, decimals int) {
		a, err := voucher.ParseTokens(s, decimals)
		if err != nil {
			require.ErrorIs(t, err, voucher.ErrAmountSyntax)
			return
		}
		if decimals < 0 || decimals > 38 {
			require.True(t, strings.HasSuffix(s, "u"))
			return
		}
		again, err := voucher.ParseTokens(a.FormatTokens(decimals), decimals)
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}
