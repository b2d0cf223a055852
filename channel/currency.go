package channel

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Currency is an asset and how its amounts are written. Currencies can be compared with ==.
type Currency struct {
	Asset
	// Symbol is the symbol of the token, for example "USDC.e". It is empty if it is not known.
	Symbol string
	// Decimals is how many decimals an amount has: 6 if one token is 1,000,000 base units.
	Decimals uint8
}

// Format returns an amount as it is written everywhere: in tokens with the symbol ("0.25 USDC.e"), or
// in base units if the symbol is not known ("250000 base units").
func (c Currency) Format(a voucher.Amount) string {
	if c.Symbol == "" {
		return a.String() + " base units"
	}
	return a.FormatTokens(int(c.Decimals)) + " " + c.Symbol
}

// String returns the currency as "USDC.e (token 0x… on chain 4217)".
func (c Currency) String() string {
	if c.Symbol == "" {
		return c.Asset.String()
	}
	return fmt.Sprintf("%s (%s)", c.Symbol, c.Asset)
}

// Bounds of what a symbol and a number of decimals can be.
const (
	maxSymbol   = 32 // bytes
	maxDecimals = 38 // digits of the largest amount, less one
)

// Check returns an error for a currency that names no token or no chain, or that cannot be written:
// its symbol is empty, longer than 32 bytes or has characters that do not print, or it has more than
// 38 decimals.
func (c Currency) Check() error {
	unprintable := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) || unicode.IsSpace(r) }
	switch {
	case c.Token == common.Address{} || c.ChainID == 0:
		return errors.New("channel: a currency needs the address of its token and the id of its chain")
	case c.Symbol == "" || len(c.Symbol) > maxSymbol || strings.ContainsFunc(c.Symbol, unprintable):
		return fmt.Errorf("channel: %s: %.64q is no symbol: write 1 to %d bytes that print, without a blank",
			c.Asset, c.Symbol, maxSymbol)
	case c.Decimals > maxDecimals:
		return fmt.Errorf("channel: %s: %d decimals; an amount has at most %d", c.Asset, c.Decimals, maxDecimals)
	}
	return nil
}

// dollars are the tokens that limits without a currency are for, by their asset. They are worth a
// dollar each and have 6 decimals, so base units of one are as good as those of another. The tokens
// that mppx pays in by default (tempo/internal/defaults of 0.11.0) are in the list, and of the test
// network those that its faucet gives. Addresses, symbols and decimals are those of the token
// definitions of viem 2.56.0. ADR 20 says why no others are.
var dollars = map[Asset]Currency{}

// Chains of known tokens: those of package escrow.
const mainnet, moderato = 4217, 42431

func init() {
	for _, c := range []Currency{
		dollar(mainnet, "0x20c0000000000000000000000000000000000000", "pathUSD"),
		dollar(mainnet, "0x20c000000000000000000000b9537d11c60e8b50", "USDC.e"),
		dollar(moderato, "0x20c0000000000000000000000000000000000000", "pathUSD"),
		dollar(moderato, "0x20c0000000000000000000000000000000000001", "AlphaUSD"),
		dollar(moderato, "0x20c0000000000000000000000000000000000002", "BetaUSD"),
		dollar(moderato, "0x20c0000000000000000000000000000000000003", "ThetaUSD"),
		dollar(moderato, "0x20c0000000000000000000009e8d7eb59b783726", "USDC.e"),
	} {
		dollars[c.Asset] = c
	}
}

func dollar(chain uint64, token, symbol string) Currency {
	return Currency{Asset{chain, common.HexToAddress(token)}, symbol, 6}
}

// Dollars yields the known dollar tokens, in no particular order.
func Dollars() iter.Seq[Currency] { return maps.Values(dollars) }

// Dollar returns the currency of a known dollar token. ok is false for any other asset; the currency
// is then without a symbol.
func Dollar(a Asset) (c Currency, ok bool) {
	if c, ok = dollars[a]; !ok {
		c.Asset = a
	}
	return c, ok
}
