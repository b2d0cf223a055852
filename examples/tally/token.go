package main

import (
	"net"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
)

// symbol is the symbol of a token. Symbols are not asked of nodes, which could lie: a token that is not known
// ([channel.Dollar]) is shown by the beginning of its address.
func symbol(chainID uint64, token common.Address) string {
	if c, ok := channel.Dollar(channel.Asset{ChainID: chainID, Token: token}); ok {
		return c.Symbol
	}
	if token == (common.Address{}) {
		return ""
	}
	return token.Hex()[:10]
}

// symbolOf is the symbol of a token of a chain that is not known.
func symbolOf(token common.Address) string {
	if c, ok := channel.Dollar(channel.Asset{ChainID: escrow.Mainnet, Token: token}); ok {
		return c.Symbol
	}
	return symbol(escrow.Moderato, token)
}

func hostOf(address string) string { host, _, _ := net.SplitHostPort(address); return host }
func portOf(address string) string { _, port, _ := net.SplitHostPort(address); return port }
