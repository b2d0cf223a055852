package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// runner is one client of a cell, in one or more processes.
type runner interface {
	// load does a job. An error means that there is no result, not that requests failed.
	load(ctx context.Context, j job) (tally, error)
	// close ends the client and returns its ledger, which is zero if it does not pay.
	close(ctx context.Context) (ledger, error)
}

// spec describes one of our clients, or the unpaid one. It is sent to other processes as JSON.
type spec struct {
	Paid  bool
	Key   string // of the payer
	RPC   string // of the chain
	CA    string // certificate to trust, as PEM
	Dir   string // of the file store; empty keeps channels in memory
	Ahead uint64 // Limits.Ahead in base units
}

// maxDeposit is the limit of each channel in base units.
const maxDeposit = 1 << 40

func (s spec) limits() channel.Limits {
	return channel.Limits{
		Price: voucher.Units(pricePlain), Deposit: voucher.Units(maxDeposit),
		Stream: voucher.Units(1 << 30), Ahead: voucher.Units(s.Ahead),
	}
}

// ledger is what our client has on record of its channels.
type ledger struct {
	Channels                                int
	Claimed, Signed, Authorized, Asked, Put voucher.Amount // Put is the sum of the deposits
}

// local is a client in this process.
type local struct {
	http    *http.Client
	session *client.Session // nil for the unpaid client
	undo    []func()
}

func newLocal(ctx context.Context, s spec) (l *local, err error) {
	base := &http.Transport{
		MaxIdleConns: 512, MaxIdleConnsPerHost: 512,
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()},
	}
	if s.CA != "" && !base.TLSClientConfig.RootCAs.AppendCertsFromPEM([]byte(s.CA)) {
		return nil, errors.New("load: the certificate cannot be read")
	}
	l = &local{http: &http.Client{Transport: base}, undo: []func(){base.CloseIdleConnections}}
	if !s.Paid {
		return l, nil
	}
	defer func() {
		if err != nil {
			l.free()
		}
	}()
	key, err := voucher.ParseKey(s.Key)
	if err != nil {
		return nil, err
	}
	chain, err := escrow.Dial(ctx, s.RPC)
	if err != nil {
		return nil, err
	}
	l.undo = append(l.undo, chain.Close)
	cfg := client.Config{
		FundAsNeeded: true,
		Signer:       key, Payer: key, Chain: chain, Base: base, Store: store.NewMem(), Limits: s.limits(),
	}
	if s.Dir != "" {
		files, err := filestore.Open(s.Dir)
		if err != nil {
			return nil, err
		}
		l.undo = append(l.undo, func() { _ = files.Close() })
		cfg.Store = files
	}
	if l.session, err = client.New(cfg); err != nil {
		return nil, err
	}
	l.http = l.session.Client()
	return l, nil
}

func (l *local) load(ctx context.Context, j job) (tally, error) { return j.do(ctx, l.http), nil }

func (l *local) close(ctx context.Context) (sum ledger, err error) {
	defer l.free()
	if l.session == nil {
		return sum, nil
	}
	if err := l.session.Close(ctx); err != nil {
		return sum, err
	}
	for c, err := range l.session.Channels().All(ctx) {
		if err != nil {
			return sum, err
		}
		if !c.HoldsMoney() {
			continue
		}
		sum.Channels++
		sum.Claimed = sum.Claimed.AddCapped(c.Claimed)
		sum.Signed = sum.Signed.AddCapped(c.Signed)
		sum.Authorized = sum.Authorized.AddCapped(c.Authorized)
		sum.Asked = sum.Asked.AddCapped(c.Asked)
		sum.Put = sum.Put.AddCapped(c.Deposit)
	}
	return sum, nil
}

func (l *local) free() {
	for i := len(l.undo) - 1; i >= 0; i-- {
		l.undo[i]()
	}
	l.undo = nil
}

// childArg makes this program a client of another one that started it.
const childArg = "child"

// child is the client's side of processes: it obeys commands until its input ends.
func child(in io.Reader, out io.Writer) error {
	var l *local
	ctx := context.Background()
	defer func() {
		if l != nil {
			l.free()
		}
	}()
	return serve(in, out, func(name string, args json.RawMessage) (any, error) {
		switch {
		case name == "start" && l == nil:
			var s spec
			err := json.Unmarshal(args, &s)
			if err == nil {
				l, err = newLocal(ctx, s)
			}
			return nil, err
		case name == "load" && l != nil:
			var j job
			if err := json.Unmarshal(args, &j); err != nil {
				return nil, err
			}
			return l.load(ctx, j)
		case name == "close" && l != nil:
			_, err := l.close(ctx)
			return nil, err
		}
		return nil, fmt.Errorf("no command %q now", name)
	})
}

// processes are clients in processes of their own that share a file store.
type processes struct {
	spec  spec
	peers []*peer
}

func newProcesses(ctx context.Context, s spec, n int) (*processes, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &processes{spec: s}
	for range n {
		one, err := startPeer("", self, childArg)
		if err != nil {
			p.end()
			return nil, err
		}
		p.peers = append(p.peers, one)
		if err := one.call(ctx, "start", s, nil); err != nil {
			p.end()
			return nil, err
		}
	}
	return p, nil
}

// load gives each process an equal part of the job. Only the first one has the slow worker.
func (p *processes) load(ctx context.Context, j job) (sum tally, err error) {
	results, errs := make([]tally, len(p.peers)), make([]error, len(p.peers))
	var all sync.WaitGroup
	for i, one := range p.peers {
		part := j
		part.Workers = share(j.Workers, i, len(p.peers))
		part.Requests = share(j.Requests, i, len(p.peers))
		if i > 0 {
			part.Slow = ""
		}
		all.Go(func() { errs[i] = one.call(ctx, "load", part, &results[i]) })
	}
	all.Wait()
	for _, r := range results {
		sum.add(r)
	}
	return sum, errors.Join(errs...)
}

// share is part i of n equal parts of all, which differ by at most one.
func share(all, i, n int) int { return (all + i) / n }

func (p *processes) close(ctx context.Context) (ledger, error) {
	defer p.end()
	var errs []error
	for _, one := range p.peers {
		errs = append(errs, one.call(ctx, "close", nil, nil))
	}
	if err := errors.Join(errs...); err != nil || !p.spec.Paid {
		return ledger{}, err
	}
	last, err := newLocal(ctx, p.spec)
	if err != nil {
		return ledger{}, err
	}
	return last.close(ctx)
}

func (p *processes) end() {
	for _, one := range p.peers {
		one.close()
	}
	p.peers = nil
}

// node is the mppx client, or Node's fetch. The process belongs to the bench.
type node struct {
	*peer
	paid bool
}

func (n node) load(ctx context.Context, j job) (t tally, err error) {
	j.Paid, j.Major = n.paid, 0
	return t, n.call(ctx, "load", j, &t)
}

func (n node) close(context.Context) (ledger, error) { return ledger{}, nil }
