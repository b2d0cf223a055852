package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestParseObject(t *testing.T) {
	o, err := ParseObject(
		[]byte(
			" {\"a\" : \"x\\\"y\\u00e9\" ,\n\"b\":[1,{\"b\":\"]}\"}], \"\\u0063\":null,\"d\":{\"e\":12},\"f\":true }\t",
		),
	)
	require.NoError(t, err)
	assert.Equal(t, `x"yé`, Required(o, "a", Value.Text))
	assert.True(t, o.Has("b"))
	assert.False(t, o.Has("c"), "null is absent")
	assert.Nil(t, Pointer(o, "c", Value.Uint64))
	assert.Zero(t, Optional(o, "c", Value.Uint64))
	assert.False(t, o.Has("A"), "names are exact")
	inner := Required(o, "d", Value.Object)
	assert.Equal(t, uint64(12), *Pointer(inner, "e", Value.Uint64))
	assert.True(t, Optional(o, "f", Value.Bool))
	require.NoError(t, o.Err())

	Required(o, "g", Value.Text)
	Required(o, "a", Value.Uint64)
	assert.ErrorIs(t, o.Err(), ErrMalformed)
	assert.ErrorContains(t, o.Err(), "g is missing", "the first error is kept")
}

func TestParseObjectRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	var wide []string
	for i := range MaxMembers + 1 {
		wide = append(wide, fmt.Sprintf(`"%d":0`, i))
	}
	for name, text := range map[string]string{
		"empty": "", "blank": " ", "array": "[]", "string": `"{}"`, "null": "null",
		"cut off": `{"a":1`, "two": "{}{}",
		"comma":          `{"a":1,}`,
		"not UTF-8":      "{\"a\":\"\xff\"}",
		"name twice":     `{"amount":"1","amount":"1"}`,
		"name twice, \\": `{"amount":"1","\u0061mount":"2"}`,
		"too deep":       `{"a":` + deep + `}`,
		"too wide":       "{" + strings.Join(wide, ",") + "}",
		"bare word":      `{"a":yes}`,
	} {
		_, err := ParseObject([]byte(text))
		assert.ErrorIs(t, err, ErrMalformed, name)
	}
	_, err := ParseObject([]byte("{" + strings.Join(wide[1:], ",") + "}"))
	require.NoError(t, err)
	_, err = ParseObject([]byte(`{"a":` + deep[1:len(deep)-1] + `}`))
	assert.NoError(t, err)
}

func TestValues(t *testing.T) {
	const hash = "0x00000000000000000000000000000000000000000000000000000000000000Aa"
	address := hash[:2] + hash[26:]
	for _, c := range []struct {
		value Value
		read  func(Value) (any, error)
		want  any // nil if refused
	}{
		{`"12"`, erase(Value.Amount), voucher.Units(12)},
		{`12`, erase(Value.Amount), nil},
		{`""`, erase(Value.Amount), nil},
		{`"-1"`, erase(Value.Amount), nil},
		{`"0x1"`, erase(Value.Amount), nil},
		{`" 1"`, erase(Value.Amount), nil},
		{`"1.0"`, erase(Value.Amount), nil},
		{`"340282366920938463463374607431768211455"`, erase(Value.Amount), voucher.MaxAmount},
		{`"340282366920938463463374607431768211456"`, erase(Value.Amount), nil},
		{`null`, erase(Value.Amount), nil},
		{`42431`, erase(Value.Uint64), uint64(42431)},
		{`18446744073709551615`, erase(Value.Uint64), ^uint64(0)},
		{`18446744073709551616`, erase(Value.Uint64), nil},
		{`42431.0`, erase(Value.Uint64), nil},
		{`4e4`, erase(Value.Uint64), nil},
		{`-1`, erase(Value.Uint64), nil},
		{`"1"`, erase(Value.Uint64), nil},
		{`"1767225600"`, erase(Value.Seconds), uint64(1767225600)},
		{`1767225600`, erase(Value.Seconds), uint64(1767225600)},
		{`"soon"`, erase(Value.Seconds), nil},
		{`true`, erase(Value.Bool), true},
		{`false`, erase(Value.Bool), false},
		{`"true"`, erase(Value.Bool), nil},
		{`1`, erase(Value.Bool), nil},
		{`"0x"`, erase(Value.Bytes), []byte{}},
		{`"0xaB"`, erase(Value.Bytes), []byte{0xab}},
		{`"0xa"`, erase(Value.Bytes), nil},
		{`"ab"`, erase(Value.Bytes), nil},
		{`"0xzz"`, erase(Value.Bytes), nil},
		{`7`, erase(Value.Bytes), nil},
		{Value(`"` + hash + `"`), erase(Value.Hash), common.HexToHash("0xaa")},
		{Value(`"` + hash[:64] + `"`), erase(Value.Hash), nil},
		{Value(`"` + address + `"`), erase(Value.Address), common.HexToAddress("0xaa")},
		{Value(`"` + hash + `"`), erase(Value.Address), nil},
		{Value(`"` + strings.Replace(address, "A", "g", 1) + `"`), erase(Value.Address), nil},
		{Value(`"0X` + address[2:] + `"`), erase(Value.Address), nil},
		{`1`, erase(Value.Address), nil},
		{`[]`, erase(Value.Object), nil},
		{`"\ud800"`, erase(Value.Text), "\uFFFD"},
		{`"\u00e9\n"`, erase(Value.Text), "é\n"},
	} {
		got, err := c.read(c.value)
		if c.want == nil {
			assert.Error(t, err, c.value)
			continue
		}
		require.NoError(t, err, c.value)
		assert.Equal(t, c.want, got, c.value)
	}
}

func erase[T any](read func(Value) (T, error)) func(Value) (any, error) {
	return func(v Value) (any, error) { return read(v) }
}

// FuzzParseObject compares with encoding/json: an accepted object has the members of the map, and a
// refused one breaks a documented rule.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":{"b":["c",1.5e3,{}]},"d":"\"\\"}`, ` { "a" : null , "b" : true } `, `{"a":1,"a":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(text, &want)
		o, err := ParseObject(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		require.NoError(t, wantErr)
		require.Len(t, o.members, len(want))
		for _, m := range o.members {
			require.Equal(t, string(want[m.name]), string(m.value))
		}
	})
}

// TestErrorsNameTheMember checks that a message names the path of the member without a prefix, and
// that the error matches both ErrMalformed and the cause.
func TestErrorsNameTheMember(t *testing.T) {
	read := func(details string) error {
		text := base64.RawURLEncoding.EncodeToString(
			[]byte(`{"amount":"1","currency":"0x` + strings.Repeat("1", 40) +
				`","recipient":"0x` + strings.Repeat("2", 40) + `","methodDetails":` + details + `}`),
		)
		_, err := Challenge{Request: text}.SessionRequest()
		return err
	}
	err := read(`{"chainId":"1"}`)
	require.ErrorIs(t, err, ErrMalformed)
	assert.EqualError(t, err, "request: methodDetails.chainId is not a whole number")
	err = read(`{"spent":"x"}`)
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorIs(t, err, voucher.ErrAmountSyntax)
	assert.EqualError(
		t, err, `request: methodDetails.spent: `+voucher.ErrAmountSyntax.Error()+`: "x"`,
	)
	err = read(`{"sessionSnapshot":{"a":1,"a":2}}`)
	require.ErrorIs(t, err, ErrMalformed)
	assert.EqualError(t, err, `request: methodDetails.sessionSnapshot: duplicate name "a"`)
}
