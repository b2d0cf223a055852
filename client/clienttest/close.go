package clienttest

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// close closes a channel with the payer's last voucher. On v2 it captures the maximum of spent and
// settled. v1 can only capture the whole voucher.
func (s *Server) close(p *message.Payload, t Terms) (*account, common.Hash, error) {
	a, err := s.known(p, t)
	if err != nil {
		return nil, common.Hash{}, err
	}
	if err := s.refresh(a); err != nil {
		return nil, common.Hash{}, err
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if err := a.open(); err != nil {
		return nil, common.Hash{}, err
	}
	capture, err := s.capture(a, p)
	if err != nil {
		return nil, common.Hash{}, err
	}
	if err := s.checkSignature(a.p, p, a.d); err != nil {
		return nil, common.Hash{}, err
	}
	tx, err := s.Chain.closeChannel(a, p.Signed(), capture)
	if err != nil {
		return nil, common.Hash{}, message.InternalError("%v", err)
	}
	a.finalized, a.closing, a.settled, a.deposit = true, false, capture, voucher.Amount{}
	a.accepted, a.signature = p.Cumulative, p.Signature
	a.touch()
	return a, tx, nil
}

// capture returns the total amount for the payee.
func (s *Server) capture(a *account, p *message.Payload) (voucher.Amount, error) {
	capture := a.spent.Max(a.settled)
	if a.p == voucher.V1 {
		capture = p.Cumulative
	}
	switch {
	case p.Cumulative.Less(a.spent):
		return capture, message.VerificationFailed(
			"the closing voucher must be at least %s, the amount spent", a.spent,
		)
	case p.Cumulative.Less(a.settled), a.p == voucher.V1 && p.Cumulative == a.settled:
		return capture, message.VerificationFailed(
			"the closing voucher must be above %s, the amount settled", a.settled,
		)
	case a.deposit.Less(capture):
		return capture, message.AmountExceedsDeposit(
			"the capture of %s is above the deposit of %s", capture, a.deposit).
			On(a.id)
	}
	return capture, nil
}
