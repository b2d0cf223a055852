package policyfile_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

const eurc = "0x20c0000000000000000000001621e21F71CF12fb"

// TestAssetsHaveLimitsOfTheirOwn: amounts are of the token, wherever its decimals are written.
func TestAssetsHaveLimitsOfTheirOwn(t *testing.T) {
	token := common.HexToAddress(eurc)
	lower := "asset.'0x20c0000000000000000000001621e21f71cf12fb'"
	for _, text := range []string{
		"[" + lower + "]\nprice = '0.25'\nday = '7u'\ndeposit = '1'\npiece-by-piece = true\nchain = 4217\nsymbol = 'EURC.e'\ndecimals = 2\n",
		"[" + lower + "]\nchain = 4217\ndecimals = 2\nsymbol = 'EURC.e'\npiece-by-piece = true\ndeposit = '100u'\nprice = '25u'\nday = '0.07'\n",
		lower + " = {chain = 4217, decimals = 2, symbol = 'EURC.e', piece-by-piece = true, deposit = '1', price = '0.25', day = '0.07'}",
	} {
		f, err := policyfile.Parse("policy.toml", []byte(text))
		require.NoError(t, err, text)
		require.Len(t, f.Assets, 1)
		assert.Equal(t, channel.Limits{
			Currency: channel.Currency{Asset: channel.Asset{ChainID: 4217, Token: token}, Symbol: "EURC.e", Decimals: 2},
			Price:    voucher.Units(25), Deposit: voucher.Units(100), PieceByPiece: true,
			All: channel.Windows{Day: voucher.Units(7)},
		}, f.Assets[0])
		assert.Equal(t, channel.Limits{}, f.Limits, "dollars have none")
		again, err := policyfile.Parse("printed", []byte(f.String()))
		require.NoError(t, err, f.String())
		assert.Equal(t, f, again, f.String())
		var cfg client.Config
		f.Apply(&cfg)
		assert.Equal(t, f.Assets, cfg.Assets)
	}
}

func TestMistakesInAssets(t *testing.T) {
	const table, names = "[asset.'" + eurc + "']\n", "chain = 4217\nsymbol = 'EURC.e'\ndecimals = 6\n"
	for _, c := range []struct{ text, says string }{
		{table, `p:1:8: [asset."` + eurc + `"] has no chain; expected chain, symbol and decimals`},
		{table + "chain = 4217\nsymbol = 'EURC.e'\nprice = '1'\n", "has no decimals"},
		{table + "chain = '4217'\nsymbol = 'EURC.e'\ndecimals = 6\n", `p:2:9: asset."` + eurc + `".chain is not one; expected a whole number, without quotes`},
		{table + "chain = 4217\nsymbol = 'EURC.e'\ndecimals = 256\n", ".decimals is not one"},
		{table + "chain = 4217\nsymbol = 'EURC.e'\ndecimals = -1\n", ".decimals is not one"},
		{table + "chain = 4217\nsymbol = 'EURC.e'\ndecimals = 39\n", "39 decimals; an amount has at most 38"},
		{table + "chain = 0\nsymbol = 'EURC.e'\ndecimals = 6\n", "the id of its chain"},
		{table + "chain = 4217\nsymbol = 'EU RC'\ndecimals = 6\n", "is no symbol"},
		{table + names + "price = '0.0000001'\n", "has 7 decimals, a token has 6"},
		{table + names + "price = '0'\n", ".price is zero"},
		{table + names + "price = '2'\ndeposit = '1'\n", `.price is 2 and can never be reached: deposit is 1`},
		{table + names + "origin.day = '1'\n", "there is no table"},
		{table + names + "pirce = '1'\n", `has no key "pirce"; expected price`},
		{table + names + "[asset.'0x20c0000000000000000000001621e21f71cf12fb']\n", "is written twice"},
		{"[asset.'0x20c0']\n", "the name of the table"},
		{"[asset]\nchain = 1\n", `[asset] has no keys of its own; expected [asset."0x…"] and its keys below`},
		{"[asset.'0x20c0000000000000000000000000000000000000']\n" + names, "a dollar token that [limits] are for"},
		{"tokens.allow = ['0x20c0000000000000000000000000000000000000']\n" + table + names, "has limits, and [tokens] allow does not have it"},
	} {
		_, err := policyfile.Parse("p", []byte(c.text))
		assert.ErrorContains(t, err, c.says, c.text)
	}
}
