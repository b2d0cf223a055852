package clienttest

import (
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// voucher takes a voucher for a channel that the server knows. unit charges for what is asked with it,
// before anybody else can use the credit up.
func (s *Server) voucher(p *payload, source string, t Terms, unit func(*account) error) (*account, error) {
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
	if err := s.rank(a, p, t); err != nil {
		return nil, err
	}
	if err := a.open(); err != nil {
		return nil, err
	}
	return a, unit(a)
}

// rank compares the voucher with the highest one, and takes it where it is higher. The caller holds
// s.book.mu.
func (s *Server) rank(a *account, p *payload, t Terms) error {
	lower := p.cumulative.Less(a.accepted)
	tolerant := s.cfg.LowerVouchers == LowerAccepted || s.cfg.LowerVouchers == LowerByRail && a.p == voucher.V1
	switch {
	case a.deposit.Less(p.cumulative):
		e := exceedsDeposit("the voucher of %s is above the deposit of %s", p.cumulative, a.deposit).on(a.id)
		e.requiredTopUp = p.cumulative.SubFloor(a.deposit)
		return e
	case lower && !tolerant:
		return unverified("the voucher is below the highest one")
	}
	if err := s.checkSignature(a.p, p, a.d); err != nil {
		return err
	}
	if lower {
		return nil
	}
	if a.p == voucher.V2 && !a.settled.Less(p.cumulative) {
		return unverified("the voucher is settled already")
	}
	if p.cumulative == a.accepted {
		if s.cfg.EqualVouchers == EqualRefused {
			return deltaTooSmall("the voucher is equal to the highest one").on(a.id)
		}
		return nil
	}
	if delta := p.cumulative.SubFloor(a.accepted); delta.Less(t.MinDelta) {
		return deltaTooSmall("the voucher grows by %s, and must by %s", delta, t.MinDelta).on(a.id)
	}
	a.accept(p.signed())
	return nil
}

// checkSource wants the credential to come from the payer or the channel's signer.
func (s *Server) checkSource(source string, a *account) error {
	who, ok := s.parseSource(source)
	if !ok || who != a.d.Payer && (who != a.d.AuthorizedSigner || who == common.Address{}) {
		return unverified("the credential's source is neither the payer nor the channel's signer")
	}
	return nil
}

// parseSource reads did:pkh:eip155:<this chain>:<address>.
func (s *Server) parseSource(source string) (common.Address, bool) {
	text, ok := strings.CutPrefix(source, "did:pkh:eip155:"+strconv.FormatUint(s.ChainID, 10)+":")
	raw, err := hexutil.Decode(text)
	if !ok || err != nil || len(raw) != common.AddressLength {
		return common.Address{}, false
	}
	return common.Address(raw), true
}
