package clienttest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Server is a paid HTTP server with a chain behind it, both on loopback. Its methods are safe for
// concurrent use. Close it when done.
type Server struct {
	// URL is where it listens, without a slash at the end.
	URL string
	// OtherURL is another origin of the same hand, which has the same routes and keeps the same
	// books. Only lies lead there.
	OtherURL string
	// RPCURL is the chain's JSON-RPC.
	RPCURL string
	// Chain is the money.
	Chain *Chain
	// ChainID, Token and Payee are what the challenges say. OtherPayee is a second account that the
	// server can take money for; see [Terms.Payee]. FeePayer pays for sponsored routes and for the
	// payees' own transactions. OtherToken is a second token that the chain takes fees in.
	ChainID                     uint64
	Token, OtherToken           common.Address
	Payee, OtherPayee, FeePayer common.Address

	cfg     Config
	key     []byte // of challenge ids
	domains map[voucher.Protocol]*voucher.Domain
	mux     *http.ServeMux
	book    book
	proofs  map[string]bool // challenge ids of proofs that were used; guarded by book.mu
	log     requestLog
	decide  atomic.Pointer[func(Request) Fault]
	deceit  deceit
	payers  atomic.Int64 // keys given out
	asked   atomic.Int64 // challenges for a proof

	ctx     context.Context // ends with the server
	end     context.CancelFunc
	running sync.WaitGroup // requests and listeners
	servers []*http.Server
}

// TB is what [New] needs of a testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New starts a server that is closed with the test. It fails the test when it cannot, and at the
// end when the chain's books do not add up.
func New(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := s.Chain.Check(); err != nil {
			t.Errorf("%v", err)
		}
	})
	return s
}

// Start starts a server. The caller closes it.
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{
		Chain: newChain(cfg), Token: devchain.PathUSD, OtherToken: otherToken, cfg: cfg, key: make([]byte, 32), mux: http.NewServeMux(),
		book: book{byID: map[common.Hash]*account{}}, proofs: map[string]bool{}, log: requestLog{content: map[string]int{}},
	}
	_, _ = rand.Read(s.key) // never fails
	s.ChainID = s.Chain.dev.ChainID()
	s.Payee, s.OtherPayee = crypto.PubkeyToAddress(s.Chain.payee.PublicKey), crypto.PubkeyToAddress(s.Chain.otherPayee.PublicKey)
	s.FeePayer = crypto.PubkeyToAddress(s.Chain.feePayer.PublicKey)
	s.domains = map[voucher.Protocol]*voucher.Domain{}
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		s.domains[p] = voucher.NewDomain(p, s.ChainID, s.Escrow(p))
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.routes()
	if cfg.NoSockets {
		s.URL, s.OtherURL, s.RPCURL = inURL, inOtherURL, inRPCURL
		return s, nil
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// listen serves on three free loopback ports. All are known before the first is served: whoever has
// had a port before may still be asked there.
func (s *Server) listen() error {
	handlers := []http.Handler{s.Handler(), s.Handler(), s.Chain.dev.Handler()}
	var listeners []net.Listener
	for i, url := range []*string{&s.URL, &s.OtherURL, &s.RPCURL} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return fmt.Errorf("clienttest: %w", err)
		}
		listeners = append(listeners, l)
		s.servers = append(s.servers, &http.Server{Handler: handlers[i], ReadHeaderTimeout: time.Minute})
		*url = "http://" + l.Addr().String()
	}
	for i, l := range listeners {
		s.running.Go(func() { _ = s.servers[i].Serve(l) })
	}
	return nil
}

// Handler is the whole server, for listeners of the test's own: one with TLS, say.
func (s *Server) Handler() http.Handler { return s.visited(s.mux) }

// Close ends all requests and connections, and the chain's JSON-RPC. What the server knew can still
// be asked. It may be called twice.
func (s *Server) Close() {
	s.end()
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.running.Wait()
	s.Chain.dev.Close()
}

// Key is a private key for tests. It is worth nothing outside the server's own chain.
type Key struct {
	// Hex is the private key: 0x and 64 digits.
	Hex string
	// Address is its account.
	Address common.Address
}

// String is the address.
func (k Key) String() string { return k.Address.Hex() }

// GoString is the address.
func (k Key) GoString() string { return k.String() }

// Payer returns a key that no call before returned, with [Config.Funds] of Token and of
// OtherToken on its account. The keys are the same at each start.
func (s *Server) Payer() Key {
	key := testKey(fmt.Sprintf("payer %d", s.payers.Add(1)))
	k := Key{Hex: "0x" + hex.EncodeToString(crypto.FromECDSA(key)), Address: crypto.PubkeyToAddress(key.PublicKey)}
	s.Chain.Fund(k.Address, s.cfg.Funds)
	s.Chain.dev.Mint(otherToken, k.Address, s.cfg.Funds)
	return k
}

// Escrow is the escrow's address on the rail.
func (s *Server) Escrow(p voucher.Protocol) common.Address {
	if p == voucher.V1 {
		return s.Chain.dev.StreamChannel()
	}
	return devchain.ReserveAddress
}
