package rule

import (
	"cmp"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// New returns the state of a channel that is about to be opened: the opening transaction is written
// down before it leaves.
func New(p voucher.Protocol, chainID uint64, escrow common.Address, d channel.Descriptor, scope channel.Scope, opening Funding) (State, error) {
	s := State{
		ID: d.ID(p, escrow, chainID), Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d,
		Scope: scope, Deposit: opening.Amount, Opening: opening,
	}
	return s, s.matches(scope)
}

// Find returns the state of an existing channel, known so far by its descriptor only, as the chain has
// it. What was signed starts at what was settled. The error is [channel.ErrNotOurs].
func Find(p voucher.Protocol, chainID uint64, escrow common.Address, id common.Hash, d channel.Descriptor, scope channel.Scope, c OnChain) (State, error) {
	s := State{ID: id, Protocol: p, ChainID: chainID, Escrow: escrow, Descriptor: d, Scope: scope}
	if p == voucher.V1 && d.Salt == (common.Hash{}) {
		// A v1 escrow stores who the parties are; without the salt its word replaces the hash.
		d = channel.Descriptor{Payer: c.Payer, Payee: c.Payee, Token: c.Token, AuthorizedSigner: c.Signer}
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
		return State{}, fmt.Errorf("%w: channel %s has a close request pending on chain", channel.ErrNotOurs, id)
	}
	return s.Settle(c), nil
}

// Recover raises our column to a voucher that somebody shows us, if our own key signed it for this
// channel. Any other voucher changes nothing: the error then wraps the one of [voucher.Verify].
func (s State) Recover(v voucher.Signed) (State, error) {
	if v.ChannelID != s.ID {
		return s, fmt.Errorf("%w: the voucher is for channel %s, not %s", channel.ErrNotOurs, v.ChannelID, s.ID)
	}
	if err := voucher.Verify(s.Domain(), v, s.Descriptor.Signer()); err != nil {
		return s, fmt.Errorf("%w: the shown voucher is not ours: %w", channel.ErrNotOurs, err)
	}
	next := s.signedBefore(v.Cumulative)
	if next.Deposit.Less(v.Cumulative) {
		return s, fmt.Errorf("%w: channel %s: the shown voucher %s is above the deposit %s", channel.ErrNotOurs, s.ID, v.Cumulative, s.Deposit)
	}
	return next.MarkSigned(v)
}

// matches checks that the channel is of the scope.
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
			return fmt.Errorf("%w: channel %s has %s %s, wanted %s", channel.ErrNotOurs, s.ID, c.what, c.got, c.want)
		}
	}
	if s.ChainID != scope.ChainID || s.Protocol != scope.Protocol {
		return fmt.Errorf("%w: channel %s is %s on chain %d, wanted %s on chain %d", channel.ErrNotOurs, s.ID, s.Protocol, s.ChainID, scope.Protocol, scope.ChainID)
	}
	return nil
}

// checkID checks that the identity hashes to the id. A v1 channel that was found without its salt
// cannot be hashed; the escrow's own record stood in for it.
func (s State) checkID() error {
	if s.Protocol == voucher.V1 && s.Descriptor.Salt == (common.Hash{}) {
		return nil
	}
	if got := s.Descriptor.ID(s.Protocol, s.Escrow, s.ChainID); got != s.ID {
		return fmt.Errorf("the descriptor hashes to %s, not to channel %s", got, s.ID)
	}
	return nil
}
