package clienttest

import (
	"net/http"
	"sync"
	"time"

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
	// Deposit and Settled are the chain's, as the server last saw them. After a close Deposit is zero.
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

// Request is one request that was answered, or is being answered. No header values are kept.
type Request struct {
	// Seq counts from 1, in the order of arrival.
	Seq int
	// At is [Config.Now] at arrival.
	At time.Time
	// Method and Path are the request's; Path has the query.
	Method, Path string
	// Strayed: it came to [Server.OtherURL].
	Strayed bool
	// Status is the answer's. Zero: there is none yet, or the connection was cut.
	Status int
	// Action is the credential's: open, topUp, voucher, close or proof. Empty: there was no credential, or
	// it could not be read.
	Action string
	// ChannelID, Cumulative and Additional are the credential's, where it has them.
	ChannelID              common.Hash
	Cumulative, Additional voucher.Amount
	// Problem is the problem type of the answer, without the base URI. Empty: none.
	Problem string
}

// Requests lists all requests so far, in the order of arrival.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return append([]Request(nil), s.log.entries...)
}

// Served counts how often the route gave content, also for streams that were cut. The route is a path
// without query.
func (s *Server) Served(path string) int {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return s.log.content[path]
}

// requestLog is what was asked of the server.
type requestLog struct {
	mu      sync.Mutex // guards the rest
	entries []Request
	content map[string]int // answers with content by path
}

// begin writes down a request that has arrived.
func (l *requestLog) begin(at time.Time, r *http.Request, c *credential, strayed bool) *Request {
	e := Request{At: at, Method: r.Method, Path: r.URL.RequestURI(), Strayed: strayed}
	if c != nil {
		e.Action = c.payload.action()
		f := fields{o: c.payload}
		e.ChannelID = f.hash("channelId")
		if text, err := c.payload.text("cumulativeAmount"); err == nil {
			e.Cumulative, _ = voucher.ParseAmount(text)
		}
		if text, err := c.payload.text("additionalDeposit"); err == nil {
			e.Additional, _ = voucher.ParseAmount(text)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Seq = len(l.entries) + 1
	l.entries = append(l.entries, e)
	return &e
}

func (l *requestLog) answered(seq, status int, problem string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries[seq-1].Status, l.entries[seq-1].Problem = status, problem
}

func (l *requestLog) served(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.content[path]++
}
