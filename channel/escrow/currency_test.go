package escrow_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

var pathUSD = channel.Asset{ChainID: escrow.Moderato, Token: escrow.PathUSD}

// abiWord is a number as a word of 32 bytes.
func abiWord(n byte) []byte { return append(make([]byte, 31), n) }

// abiText is the ABI encoding of a string.
func abiText(s string) []byte {
	padded := append([]byte(s), make([]byte, (32-len(s)%32)%32)...)
	return slicesOf(abiWord(32), abiWord(byte(len(s))), padded)
}

func slicesOf(all ...[]byte) []byte { return bytes.Join(all, nil) }

// TestCurrencyOfANodeThatLies: what cannot be a symbol or decimals is an error, and what is returned can
// be written.
func TestCurrencyOfANodeThatLies(t *testing.T) {
	for name, c := range map[string]struct {
		symbol, decimals []byte
		want             string
	}{
		"right":                  {abiText("EURC.e"), abiWord(6), "EURC.e"},
		"of 32 bytes":            {abiText(strings.Repeat("x", 32)), abiWord(0), strings.Repeat("x", 32)},
		"empty":                  {abiText(""), abiWord(6), ""},
		"of 33 bytes":            {abiText(strings.Repeat("x", 33)), abiWord(6), ""},
		"an escape":              {abiText("\x1b[2J"), abiWord(6), ""},
		"no answer":              {nil, nil, ""},
		"no decimals":            {abiText("EURC.e"), nil, ""},
		"decimals of two words":  {abiText("EURC.e"), append(abiWord(6), abiWord(6)...), ""},
		"decimals of 256 bits":   {abiText("EURC.e"), bytes.Repeat([]byte{0xff}, 32), ""},
		"39 decimals":            {abiText("EURC.e"), abiWord(39), ""},
		"an offset elsewhere":    {slicesOf(abiWord(64), abiWord(1), abiWord('x')), abiWord(6), ""},
		"longer than its answer": {slicesOf(abiWord(32), abiWord(64), abiWord('x')), abiWord(6), ""},
		"endless":                {slicesOf(abiWord(32), bytes.Repeat([]byte{0xff}, 32)), abiWord(6), ""},
		"more behind it":         {append(abiText("EURC.e"), abiWord(0)...), abiWord(6), ""},
	} {
		n := newNode(t)
		n.answer("eth_call", func(q question) any {
			var tx struct{ Data hexutil.Bytes }
			require.NoError(t, json.Unmarshal(q.Params[0], &tx))
			if tx.Data.String() == "0x95d89b41" {
				return hexutil.Bytes(c.symbol)
			}
			return hexutil.Bytes(c.decimals)
		})
		got, err := dial(t, n.URL).Currency(soon(t), pathUSD)
		if c.want == "" {
			require.ErrorIs(t, err, escrow.ErrRPC, name)
			assert.False(t, strings.ContainsRune(err.Error(), 0x1b), name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got.Symbol, name)
		assert.NoError(t, got.Check())
	}
}

// TestCurrencyOfATestChain: known dollar tokens are called there as in the table, and a node of
// another chain is not believed.
func TestCurrencyOfATestChain(t *testing.T) {
	c := newWorld(t, devchain.Config{}).Client
	got, err := c.Currency(soon(t), pathUSD)
	require.NoError(t, err)
	want, _ := channel.Dollar(pathUSD)
	assert.Equal(t, want, got)
	_, err = c.Currency(soon(t), channel.Asset{ChainID: escrow.Mainnet, Token: escrow.PathUSD})
	require.ErrorIs(t, err, escrow.ErrChainID)
	_, err = c.Currency(soon(t), channel.Asset{ChainID: escrow.Moderato, Token: common.Address{1}})
	require.ErrorIs(t, err, escrow.ErrRPC, "no token")
}
