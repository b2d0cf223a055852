package rule

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/channel"
)

// ScopeKey returns the key of a scope's record in a store.
func ScopeKey(s channel.Scope) string {
	text := strings.Join([]string{
		s.Origin, s.Protocol.String(), strconv.FormatUint(s.ChainID, 10), s.Escrow.Hex(),
		s.Payee.Hex(),
		s.Operator.Hex(), s.Token.Hex(), s.Payer.Hex(), s.Signer.Hex(),
	}, "\n")
	return "scope/" + hex.EncodeToString(crypto.Keccak256([]byte(text)))
}

// StateKey returns the key of a channel's record in a store.
func StateKey(id common.Hash) string { return "channel/" + id.Hex() }
