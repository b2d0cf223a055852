package clienttest

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Account is what the server believes about one channel. Amounts are base units.
type Account struct {
	ChannelID common.Hash
	Protocol  voucher.Protocol
	// Payer funded the channel, and Signer signs its vouchers.
	Payer, Signer common.Address
	// Accepted is the highest voucher, and Spent what was charged of it.
	Accepted, Spent voucher.Amount
	// Units counts the charges.
	Units uint64
	// Signed: the server holds the signature of Accepted.
	Signed bool
	// Deposit and Settled are the chain's, as the server last saw them. After a close Deposit is
	// zero.
	Deposit, Settled voucher.Amount
	// Closing: the server saw a close request of the payer. Finalized: the channel was closed here.
	Closing, Finalized bool
}

// view is the account for users. The caller holds the book's mutex.
func (a *account) view() Account {
	return Account{
		ChannelID: a.id, Protocol: a.p, Payer: a.d.Payer, Signer: signerOf(a.d),
		Accepted: a.accepted, Spent: a.spent, Units: a.units, Signed: len(a.signature) > 0,
		Deposit: a.deposit, Settled: a.settled, Closing: a.closing, Finalized: a.finalized,
	}
}

// Accounts lists all channels that the server knows, in the order of their opening.
func (s *Server) Accounts() []Account {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	out := make([]Account, 0, len(s.book.order))
	for _, id := range s.book.order {
		out = append(out, s.book.byID[id].view())
	}
	return out
}

// Account is what the server knows about the channel; false: nothing.
func (s *Server) Account(id common.Hash) (Account, bool) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	a, ok := s.book.byID[id]
	if !ok {
		return Account{}, false
	}
	return a.view(), true
}

// Settle cashes the channel's highest voucher on chain; the channel stays open. It returns the
// transaction's hash. It is an error when nothing is left to settle.
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

// Forget drops the server's record of the channel. The chain still has it.
func (s *Server) Forget(id common.Hash) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.book.drop(id)
}
