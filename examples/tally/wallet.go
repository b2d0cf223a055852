package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/internal/origin"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// wallet is what pays: the flags, and the session that is made of them.
type wallet struct {
	keyFile, dir, escrow string
	rpcURLs              []string
	bootstrap            bool
	keyless              bool // no key is needed
	asNeeded             bool
	insecureRPC          bool
	limits               channel.Limits

	connection connection

	session *client.Session // nil without a key
	payer   common.Address
	base    *http.Transport
	chain   *escrow.Client
	files   *filestore.Store
	journal *journal.File
	lines   *lines // what was written into the journal
}

func (p *wallet) storeFlag(f *pflag.FlagSet) {
	f.StringVar(&p.dir, "store", "", "keep the channels in `DIR` (default: $XDG_STATE_HOME/tally, or ~/.local/state/tally)")
}

func (p *wallet) keyFlags(f *pflag.FlagSet) {
	p.storeFlag(f)
	f.StringVar(&p.keyFile, "key-file", "", "pay with the key in `FILE`: a V3 keystore, or hex digits (default: TALLY_KEY_FILE, or what is in TALLY_KEY)")
	p.rpcFlag(f, "to open, top up and check channels")
}

func (p *wallet) rpcFlag(f *pflag.FlagSet, why string) {
	f.Var((*urls)(&p.rpcURLs), "rpc-url", "a node of the chain, "+why+"; again for others, asked when it fails (TALLY_RPC_URL: spaces between)")
	f.BoolVar(&p.insecureRPC, "insecure-rpc", false,
		"allow a node of another machine over http://: who is on the way reads and changes what it says")
}

// errPlainRPC means that a node would be asked in plain text over the network. What it says decides which
// channels are closed and what is still in them, and a URL may have a key in it.
var errPlainRPC = errors.New("http:// to another machine can be read and changed on the way: " +
	"use https://, or allow it with --insecure-rpc")

// errNoRPC does not show the URL, which may have a key in it.
var errNoRPC = errors.New("the URL of a node must begin with https:// or http:// and name a host; " +
	"write the flag once for each node, or spaces between them in TALLY_RPC_URL")

// checkNodes returns errPlainRPC, unless that is allowed, or errNoRPC.
func (p *wallet) checkNodes() error {
	for _, one := range p.rpcURLs {
		u, err := url.Parse(one)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errNoRPC
		}
		if u.Scheme == "https" || p.insecureRPC {
			continue
		}
		if o, err := origin.Of(u); err != nil || !o.Loopback {
			return errPlainRPC
		}
	}
	return nil
}

// dial connects to the nodes.
func (p *wallet) dial(ctx context.Context) (*escrow.Client, error) {
	if err := p.checkNodes(); err != nil {
		return nil, fail(exitUsage, fmt.Errorf("--rpc-url: %w", err))
	}
	chain, err := escrow.Dial(ctx, p.rpcURLs[0], escrow.WithNodes(p.rpcURLs[1:]...))
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("--rpc-url: %w", err))
	}
	return chain, nil
}

func (p *wallet) escrowFlag(f *pflag.FlagSet) {
	f.StringVar(&p.escrow, "escrow", "", "trust the escrow at `ADDRESS` instead of the chain's canonical one")
}

func (p *wallet) limitFlags(f *pflag.FlagSet) {
	f.Var(amount{&p.limits.Price}, "max-price", "the most that one request or one piece of a stream may cost (default 0: pay nothing)")
	f.Var(amount{&p.limits.Deposit}, "max-deposit", "the most that one channel may hold (default 0: open nothing)")
	f.Var(amount{&p.limits.Stream}, "max-stream", "the most that one streamed answer may cost (default 0: its first piece only)")
	f.BoolVar(&p.limits.PieceByPiece, "piece-by-piece", false,
		"sign nothing ahead of a stream, which then waits for a voucher for each piece")
	f.Var(amount{&p.limits.Fund}, "fund", "how much an open or a top-up puts in (default: 20 requests or 100 fees, and more with each top-up)")
	f.BoolVar(&p.asNeeded, "fund-as-needed", false, "put in what the server suggests or the request needs, at more fees")
	f.Var(amount{&p.limits.Ahead}, "ahead", "sign this much ahead of what is owed, to sign less often; a dishonest payee can keep it (default 0)")
	f.Var(amount{&p.limits.All.Hour}, "per-hour", "the most that all payments together may be in any 60 minutes (default: as per day)")
	f.Var(amount{&p.limits.All.Day}, "per-day", "the same in any 24 hours (default: as per month)")
	f.Var(amount{&p.limits.All.Month}, "per-month", "the same in any 30 days (default: as --max-deposit)")
	f.Var(amount{&p.limits.Fees.Transaction}, "max-fee", "the most that one transaction may cost (default: a tenth of --max-deposit)")
	f.Var(amount{&p.limits.Fees.Hour}, "fees-per-hour", "the most that transactions may cost in any 60 minutes (default: as per day, or a quarter of --per-hour)")
	f.Var(amount{&p.limits.Fees.Day}, "fees-per-day", "the same in any 24 hours (default: as per month, or a quarter of --per-day)")
	f.Var(amount{&p.limits.Fees.Month}, "fees-per-month", "the same in any 30 days (default: a quarter of --per-month)")
	p.escrowFlag(f)
	f.BoolVar(&p.bootstrap, "bootstrap", false, "prove the key to servers that this store has no channel for, and ask for one of ours")
}

// settings are the flags that the environment can set.
var settings = []string{
	"key-file", "rpc-url", "insecure-rpc", "store", "max-price", "max-deposit", "max-stream", "piece-by-piece", "fund",
	"fund-as-needed", "ahead", "per-hour", "per-day", "per-month",
	"max-fee", "fees-per-hour", "fees-per-day", "fees-per-month", "escrow", "bootstrap",
}

// urls is a flag that may be repeated. One value may have several, with blanks between.
type urls []string

// String is what the flag is set to.
func (u *urls) String() string { return strings.Join(*u, " ") }

// Set adds what is not empty.
func (u *urls) Set(text string) error {
	*u = append(*u, strings.Fields(text)...)
	return nil
}

// Type is shown in the help.
func (u *urls) Type() string { return "URL" }

// elsewhere returns an error that counts the channels on record that hold money and are of another key, or on
// another chain than the node.
func (p *wallet) elsewhere(ctx context.Context) error {
	chainID, err := p.chain.ChainID(ctx)
	if err != nil {
		return err
	}
	keys, chains := 0, 0
	for s, err := range p.session.Channels().All(ctx) {
		switch {
		case err != nil || !s.HoldsMoney():
		case s.Scope.Payer != p.payer:
			keys++
		case s.ChainID != chainID:
			chains++
		}
	}
	if keys+chains == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d that hold money are of another key than %s, %d are on another chain than the node, %d", client.ErrElsewhere, keys, p.payer, chains, chainID)
}

// openStore opens the directory of channels.
func (p *wallet) openStore(w *world) (err error) {
	if p.dir == "" {
		if p.dir, err = stateDir(w.env); err != nil {
			return fail(exitUsage, err)
		}
	}
	if p.files, err = filestore.Open(p.dir); err != nil {
		return fail(exitState, fmt.Errorf("--store: %w", err))
	}
	return nil
}

// open makes the session. Without a key there is none, and the error is nil. Under a read-only policy the key is not
// looked at, and the error is policyfile.ErrReadOnly.
func (p *wallet) open(ctx context.Context, w *world, onEvent func(client.Event)) error {
	if err := p.transport(); err != nil {
		return err
	}
	if err := w.rules.mayPay(w.env); err != nil {
		return err
	}
	key, err := w.key(ctx, p.keyFile)
	if err != nil || key == nil {
		return err
	}
	return p.start(ctx, w, key, onEvent)
}

// transport is what sends.
func (p *wallet) transport() error {
	p.base = http.DefaultTransport.(*http.Transport).Clone()
	p.base.DisableCompression = true // what the server sends is written as it is
	return p.connection.apply(p.base)
}

// start makes the session with a key.
func (p *wallet) start(ctx context.Context, w *world, key *voucher.KeySigner, onEvent func(client.Event)) error {
	p.payer = key.Address()
	cfg := client.Config{
		Signer: key, Payer: key, Base: p.base, Limits: p.limits, FundAsNeeded: p.asNeeded, Bootstrap: p.bootstrap, OnEvent: onEvent,
		Approve: w.approve,
	}
	if p.escrow != "" {
		if !common.IsHexAddress(p.escrow) {
			return fail(exitUsage, fmt.Errorf("--escrow: %q is not an address: write 0x and 40 hexadecimal digits", p.escrow))
		}
		cfg.Escrow = common.HexToAddress(p.escrow)
	}
	if err := p.openStore(w); err != nil {
		return err
	}
	cfg.Store = p.files
	p.keepJournal(w, &cfg)
	if err := w.rules.apply(w.env, &cfg); err != nil {
		return err
	}
	if cfg.Policy == nil {
		cfg.Policy = client.PinFirstUse(cfg.Store)
	}
	cfg.Policy = p.connection.policy(cfg.Policy)
	return p.begin(ctx, cfg)
}

// begin makes the session of a config, with the nodes that are given.
func (p *wallet) begin(ctx context.Context, cfg client.Config) (err error) {
	if len(p.rpcURLs) > 0 {
		if p.chain, err = p.dial(ctx); err != nil {
			return err
		}
		cfg.Chain = p.chain
	}
	if p.session, err = client.New(cfg); err != nil {
		return fail(exitUsage, err)
	}
	return nil
}

// keepJournal writes the journal beside the records. Where that cannot be, the owner hears of it, and what was paid is
// delivered all the same.
func (p *wallet) keepJournal(w *world, cfg *client.Config) {
	var err error
	p.lines = &lines{}
	cfg.Journal = p.lines
	if p.journal, err = journal.Open(journalDir(p.dir), 0); err != nil {
		fmt.Fprintln(w.stderr, "tally: no journal is kept:", err)
		return
	}
	p.lines.next = p.journal
	cfg.Evidence = true
	told := cfg.OnEvent
	cfg.OnEvent = func(e client.Event) {
		if e.Kind == client.EventJournal {
			fmt.Fprintln(w.stderr, "tally:", e.Err)
		}
		if told != nil {
			told(e)
		}
	}
}

// closeTime bounds how long the books are written after the work is done or interrupted.
const closeTime = 10 * time.Second

// close writes the books and ends everything. It also works when ctx has ended.
func (p *wallet) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	var errs []error
	if p.session != nil {
		errs = append(errs, p.session.Close(ctx))
	}
	if p.base != nil {
		p.base.CloseIdleConnections()
	}
	if p.chain != nil {
		p.chain.Close()
	}
	if p.journal != nil {
		errs = append(errs, p.journal.Close())
	}
	if p.files != nil {
		errs = append(errs, p.files.Close())
	}
	return errors.Join(errs...)
}

// channel returns the record of one channel as it stands.
func (p *wallet) channel(ctx context.Context, id common.Hash) (found channel.Info, ok bool) {
	found, err := p.session.Channels().Get(ctx, id)
	return found, err == nil
}

// stateDir is where the channels are kept unless --store says otherwise: a directory for state, as XDG says, or
// .tallystick in the home directory if there is a store in that and none in the other.
func stateDir(env func(string) string) (string, error) {
	dir, err := defaultDir(env)
	if home := env("HOME"); err == nil && filepath.IsAbs(home) && !holdsStore(dir) {
		if old := filepath.Join(home, ".tallystick"); holdsStore(old) {
			return old, nil
		}
	}
	return dir, err
}

// holdsStore reports whether a directory is one of package filestore.
func holdsStore(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "tallystick.store"))
	return err == nil
}

func defaultDir(env func(string) string) (string, error) {
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tally"), nil
	}
	switch runtime.GOOS {
	case "windows", "darwin", "ios":
		dir, err := os.UserCacheDir() // %LocalAppData% on Windows: it does not roam
		if runtime.GOOS != "windows" {
			dir, err = os.UserConfigDir()
		}
		return filepath.Join(dir, "tally"), err
	}
	home := env("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("no home directory to keep the channels in: set --store")
	}
	return filepath.Join(home, ".local", "state", "tally"), nil
}

// short is a channel id as it is printed: enough of it to tell channels apart.
func short(id common.Hash) string { return id.Hex()[:10] }
