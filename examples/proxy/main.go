// Proxy is a service that pays for programs on this machine: a reverse proxy on loopback. Its key is
// an encrypted file, its limits are a policy file, its channels and its journal are on disk, what
// needs attention is logged as a warning, and closes that somebody began are finished.
//
//	TALLY_PASSWORD=… go run ./examples/proxy -key key.json -policy policy.toml -store /var/lib/payer \
//		-rpc https://rpc.tempo.xyz -listen 127.0.0.1:8402 https://api.example.com
//
// Whoever reaches the address spends the owner's money, within the policy.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/policyfile"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx)
	stop()
	if err != nil {
		log.Fatal(err)
	}
}

func start(ctx context.Context) (err error) {
	s := service{log: slog.Default()} // warnings are what somebody has to look at
	key := flag.String("key", "key.json", "keystore `file` of the key that pays; TALLY_PASSWORD is its password")
	rules := flag.String("policy", "policy.toml", "policy `file`")
	listen := flag.String("listen", "127.0.0.1:8402", "`address` to serve")
	flag.StringVar(&s.dir, "store", "", "`directory` of channels and journal")
	flag.StringVar(&s.node, "rpc", "", "`URL` of a node of the chain")
	flag.Parse()
	if s.target, err = url.Parse(flag.Arg(0)); err != nil {
		return err
	}
	if s.key, err = keyfile.Load(*key, os.Getenv("TALLY_PASSWORD")); err != nil {
		return err
	}
	if s.policy, err = policyfile.Load(*rules); err != nil {
		return err
	}
	on, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	return s.run(ctx, on)
}

type service struct {
	target    *url.URL
	node, dir string
	key       *voucher.KeySigner
	policy    *policyfile.File
	log       *slog.Logger
}

// run serves until the context ends, and then lets requests finish for ten seconds.
func (s *service) run(ctx context.Context, on net.Listener) (err error) {
	chain, err := escrow.Dial(ctx, s.node)
	if err != nil {
		return err
	}
	defer chain.Close()
	files, err := filestore.Open(s.dir)
	if err != nil {
		return err
	}
	defer files.Close()
	lines, err := journal.Open(filepath.Join(s.dir, "journal"), 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()

	cfg := client.Config{
		Signer: s.key, Payer: s.key, Chain: chain, Store: files, Journal: lines, Log: s.log,
	}
	s.policy.Apply(&cfg)
	session, err := client.New(cfg)
	if err != nil {
		return err
	}
	// The channels stay open for the next start. The exact amounts are written even if ctx has ended.
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()

	sweeping, endSweeps := context.WithCancel(ctx)
	var sweeps sync.WaitGroup
	sweeps.Go(func() { _ = session.Channels().SweepForever(sweeping) }) // failures are events
	defer func() { endSweeps(); sweeps.Wait() }()

	server := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &httputil.ReverseProxy{
			Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(s.target) },
			Transport:     &client.Transport{Session: session},
			FlushInterval: -1, // streams are passed on as they come
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
				s.log.Warn("not served", "error", err)
				w.WriteHeader(http.StatusBadGateway)
			},
		},
	}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		ended <- server.Shutdown(last)
	})
	if err := server.Serve(on); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
