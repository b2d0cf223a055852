package main

import (
	"net"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// currencyOf returns how amounts of a token are written. Symbols and decimals are not asked of nodes, which could lie:
// those of known tokens ([channel.Dollar]) and of the tokens that the policy names are known, and others have none.
func (w *world) currencyOf(chainID uint64, token common.Address) channel.Currency {
	c, known := channel.Dollar(channel.Asset{ChainID: chainID, Token: token})
	if known || w.rules.file == nil {
		return c
	}
	for _, own := range w.rules.file.Assets {
		if own.Currency.Asset == c.Asset {
			return own.Currency
		}
	}
	return c
}

// in is how amounts of a channel are written.
func (w *world) in(s channel.Info) channel.Currency {
	return w.currencyOf(s.ChainID, s.Descriptor.Token)
}

// symbol is the symbol of a currency, or the beginning of its token's address if that is not known.
func symbol(c channel.Currency) string {
	if c.Symbol != "" || c.Token == (common.Address{}) {
		return c.Symbol
	}
	return c.Token.Hex()[:10]
}

// number is an amount without its symbol, for a column of which another says it: in tokens, or in base units (250u) if
// nobody knows the decimals. Flags and policy files take both.
func number(c channel.Currency, a voucher.Amount) string {
	if c.Symbol == "" {
		return a.String() + "u"
	}
	return a.FormatTokens(int(c.Decimals))
}

// written is an amount with its symbol.
func written(c channel.Currency, a voucher.Amount) string {
	text := number(c, a)
	if name := symbol(c); name != "" {
		text += " " + name
	}
	return text
}

// onAnyChain is the currency of a known token of a chain that is not known.
func onAnyChain(token common.Address) channel.Currency {
	c, ok := channel.Dollar(channel.Asset{ChainID: escrow.Mainnet, Token: token})
	if !ok {
		c, _ = channel.Dollar(channel.Asset{ChainID: escrow.Moderato, Token: token})
	}
	return c
}

func hostOf(address string) string { host, _, _ := net.SplitHostPort(address); return host }
func portOf(address string) string { _, port, _ := net.SplitHostPort(address); return port }
