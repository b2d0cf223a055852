package clienttest

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Account is the server's account of one channel. Amounts are base units.
type Account struct {
	ChannelID common.Hash
	Protocol  voucher.Protocol
	// Payer funded the channel. Signer signs its vouchers.
	Payer, Signer common.Address
	// Accepted is the amount of the highest voucher, and Spent the sum of the charges.
	Accepted, Spent voucher.Amount
	// Units is the number of charged units.
	Units uint64
	// Signed reports whether the server has a signature for Accepted.
	Signed bool
	// Deposit and Settled are the values on chain when the server last read them. After a close
	// Deposit is zero.
	Deposit, Settled voucher.Amount
	// Closing reports whether the server saw a close request of the payer. Finalized reports
	// whether the server closed the channel.
	Closing, Finalized bool
}

// view returns the public form of the account. The caller holds the book's mutex.
func (a *account) view() Account {
	return Account{
		ChannelID: a.id, Protocol: a.p, Payer: a.d.Payer, Signer: signerOf(a.d),
		Accepted: a.accepted, Spent: a.spent, Units: a.units, Signed: len(a.signature) > 0,
		Deposit: a.deposit, Settled: a.settled, Closing: a.closing, Finalized: a.finalized,
	}
}

// Accounts returns the accounts of all channels in the order in which they were opened.
func (s *Server) Accounts() []Account {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	out := make([]Account, 0, len(s.book.order))
	for _, id := range s.book.order {
		out = append(out, s.book.byID[id].view())
	}
	return out
}

// Account returns the account of the channel, and whether it exists.
func (s *Server) Account(id common.Hash) (Account, bool) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a, ok := s.book.byID[id]
	if !ok {
		return Account{}, false
	}
	return a.view(), true
}

// Settle redeems the highest voucher of the channel on chain and returns the hash of the
// transaction. The channel stays open. It is an error if there is nothing to settle.
func (s *Server) Settle(id common.Hash) (common.Hash, error) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a, err := s.book.find(id)
	if err != nil {
		return common.Hash{}, err
	}
	tx, err := s.Chain.settle(a)
	if err != nil {
		return common.Hash{}, err
	}
	a.settled = s.Chain.Channel(id).Settled
	a.touch()
	return tx, nil
}

// Forget deletes the server's account of the channel. The channel still exists on chain.
func (s *Server) Forget(id common.Hash) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.drop(id)
}
