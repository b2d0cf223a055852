package clienttest

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Server is a paid HTTP server with a chain behind it, both on loopback. Its methods are safe for
// concurrent use. Close it when done.
type Server struct {
	// URL is where it listens, without a slash at the end.
	URL string
	// RPCURL is the chain's JSON-RPC.
	RPCURL string
	// Chain is the money.
	Chain *Chain
	// ChainID, Token, Payee and FeePayer are what the challenges say, and who pays for sponsored routes.
	ChainID                uint64
	Token, Payee, FeePayer common.Address

	cfg    Config
	decide atomic.Pointer[func(Request) Fault]
}

// TB is what [New] needs of a testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// New starts a server that is closed with the test. It fails the test when it cannot, and at the end
// when base units are missing from the chain's books.
func New(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server. The caller closes it.
func Start(cfg Config) (*Server, error) {
	return nil, errors.New("clienttest: not built yet")
}

// Close ends all requests and connections, and the chain. It may be called twice.
func (s *Server) Close() {}

// Key is a test's private key.
type Key struct {
	// Hex is the private key: 0x and 64 digits. It is worth nothing outside the server's own chain.
	Hex string
	// Address is its account.
	Address common.Address
}

// String is the address.
func (k Key) String() string { return k.Address.Hex() }

// Payer returns a key that no call before returned, with [Config.Funds] on its account. The keys are
// the same at each start.
func (s *Server) Payer() Key { return Key{} }

// Escrow is the escrow's address on the rail.
func (s *Server) Escrow(p voucher.Protocol) common.Address { return common.Address{} }

// Handle adds a route, with the patterns of [http.ServeMux]. It panics where the pattern collides with
// another. What h does is free of charge unless it is made by [Server.Paid] or [Server.Metered].
func (s *Server) Handle(pattern string, h http.Handler) {}

// Paid makes h cost the terms' price for each request. h runs after the price is charged.
func (s *Server) Paid(t Terms, h http.Handler) http.Handler { return h }

// Metered serves an event stream that run fills and charges for, unit by unit. The stream ends when
// run returns; where it returns an error, without a receipt.
func (s *Server) Metered(t Terms, run func(m *Meter, r *http.Request) error) http.Handler { return nil }

// Accounts lists all channels that the server knows, in the order of their opening.
func (s *Server) Accounts() []Account { return nil }

// Account is what the server knows about the channel; false: nothing.
func (s *Server) Account(id common.Hash) (Account, bool) { return Account{}, false }

// Settle cashes the channel's highest voucher on chain; the channel stays open. It returns the
// transaction's hash.
func (s *Server) Settle(id common.Hash) (common.Hash, error) { return common.Hash{}, nil }

// Forget drops the server's record of the channel. The chain still has it.
func (s *Server) Forget(id common.Hash) {}

// Requests lists all requests so far, in the order of arrival.
func (s *Server) Requests() []Request { return nil }

// Served counts how often the route gave content, also for streams that were cut. The route is a path
// without query.
func (s *Server) Served(path string) int { return 0 }
