package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Prices in base units, on every server: of a request, and of a piece of a stream.
const (
	pricePlain = 100
	pricePiece = 10
)

const (
	// suggested is the deposit that servers suggest: nobody has to top up.
	suggested = 1_000_000_000
	// funds is what each payer has.
	funds = 1 << 44
)

// account is what a server has on record of one payer. Amounts are base units.
type account struct {
	Channels        int
	Accepted, Spent voucher.Amount
}

// server is a paid server with its chain. Its routes are /data, /slow/THINK and /stream/N/PAUSE,
// with times in milliseconds, each with a free twin below /free.
type server interface {
	// url returns the URL that speaks the version of HTTP, without a trailing slash.
	url(major int) string
	// path returns the path of a route.
	path(route string, paid bool) string
	rpc() string
	// payer returns a new key with funds.
	payer() (key string, address common.Address, err error)
	// count returns how many requests arrived so far.
	count(ctx context.Context) (int, error)
	books(ctx context.Context, payer common.Address) (account, error)
	close()
}

// testServer is client/clienttest.
type testServer struct {
	*clienttest.Server
	protocol voucher.Protocol
	secure   *http.Server
	url2     string
}

func startTestServer(c cell, cert certificate) (*testServer, error) {
	cfg := clienttest.Config{TTL: time.Hour, Funds: voucher.Units(funds), WallClock: true}
	if c.Equal {
		cfg.EqualVouchers = clienttest.EqualRefused
	}
	inner, err := clienttest.Start(cfg)
	if err != nil {
		return nil, err
	}
	s := &testServer{Server: inner, protocol: c.Protocol}
	s.routes()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		inner.Close()
		return nil, err
	}
	s.url2 = "https://" + l.Addr().String()
	s.secure = &http.Server{
		Handler: inner.Handler(), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert.pair}},
	}
	go func() { _ = s.secure.ServeTLS(l, "", "") }()
	return s, nil
}

func (s *testServer) routes() {
	terms := clienttest.Terms{
		Price: voucher.Units(pricePlain), Deposit: voucher.Units(suggested), Protocol: s.protocol,
	}
	data := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if think, err := strconv.Atoi(r.PathValue("think")); err == nil {
			time.Sleep(time.Duration(think) * time.Millisecond)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"ok":true}`)
	})
	for _, route := range []string{"/data", "/slow/{think}"} {
		s.Handle("/load"+route, s.Paid(terms, data))
		s.Handle("/load/free"+route, data)
	}
	terms.Price = voucher.Units(pricePiece)
	s.Handle(
		"/load/stream/{n}/{pause}",
		s.Metered(terms, func(m *clienttest.Meter, r *http.Request) error {
			return pieces(r, func(text string, wait time.Duration) error {
				time.Sleep(wait)
				if err := m.Charge(1); err != nil {
					return err
				}
				return m.Send(text)
			})
		}),
	)
	s.Handle(
		"/load/free/stream/{n}/{pause}",
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_ = pieces(r, func(text string, wait time.Duration) error {
				time.Sleep(wait)
				if _, err := fmt.Fprintf(w, "event: message\ndata: %s\n\n", text); err != nil {
					return err
				}
				return http.NewResponseController(w).Flush()
			})
		}),
	)
}

// pieces calls send for each piece of a stream.
func pieces(r *http.Request, send func(text string, wait time.Duration) error) error {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return err
	}
	pause, err := strconv.Atoi(r.PathValue("pause"))
	if err != nil {
		return err
	}
	for i := range n {
		if err := send(fmt.Sprintf(`{"i":%d}`, i), time.Duration(pause)*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (s *testServer) url(major int) string {
	if major == 2 {
		return s.url2
	}
	return s.URL
}

func (s *testServer) path(route string, paid bool) string { return "/load" + freed(route, paid) }

// freed is the path of a route, or of its free twin.
func freed(route string, paid bool) string {
	if paid {
		return route
	}
	return "/free" + route
}

func (s *testServer) rpc() string { return s.RPCURL }

func (s *testServer) payer() (string, common.Address, error) {
	k := s.Payer()
	return k.Hex, k.Address, nil
}

func (s *testServer) count(context.Context) (int, error) { return len(s.Requests()), nil }

func (s *testServer) books(_ context.Context, payer common.Address) (sum account, err error) {
	for _, a := range s.Accounts() {
		if a.Payer == payer {
			sum.Channels++
			sum.Accepted, sum.Spent = sum.Accepted.AddCapped(
				a.Accepted,
			), sum.Spent.AddCapped(
				a.Spent,
			)
		}
	}
	return sum, s.Chain.Check()
}

func (s *testServer) close() {
	_ = s.secure.Close()
	s.Close()
}

// mppxServer is the published server on a chain in memory. It serves all cells of a protocol.
type mppxServer struct {
	*peer
	chain        *devchain.Chain
	listener     *httptest.Server
	HTTP1, HTTP2 string
}

func startMppxServer(
	ctx context.Context,
	rig string,
	p voucher.Protocol,
	cert certificate,
) (*mppxServer, error) {
	program, err := startPeer(rig, "node", "loadserver.mjs")
	if err != nil {
		return nil, err
	}
	s := &mppxServer{peer: program, chain: devchain.New(devchain.Config{Clock: time.Now})}
	s.listener = httptest.NewServer(s.chain.Handler())
	key, address, err := s.payer() // the payee needs money for fees
	if err == nil {
		err = s.call(ctx, "start", map[string]any{
			"v1": p == voucher.V1, "rpcUrl": s.rpc(), "payeeKey": key,
			"cert": cert.cert, "key": cert.key,
		}, s)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("load: mppx's server of %s: %w", address, err)
	}
	return s, nil
}

func (s *mppxServer) url(major int) string {
	if major == 2 {
		return s.HTTP2
	}
	return s.HTTP1
}

func (s *mppxServer) path(route string, paid bool) string { return freed(route, paid) }

func (s *mppxServer) rpc() string { return s.listener.URL }

func (s *mppxServer) payer() (string, common.Address, error) {
	key, err := crypto.GenerateKey()
	if err != nil {
		return "", common.Address{}, err
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	s.chain.Mint(devchain.PathUSD, address, voucher.Units(funds))
	return "0x" + hex.EncodeToString(crypto.FromECDSA(key)), address, nil
}

func (s *mppxServer) count(ctx context.Context) (n int, err error) {
	return n, s.call(ctx, "count", nil, &n)
}

func (s *mppxServer) books(ctx context.Context, payer common.Address) (sum account, err error) {
	err = s.call(ctx, "books", map[string]any{"payer": payer}, &sum)
	return sum, errors.Join(err, s.chain.CheckSupply())
}

func (s *mppxServer) close() {
	s.peer.close()
	s.listener.Close()
	s.chain.Close()
}

// certificate is a self-signed certificate of 127.0.0.1 for one run.
type certificate struct {
	pair      tls.Certificate
	cert, key string // as PEM
}

func newCertificate() (c certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(
			1,
		), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return c, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return c, err
	}
	c.cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c.key = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	c.pair, err = tls.X509KeyPair([]byte(c.cert), []byte(c.key))
	return c, err
}
