package channel_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func TestAmountsAreWrittenWithTheirSymbol(t *testing.T) {
	usdc, ok := channel.Dollar(channel.Asset{ChainID: 4217, Token: common.HexToAddress("0x20C000000000000000000000b9537d11c60E8b50")})
	require.True(t, ok)
	unknown, ok := channel.Dollar(channel.Asset{ChainID: 1, Token: usdc.Token})
	require.False(t, ok, "another chain, another token")
	yen := channel.Currency{Asset: channel.Asset{ChainID: 4217, Token: common.Address{1}}, Symbol: "JPYx"}
	for _, c := range []struct {
		currency channel.Currency
		amount   uint64
		want     string
	}{
		{usdc, 250_000, "0.25 USDC.e"},
		{usdc, 0, "0 USDC.e"},
		{usdc, 1, "0.000001 USDC.e"},
		{usdc, 3_000_000, "3 USDC.e"},
		{yen, 250_000, "250000 JPYx"},
		{unknown, 250_000, "250000 base units"},
		{channel.Currency{}, 1, "1 base units"},
	} {
		assert.Equal(t, c.want, c.currency.Format(voucher.Units(c.amount)))
	}
	assert.Equal(t, "USDC.e (token 0x20C000000000000000000000b9537d11c60E8b50 on chain 4217)", usdc.String())
	assert.Equal(t, unknown.Asset.String(), unknown.String())
}

// TestDollarsAreAlike: tokens that share limits have the same decimals, and names that can be printed.
func TestDollarsAreAlike(t *testing.T) {
	n := 0
	for c := range channel.Dollars() {
		n++
		require.NoError(t, c.Check())
		assert.Equal(t, uint8(6), c.Decimals, c)
		assert.Equal(t, [2]byte{0x20, 0xc0}, [2]byte(c.Token[:2]), "%s is no TIP-20 token", c)
		again, ok := channel.Dollar(c.Asset)
		assert.True(t, ok)
		assert.Equal(t, c, again)
	}
	assert.Equal(t, 7, n)
}

func TestCurrencyThatCannotBeWritten(t *testing.T) {
	good := channel.Currency{Asset: channel.Asset{ChainID: 1, Token: common.Address{1}}, Symbol: "USD₮0", Decimals: 38}
	require.NoError(t, good.Check())
	for name, change := range map[string]func(*channel.Currency){
		"no chain":       func(c *channel.Currency) { c.ChainID = 0 },
		"no token":       func(c *channel.Currency) { c.Token = common.Address{} },
		"no symbol":      func(c *channel.Currency) { c.Symbol = "" },
		"a long symbol":  func(c *channel.Currency) { c.Symbol = strings.Repeat("x", 33) },
		"a blank":        func(c *channel.Currency) { c.Symbol = "US D" },
		"a wide blank":   func(c *channel.Currency) { c.Symbol = "US\u00a0D" },
		"a line feed":    func(c *channel.Currency) { c.Symbol = "USD\n" },
		"an escape":      func(c *channel.Currency) { c.Symbol = "\x1b[2J" },
		"a direction":    func(c *channel.Currency) { c.Symbol = "\u202eDSU" },
		"no UTF-8":       func(c *channel.Currency) { c.Symbol = "US\xff" },
		"many decimals":  func(c *channel.Currency) { c.Decimals = 39 },
		"most decimals ": func(c *channel.Currency) { c.Decimals = 255 },
	} {
		bad := good
		change(&bad)
		err := bad.Check()
		if assert.Error(t, err, name) {
			assert.False(t, strings.ContainsAny(err.Error(), "\n\x1b\u202e"), "%s: %q", name, err)
		}
	}
}
