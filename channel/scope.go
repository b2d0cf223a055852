package channel

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Scope is what a channel is used for: one origin, payee, operator, token and escrow, for one payer
// and one voucher key. A scope has at most one current channel.
type Scope struct {
	// Origin is scheme://host:port, in lower case and always with a port.
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

// Holds reports whether a channel of this scope is d: same payer, payee, operator, token and
// signer.
func (s Scope) Holds(d Descriptor) bool {
	return d.Payer == s.Payer && d.Payee == s.Payee && d.Operator == s.Operator &&
		d.Token == s.Token && d.Signer() == s.Signer
}
