package rule

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Orphan returns the state of a channel that is not stored and was found in the logs of the chain.
// Its origin is not known. It stays listed and can be closed by the payer; nothing is paid from it
// before [State.Bind]. A channel of another voucher key is never bound. deposit is what it was opened
// with, by the log.
func Orphan(
	p voucher.Protocol, chainID uint64, escrow common.Address, d channel.Descriptor,
	deposit voucher.Amount, c OnChain,
) State {
	s := State{
		Confirmed: true, Deposit: deposit,
		ID: d.ID(p, escrow, chainID), Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d,
		Scope: channel.Scope{
			Protocol: p, ChainID: chainID, Escrow: escrow, Payee: d.Payee, Operator: d.Operator,
			Token: d.Token, Payer: d.Payer, Signer: d.Signer(),
		},
	}
	return s.Settle(c)
}

// Unbound reports whether the channel was found in the logs of the chain and its origin is not
// known.
func (s State) Unbound() bool { return s.Scope.Origin == "" && s.ID != (common.Hash{}) }

// Bind assigns an unbound channel the scope of found, which is the same channel, verified for that
// scope, and merges what is proved to be signed. Any other found changes nothing.
func (s State) Bind(found State) State {
	to := found.Scope
	to.Origin = ""
	if !s.Unbound() || s.ID != found.ID || s.Scope != to {
		return s
	}
	s.Scope, s.URL = found.Scope, found.URL
	s = s.signedBefore(found.authorized)
	if s.Signed.Less(found.Signed) {
		s.Signed, s.Voucher = found.Signed, found.Voucher
	}
	s.Accepted, s.Spent = s.Accepted.Max(found.Accepted), s.Spent.Max(found.Spent)
	s.Units = max(s.Units, found.Units)
	return s
}

// Described returns a v1 channel that was known by its id alone with the descriptor of a log, if
// that hashes to the id. Any other descriptor changes nothing.
func (s State) Described(d channel.Descriptor) State {
	if s.Protocol == voucher.V1 && s.Descriptor.Salt == (common.Hash{}) && d.ID(
		s.Protocol, s.Escrow, s.ChainID,
	) == s.ID {
		s.Descriptor = d
	}
	return s
}
