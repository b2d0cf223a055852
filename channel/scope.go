package channel

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Scope is what a channel is used for: one origin, one payee, one token, one escrow, for one payer
// and one voucher key. A scope has at most one current channel, and rebinding it is one write, so a
// stale alias cannot exist.
type Scope struct {
	// Origin is scheme://host:port in lower case, port always written.
	Origin   string           `json:"origin"`
	Protocol voucher.Protocol `json:"protocol"`
	ChainID  uint64           `json:"chainId"`
	Escrow   common.Address   `json:"escrow"`
	Payee    common.Address   `json:"payee"`
	Operator common.Address   `json:"operator"`
	Token    common.Address   `json:"token"`
	Payer    common.Address   `json:"payer"`
	Signer   common.Address   `json:"signer"`
}

// Key is the scope's name in a store.
func (s Scope) Key() string {
	text := strings.Join([]string{
		s.Origin, s.Protocol.String(), strconv.FormatUint(s.ChainID, 10), s.Escrow.Hex(), s.Payee.Hex(),
		s.Operator.Hex(), s.Token.Hex(), s.Payer.Hex(), s.Signer.Hex(),
	}, "\n")
	return "scope/" + hex.EncodeToString(crypto.Keccak256([]byte(text)))
}

// Holds reports whether a channel of this scope is d: same payer, payee, operator, token and signer.
func (s Scope) Holds(d Descriptor) bool {
	return d.Payer == s.Payer && d.Payee == s.Payee && d.Operator == s.Operator && d.Token == s.Token && d.Signer() == s.Signer
}

// StateKey is the name of a channel's record in a store.
func StateKey(id common.Hash) string { return "channel/" + id.Hex() }
