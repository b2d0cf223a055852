package rule

import (
	"cmp"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// New returns the state of a channel that is about to be opened. It is stored before the opening
// transaction is sent.
func New(
	p voucher.Protocol, chainID uint64, escrow common.Address, d channel.Descriptor,
	scope channel.Scope, opening Funding,
) (State, error) {
	s := State{
		ID: d.ID(p, escrow, chainID), Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d,
		Scope: scope, Deposit: opening.Amount, Opening: opening,
	}
	return s, s.matches(scope)
}

// Find returns the state of a channel that exists on chain and is not stored. What was signed
// starts at what was settled. The error is [channel.ErrNotOurs].
func Find(
	p voucher.Protocol, chainID uint64, escrow common.Address, id common.Hash, d channel.Descriptor,
	scope channel.Scope, c OnChain,
) (State, error) {
	s := State{ID: id, Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d, Scope: scope}
	if p == voucher.V1 && d.Salt == (common.Hash{}) {
		// Without the salt nothing can be hashed; the parties are those that the v1 escrow stores.
		d = channel.Descriptor{
			Payer: c.Payer, Payee: c.Payee, Token: c.Token, AuthorizedSigner: c.Signer,
		}
		s.Descriptor = d
	} else if err := s.checkID(); err != nil {
		return State{}, fmt.Errorf("%w: %w", channel.ErrNotOurs, err)
	}
	if err := s.matches(scope); err != nil {
		return State{}, err
	}
	switch {
	case !c.Exists || c.Finalized || c.Deposit.IsZero():
		return State{}, fmt.Errorf("%w: channel %s is not open on chain", channel.ErrNotOurs, id)
	case c.CloseRequestedAt != 0:
		return State{}, fmt.Errorf(
			"%w: channel %s has a close request pending on chain", channel.ErrNotOurs, id,
		)
	}
	return s.Settle(c), nil
}

// matches returns an error if the channel is not of the scope.
func (s State) matches(scope channel.Scope) error {
	d := s.Descriptor
	signer := cmp.Or(d.AuthorizedSigner, d.Payer)
	for _, c := range []struct {
		what      string
		got, want common.Address
	}{
		{"payer", d.Payer, scope.Payer},
		{"payee", d.Payee, scope.Payee},
		{"operator", d.Operator, scope.Operator},
		{"token", d.Token, scope.Token},
		{"authorized signer", signer, scope.Signer},
		{"escrow", s.Escrow, scope.Escrow},
	} {
		if c.got != c.want {
			return fmt.Errorf(
				"%w: channel %s has %s %s, wanted %s", channel.ErrNotOurs, s.ID, c.what, c.got,
				c.want,
			)
		}
	}
	if s.ChainID != scope.ChainID || s.Protocol != scope.Protocol {
		return fmt.Errorf(
			"%w: channel %s is %s on chain %d, wanted %s on chain %d", channel.ErrNotOurs, s.ID,
			s.Protocol, s.ChainID, scope.Protocol, scope.ChainID,
		)
	}
	return nil
}

// checkID returns an error if the descriptor does not hash to the id. A v1 channel that was found
// without its salt cannot be checked.
func (s State) checkID() error {
	if s.Protocol == voucher.V1 && s.Descriptor.Salt == (common.Hash{}) {
		return nil
	}
	if got := s.Descriptor.ID(s.Protocol, s.Escrow, s.ChainID); got != s.ID {
		return fmt.Errorf("the descriptor hashes to %s, not to channel %s", got, s.ID)
	}
	return nil
}
