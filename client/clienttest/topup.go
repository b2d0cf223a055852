package clienttest

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// topUp puts more into a channel that the server knows.
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
		return nil, common.Hash{}, message.VerificationFailed("the transaction tops up another channel, or by another amount, than the payload says")
	}
	if err := s.refresh(a); err != nil {
		return nil, common.Hash{}, err
	}
	receipt, err := s.Chain.submit(p.Transaction, tx)
	if err != nil {
		return nil, common.Hash{}, err
	}
	return a, receipt.TxHash, s.refresh(a)
}

// checkDescriptor says whether the payload's descriptor is the channel's, and this route's.
func (s *Server) checkDescriptor(p *message.Payload, t Terms) error {
	switch d := p.Descriptor; {
	case d == nil:
		return message.VerificationFailed("a v2 credential needs the channel's descriptor")
	case s.Chain.dev.ChannelID(voucher.V2, *d) != p.ChannelID:
		return message.VerificationFailed("the descriptor is not that of channelId")
	case d.Payee != s.payee(t) || d.Token != s.Token:
		return message.VerificationFailed("the channel is for another payee or token")
	case d.Operator != t.Operator:
		return message.VerificationFailed("the channel has another operator than this route wants")
	}
	return nil
}

// known returns the account that the payload means.
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
		return nil, message.VerificationFailed("the channel is on the %s rail", a.p)
	case a.d.Payee != s.payee(t):
		return nil, message.VerificationFailed("the channel is for another payee")
	}
	return a, nil
}

// refresh reads the chain's word on the account and says why it cannot be paid from, or nil. A v1
// close request that was seen once is never forgotten; on v2 a canceled one is.
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
