package rule

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Orphan returns the state of a channel that no record knows, as the chain has it: the log of its opening told the
// descriptor, which hashes to the id. What it was opened for no log tells, so its scope has no origin: such a
// channel stays listed and can be closed by the payer, and nothing is paid from it before it is bound
// ([State.Bind]). A channel of another voucher key never is.
func Orphan(p voucher.Protocol, chainID uint64, escrow common.Address, d channel.Descriptor, c OnChain) State {
	s := State{
		ID: d.ID(p, escrow, chainID), Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d,
		Scope: channel.Scope{
			Protocol: p, ChainID: chainID, Escrow: escrow, Payee: d.Payee, Operator: d.Operator,
			Token: d.Token, Payer: d.Payer, Signer: d.Signer(),
		},
	}
	return s.Settle(c)
}

// Unbound reports whether nobody knows what the channel was opened for: it was found in the chain's logs.
func (s State) Unbound() bool { return s.Scope.Origin == "" && s.ID != (common.Hash{}) }

// Bind gives an unbound channel its place: found is the same channel, of the same parties, as it was checked for the
// scope that it is to be used for, with what our own hand or the chain proves was signed. Anything else is
// left as it is.
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

// Described completes a v1 channel that was known by its id alone with the descriptor that a log tells, where
// it hashes to the id. Anything else is left as it is.
func (s State) Described(d channel.Descriptor) State {
	if s.Protocol == voucher.V1 && s.Descriptor.Salt == (common.Hash{}) && d.ID(s.Protocol, s.Escrow, s.ChainID) == s.ID {
		s.Descriptor = d
	}
	return s
}
