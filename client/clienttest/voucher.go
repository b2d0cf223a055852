package clienttest

import (
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/client/clienttest/internal/message"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// voucher accepts a voucher for a known channel. It calls unit with the book's mutex to charge for
// the request before others can use up the credit.
func (s *Server) voucher(
	p *message.Payload,
	source string,
	t Terms,
	unit func(*account) error,
) (*account, error) {
	a, err := s.known(p, t)
	if err != nil {
		return nil, err
	}
	if t.Protocol == voucher.V2 {
		if err := s.checkSource(source, a); err != nil {
			return nil, err
		}
	}
	if err := s.refresh(a); err != nil {
		return nil, err
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if err := s.compare(a, p, t); err != nil {
		return nil, err
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	return a, unit(a)
}

// compare compares the voucher with the highest one and stores it if it is higher. The caller holds
// s.book.mu.
func (s *Server) compare(a *account, p *message.Payload, t Terms) error {
	lower := p.Cumulative.Less(a.accepted)
	tolerant := s.cfg.LowerVouchers == LowerAccepted ||
		s.cfg.LowerVouchers == LowerByProtocol && a.p == voucher.V1
	switch {
	case a.deposit.Less(p.Cumulative):
		e := message.AmountExceedsDeposit(
			"the voucher of %s is above the deposit of %s", p.Cumulative, a.deposit).
			On(a.id)
		e.RequiredTopUp = p.Cumulative.SubFloor(a.deposit)
		return e
	case lower && !tolerant:
		return message.VerificationFailed("the voucher is below the highest one")
	}
	if !a.holds(p.Signed()) {
		if err := s.checkSignature(a.p, p, a.d); err != nil {
			return err
		}
	}
	if lower {
		return nil
	}
	if a.p == voucher.V2 && !a.settled.Less(p.Cumulative) {
		return message.VerificationFailed("the voucher is already settled")
	}
	if p.Cumulative == a.accepted {
		if s.cfg.EqualVouchers == EqualRefused {
			return message.DeltaTooSmall(
				"the voucher is equal to the highest one").On(a.id)
		}
		return nil
	}
	if delta := p.Cumulative.SubFloor(a.accepted); delta.Less(t.MinDelta) {
		return message.DeltaTooSmall(
			"the voucher increases by %s, the minimum is %s", delta, t.MinDelta).
			On(a.id)
	}
	a.accept(p.Signed())
	return nil
}

// checkSource returns nil if the source of the credential is the payer or the signer of the
// channel.
func (s *Server) checkSource(source string, a *account) error {
	who, ok := s.parseSource(source)
	if !ok || who != a.d.Payer && (who != a.d.AuthorizedSigner || who == common.Address{}) {
		return message.VerificationFailed(
			"the credential's source is neither the payer nor the channel's signer",
		)
	}
	return nil
}

// parseSource parses did:pkh:eip155:<this chain>:<address>.
func (s *Server) parseSource(source string) (common.Address, bool) {
	text, ok := strings.CutPrefix(source, "did:pkh:eip155:"+strconv.FormatUint(s.ChainID, 10)+":")
	raw, err := hexutil.Decode(text)
	if !ok || err != nil || len(raw) != common.AddressLength {
		return common.Address{}, false
	}
	return common.Address(raw), true
}
