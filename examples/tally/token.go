package main

import (
	"net"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
)

// symbol is the symbol of a token. Symbols are not asked of nodes, which could lie: a token that is not known here is
// shown by its address.
func symbol(chainID uint64, token common.Address) string {
	if token == escrow.PathUSD {
		return "pathUSD"
	}
	if usual, ok := escrow.DefaultToken(chainID); ok && token == usual && chainID == escrow.Mainnet {
		return "USDC.e"
	}
	if token == (common.Address{}) {
		return ""
	}
	return token.Hex()[:10]
}

func hostOf(address string) string { host, _, _ := net.SplitHostPort(address); return host }
func portOf(address string) string { _, port, _ := net.SplitHostPort(address); return port }
