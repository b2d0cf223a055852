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

// Server is a paid HTTP server with its own chain, both on loopback. Its methods are safe for
// concurrent use. The caller must close it.
type Server struct {
	// URL is the URL of the server without a trailing slash.
	URL string
	// OtherURL is a second origin with the same routes and accounts. Only lies refer clients to it.
	OtherURL string
	// RPCURL is the URL of the chain's JSON-RPC, that of Node.
	RPCURL string
	// Node and OtherNode are two nodes of the chain. Each can be made faulty; see [Node.Fail].
	Node, OtherNode *Node
	// Chain is the chain of the server.
	Chain *Chain
	// ChainID, Token and Payee are those of the challenges. OtherPayee is a second payee; see
	// [Terms.Payee]. FeePayer pays the fees of sponsored transactions and of the payees. OtherToken
	// is a second token in which fees can be paid.
	ChainID                     uint64
	Token, OtherToken           common.Address
	Payee, OtherPayee, FeePayer common.Address

	cfg     Config
	key     []byte // for the ids of challenges
	domains map[voucher.Protocol]*voucher.Domain
	mux     *http.ServeMux
	book    book
	proofs  map[string]bool // challenge ids of used proofs; guarded by book.mu
	// cookies are the payers that are recognized by a cookie; guarded by book.mu
	cookies map[string]common.Address
	log     requestLog
	decide  atomic.Pointer[func(Request) Fault]
	deceit  deceit
	payers  atomic.Int64 // number of keys returned by Payer
	asked   atomic.Int64 // number of challenges for proofs

	ctx     context.Context // ends with the server
	end     context.CancelFunc
	running sync.WaitGroup // requests and listeners
	servers []*http.Server
}

// TB is the part of testing.TB that [New] uses.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// New starts a server and closes it at the end of the test. The test fails if the server cannot
// start, or if the balances of the chain do not add up at the end.
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

// Start starts a server. The caller must close it. The error is that of opening the ports on loopback.
func Start(cfg Config) (*Server, error) {
	cfg = cfg.withDefaults()
	s := &Server{
		Chain: newChain(cfg), Token: devchain.PathUSD, OtherToken: otherToken, cfg: cfg,
		key: make([]byte, 32), mux: http.NewServeMux(),
		book: book{byID: map[common.Hash]*account{}}, proofs: map[string]bool{},
		cookies: map[string]common.Address{},
		log:     requestLog{content: map[string]int{}},
	}
	_, _ = rand.Read(s.key) // never fails
	s.Node, s.OtherNode = newNode(s.Chain.dev), newNode(s.Chain.dev)
	s.ChainID = s.Chain.dev.ChainID()
	s.Payee, s.OtherPayee = crypto.PubkeyToAddress(
		s.Chain.payee.PublicKey,
	), crypto.PubkeyToAddress(
		s.Chain.otherPayee.PublicKey,
	)
	s.FeePayer = crypto.PubkeyToAddress(s.Chain.feePayer.PublicKey)
	s.domains = map[voucher.Protocol]*voucher.Domain{}
	for _, p := range []voucher.Protocol{voucher.V1, voucher.V2} {
		s.domains[p] = voucher.NewDomain(p, s.ChainID, s.Escrow(p))
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	s.routes()
	if cfg.NoSockets {
		s.URL, s.OtherURL, s.RPCURL = inURL, inOtherURL, inRPCURL
		s.Node.URL, s.OtherNode.URL = inRPCURL, inOtherRPCURL
		return s, nil
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// listen serves on four free loopback ports. It sets all URLs before it serves the first one,
// because a client of an earlier server may still use its port.
func (s *Server) listen() error {
	handlers := []http.Handler{s.Handler(), s.Handler(), s.Node.Handler(), s.OtherNode.Handler()}
	var listeners []net.Listener
	for i, url := range []*string{&s.URL, &s.OtherURL, &s.RPCURL, &s.OtherNode.URL} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			for _, l := range listeners {
				_ = l.Close()
			}
			return fmt.Errorf("clienttest: %w", err)
		}
		listeners = append(listeners, l)
		s.servers = append(
			s.servers, &http.Server{Handler: handlers[i], ReadHeaderTimeout: time.Minute},
		)
		*url = "http://" + l.Addr().String()
	}
	s.Node.URL = s.RPCURL
	for i, l := range listeners {
		s.running.Go(func() { _ = s.servers[i].Serve(l) })
	}
	return nil
}

// Handler returns the handler of the server, for other listeners, for example one with TLS.
func (s *Server) Handler() http.Handler { return s.received(s.mux) }

// Close ends all requests, connections and the chain's JSON-RPC. The methods for inspection still
// work. Close may be called more than once.
func (s *Server) Close() {
	s.end()
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.running.Wait()
	s.Chain.dev.Close()
}

// Key is a private key for tests. It has value only on the chain of the server.
type Key struct {
	// Hex is the private key: 0x and 64 hexadecimal digits.
	Hex string
	// Address is the address of the key.
	Address common.Address
}

// String returns the address.
func (k Key) String() string { return k.Address.Hex() }

// GoString returns the address.
func (k Key) GoString() string { return k.String() }

// Payer returns a new key with [Config.Funds] of Token and of OtherToken. The sequence of keys is
// the same for every server.
func (s *Server) Payer() Key {
	key := testKey(fmt.Sprintf("payer %d", s.payers.Add(1)))
	k := Key{
		Hex:     "0x" + hex.EncodeToString(crypto.FromECDSA(key)),
		Address: crypto.PubkeyToAddress(key.PublicKey),
	}
	s.Chain.Fund(k.Address, s.cfg.Funds)
	s.Chain.dev.Mint(otherToken, k.Address, s.cfg.Funds)
	return k
}

// Escrow returns the address of the escrow of the protocol.
func (s *Server) Escrow(p voucher.Protocol) common.Address {
	if p == voucher.V1 {
		return s.Chain.dev.StreamChannel()
	}
	return devchain.ReserveAddress
}
