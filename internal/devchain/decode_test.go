package devchain

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestDecodeRefuses(t *testing.T) {
	c := testChain(t)
	sound := newDraft(c, noCall).signed(payer.key)
	with := func(field int, value rlp.RawValue) []byte {
		return newDraft(c, noCall).with(field, value).signed(payer.key)
	}
	short := newDraft(c, noCall)
	short.fields = short.fields[:12]
	long := newDraft(c, noCall)
	long.fields = append(long.fields, emptyList, emptyList)
	signatureOf := func(items ...rlp.RawValue) []byte { return with(fieldFeePayer, rawList(items...)) }
	for name, raw := range map[string][]byte{
		"nothing":                     {},
		"too large":                   append([]byte{typeTempo}, make([]byte, maxTransaction)...),
		"another type":                append([]byte{2}, sound[1:]...),
		"type alone":                  {typeTempo},
		"a string":                    {typeTempo, 0x80},
		"bytes behind":                append(bytes.Clone(sound), 0),
		"cut":                         sound[:len(sound)-1],
		"too few fields":              short.signed(payer.key),
		"too many fields":             long.signed(payer.key),
		"signature is a list":         envelope(typeTempo, append(newDraft(c, noCall).fields, emptyList)),
		"number is a list":            with(fieldGas, emptyList),
		"leading zero":                with(fieldGas, rlp.RawValue{0x82, 0, 1}),
		"zero byte for zero":          with(fieldNonce, rlp.RawValue{0x00}),
		"65 bits":                     with(fieldGas, rlp.RawValue{0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0}),
		"fee of 129 bits":             with(fieldMaxFee, rawString(append([]byte{1}, make([]byte, 16)...))),
		"byte in long form":           with(fieldGas, rlp.RawValue{0x81, 0x05}),
		"fee token of 19 bytes":       with(fieldFeeToken, rawString(make([]byte, 19))),
		"fee token is a list":         with(fieldFeeToken, emptyList),
		"calls are a string":          with(fieldCalls, emptyString),
		"call is a string":            with(fieldCalls, rawList(emptyString)),
		"call of two fields":          with(fieldCalls, rawList(rawList(rawString(payee.addr[:]), emptyString))),
		"call to 3 bytes":             with(fieldCalls, rawList(rawList(rawString([]byte{1, 2, 3}), emptyString, emptyString))),
		"call data is a list":         with(fieldCalls, rawList(rawList(rawString(payee.addr[:]), emptyString, emptyList))),
		"access list is a string":     with(fieldAccessList, emptyString),
		"authorizations are a string": with(fieldAuthorizations, emptyString),
		"fee payer 0x01":              with(fieldFeePayer, rlp.RawValue{0x01}),
		"address in 0x76":             with(fieldFeePayer, rawString(payer.addr[:])),
		"placeholder in 0x78":         append([]byte{typeHandoff}, newDraft(c, noCall).sponsored().signed(payer.key)[1:]...),
		"two numbers":                 signatureOf(emptyString, emptyString),
		"parity 2":                    signatureOf(rawUint(2), rawUint(1), rawUint(1)),
		"r of 33 bytes":               signatureOf(rawUint(1), rawString(append([]byte{1}, make([]byte, 32)...)), rawUint(1)),
		"signature list cut":          with(fieldFeePayer, rlp.RawValue{0xc1, 0xb8}),
	} {
		_, err := decodeTransaction(raw)
		require.Error(t, err, name)
		_, err = Inspect(raw)
		require.ErrorContains(t, err, "devchain: decode:", name)
		assert.Contains(t, refused(t, c, raw), "cannot be decoded", name)
	}
	_, err := Inspect(with(fieldCalls, rawList(rawList(emptyString, emptyString, emptyString))))
	require.ErrorContains(t, err, "creates a contract")
}

func TestReadOpeningRefuses(t *testing.T) {
	c := testChain(t)
	d := Descriptor{Payer: payer.addr, Payee: payee.addr, Token: PathUSD}
	good := reserveOpening(d, 7)
	o, ok := c.ReadOpening(good)
	require.True(t, ok)
	assert.Equal(t, Opening{Protocol: voucher.V2, Descriptor: Descriptor{Payee: payee.addr, Token: PathUSD}, Amount: voucher.Units(7)}, o)
	dirty := bytes.Clone(good.Data)
	dirty[4] = 1
	for name, one := range map[string]Call{
		"another target":   {PathUSD, good.Data},
		"the other escrow": {StreamChannelAddress, good.Data},
		"no calldata":      {ReserveAddress, nil},
		"another function": rRequest(d),
		"cut":              {ReserveAddress, good.Data[:len(good.Data)-1]},
		"bytes behind":     {ReserveAddress, append(bytes.Clone(good.Data), 0)},
		"dirty upper bits": {ReserveAddress, dirty},
	} {
		_, ok := c.ReadOpening(one)
		assert.False(t, ok, name)
	}
}

// Whatever decodes is made of exactly the bytes that were read, and nothing makes the decoder fail hard.
func FuzzDecodeTransaction(f *testing.F) {
	for _, v := range vectors.Cases[txVector](f, vectors.TempoTx) {
		f.Add([]byte(v.MppxWire))
		f.Add([]byte(v.Cosigned.Serialized))
		f.Add([]byte(v.WithFeePayerPlaceholder.Serialized))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := decodeTransaction(raw)
		if err != nil {
			return
		}
		again := envelope(tx.kind, append(append([]rlp.RawValue(nil), tx.fields...), rawString(tx.signature)))
		require.Equal(t, raw, again)
		_ = tx.sponsorPreimage(common.Address{}, common.Address{})
		_, _ = Inspect(raw)
		_ = tx.wellFormed(Moderato)
	})
}

// Calldata is taken from strangers too.
func FuzzCalldata(f *testing.F) {
	type vector struct {
		Version string
		Data    string
	}
	for _, v := range vectors.Cases[vector](f, vectors.Calldata) {
		f.Add(v.Version == "v1", common.FromHex(v.Data))
	}
	c := New(Config{})
	f.Cleanup(c.Close)
	c.Mint(PathUSD, payer.addr, voucher.Units(1_000_000))
	f.Fuzz(func(t *testing.T, v1 bool, data []byte) {
		to := ReserveAddress
		if v1 {
			to = StreamChannelAddress
		}
		err := c.Simulate(payer.addr, Call{to, data})
		_, opening := c.ReadOpening(Call{to, data})
		if opening && err != nil {
			require.NotEqual(t, "execution reverted", err.Error(), "readable calldata gets a reason")
		}
	})
}
