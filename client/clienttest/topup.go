package clienttest

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// topUp sends a top-up of a known channel. One that was sent before is refused with
// verification-failed, as the chain takes a transaction once: a payer whose answer was lost has to read
// the deposit from the chain.
func (s *Server) topUp(p *message.Payload, t Terms) (*account, common.Hash, error) {
	a, err := s.known(p, t)
	if err != nil {
		return nil, common.Hash{}, err
	}
	tx, o, err := s.readManaged(p.Transaction, t, true)
	if err != nil {
		return nil, common.Hash{}, err
	}
	same := o.ChannelID == p.ChannelID // v1 names the channel by its id alone
	if t.Protocol == voucher.V2 {
		same = o.Descriptor == *p.Descriptor
	}
	if !same || o.Amount != p.Additional {
		return nil, common.Hash{}, message.VerificationFailed(
			"the transaction is for another channel or amount than the payload",
		)
	}
	if err := s.refresh(a); err != nil {
		return nil, common.Hash{}, err
	}
	receipt, err := s.Chain.submitOnce(p.Transaction, tx)
	if err != nil {
		return nil, common.Hash{}, err
	}
	return a, receipt.TxHash, s.refresh(a)
}

// checkDescriptor returns nil if the descriptor of the payload is that of the channel and matches
// the route.
func (s *Server) checkDescriptor(p *message.Payload, t Terms) error {
	switch d := p.Descriptor; {
	case d == nil:
		return message.VerificationFailed(
			"a v2 credential must contain the descriptor of the channel",
		)
	case s.Chain.dev.ChannelID(voucher.V2, *d) != p.ChannelID:
		return message.VerificationFailed("the descriptor does not match channelId")
	case d.Payee != s.payee(t) || d.Token != s.Token:
		return message.VerificationFailed("the channel is for another payee or token")
	case d.Operator != t.Operator:
		return message.VerificationFailed("the channel has another operator than the route")
	}
	return nil
}

// known returns the account of the channel of the payload.
func (s *Server) known(p *message.Payload, t Terms) (*account, error) {
	if t.Protocol == voucher.V2 {
		if err := s.checkDescriptor(p, t); err != nil {
			return nil, err
		}
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a, err := s.book.find(p.ChannelID)
	switch {
	case err != nil:
		return nil, err
	case a.p != t.Protocol:
		return nil, message.VerificationFailed("the channel uses protocol %s", a.p)
	case a.d.Payee != s.payee(t):
		return nil, message.VerificationFailed("the channel is for another payee")
	}
	return a, nil
}

// refresh updates the account from the chain. It returns a refusal if the channel cannot be used.
// On v1 a close request that was seen once stays; on v2 it can be canceled.
func (s *Server) refresh(a *account) error {
	state := s.Chain.Channel(a.id)
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if a.finalized || a.unmined {
		return a.open()
	}
	a.closing = state.CloseRequestedAt != 0 || a.closing && a.p == voucher.V1
	if state.Exists {
		a.deposit, a.settled = state.Deposit, state.Settled
	}
	a.touch()
	if err := usable(a.id, state); err != nil {
		return err
	}
	return a.open()
}
