package model_test

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// world is the state of a history.
type world struct {
	base
	srv      *clienttest.Server
	k        *voucher.KeySigner
	disk     *store.Mem // survives crashes
	lim      channel.Limits
	hostile  bool // the server may lie
	noFaults bool // only the server misbehaves

	processes [2]*process // they share the store
	started   int         // number of processes started so far

	calls    []*call // all calls so far
	inFlight []*call // unfinished calls, the innermost last

	vouchers   map[voucher.Voucher]bool       // all signed vouchers
	highest    map[common.Hash]voucher.Signed // the highest signed voucher of each channel
	openings   map[common.Hash]bool           // channels whose opening was sent
	deposits   map[common.Hash]voucher.Amount // the highest deposit on chain
	maxOffered voucher.Amount                 // highest price offered, within Limits.Price
	sent       map[common.Hash]voucher.Amount // the highest voucher that was sent
	samples    []sample
	trusting   bool                      // the policy accepts all terms of the server
	forged     map[string]wire.Challenge // by ID: the original challenge
	fresh      int                       // challenges that the test fetched
}

// process is a process with a session, and the faults planned for it.
type process struct {
	w       *world
	ctx     context.Context
	end     context.CancelFunc
	chain   *escrow.Client
	session *client.Session
	gone    bool
	depth   int // unfinished calls

	puts, sends, signatures     int
	proof                       time.Time // time of the last proof
	crashesAtPut, crashesAtSend int       // counted from 1; zero means never
	after                       bool      // crash after it, not before
	failsAtPut, failsAtGet      int
	stored                      bool // a Put that fails has written
	failsAtSignature            int
	gets                        int

	accepted []channel.Offer // accepted by the policy
	run      context.Context // context with the run's budget; nil before the first call
	spent    voucher.Amount  // cost of the run so far
}

// call is a call of the caller and what was observed of it.
type call struct {
	price                    voucher.Amount // the highest price that it paid
	quoted                   voucher.Amount // highest price offered, within Limits.Price
	channels                 map[common.Hash]bool
	protocols                map[voucher.Protocol]bool // of the channels
	paidOn                   bool                      // it paid after it was redirected
	completed                bool                      // the response was read to its end
	stream, redirected, paid bool
	events                   uint64
	sends                    int
	approved                 []channel.Offer // approved by the owner
	run                      bool            // it is part of the process's run
	cost                     map[common.Hash]voucher.Amount
	nested                   time.Duration // time of the calls inside this one
}

// agreed returns the most that the caller agreed to pay for the call on one channel.
func (w *world) agreed(c *call) voucher.Amount {
	price := c.price
	switch {
	case c.redirected:
		price = w.lim.Price // its redirects may cost more
	case !c.paid:
		price = w.maxOffered
	case !c.completed:
		price = price.Max(c.quoted) // the process may have crashed after the reservation
	}
	if !c.stream {
		return price
	}
	// A stream may require a few vouchers for each event.
	most, err := price.Mul(1 + 4*(c.events+2))
	if err != nil {
		most = voucher.MaxAmount
	}
	return most.Min(w.lim.Stream.Max(price))
}

// newWorld draws the configuration of a history.
func newWorld(t *rapid.T) *world {
	w := &world{
		base: base{t: t}, disk: store.NewMem(), vouchers: map[voucher.Voucher]bool{},
		highest:  map[common.Hash]voucher.Signed{},
		openings: map[common.Hash]bool{}, deposits: map[common.Hash]voucher.Amount{},
		forged: map[string]wire.Challenge{},
		sent:   map[common.Hash]voucher.Amount{},
	}
	cfg := clienttest.Config{NoSockets: true, Funds: u(1_000_000_000)}
	odd := w.even(64, "config")
	cfg.EqualVouchers, cfg.Receipts = clienttest.EqualRule(
		odd&1,
	), clienttest.ReceiptStyle(
		odd>>1&3%3,
	)
	cfg.ShortOpens, cfg.WallClock = odd>>3&1 == 1, odd>>4&1 == 1
	cfg.LowerVouchers = clienttest.LowerRule(odd >> 5 & 1)
	srv, err := clienttest.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.srv = srv
	if w.k, err = voucher.ParseKey(srv.Payer().Hex); err != nil {
		t.Fatal(err)
	}
	w.lim = channel.Limits{Price: u(1000), Deposit: u(10_000), Total: u(25_000), Stream: u(200)}
	w.lim.Ahead = u([]uint64{0, 0, 50, 1000}[w.even(4, "ahead")])
	w.lim.Fund = u([]uint64{0, 0, 0, 700}[w.even(4, "fund")])
	w.lim.Ask = u([]uint64{0, 50, 50, 150}[w.even(4, "ask")])
	if w.even(4, "hour") == 3 {
		w.lim.All = channel.Windows{Hour: u(700), Day: u(1500), Month: u(4000)}
	}
	w.trusting = w.even(2, "policy") == 1
	kind := w.even(4, "kind")
	w.hostile, w.noFaults = kind >= 1, kind == 2
	w.logf(
		"%+v, limits %+v, hostile %t, no faults %t, trusting %t", cfg, w.lim, w.hostile, w.noFaults,
		w.trusting,
	)
	for i := range w.processes {
		w.restart(i)
	}
	return w
}

func (w *world) close() {
	for _, proc := range w.processes {
		proc.end()
		proc.chain.Close()
	}
	w.srv.Close()
}

// restart drops a session without closing it and starts another on the same store.
func (w *world) restart(i int) {
	if old := w.processes[i]; old != nil {
		old.gone = true
		old.end()
		old.chain.Close()
	}
	w.logf("process %d starts", i)
	proc := &process{w: w}
	w.processes[i] = proc
	w.started++
	proc.ctx, proc.end = context.WithCancel(context.Background())
	var err error
	through := escrow.WithTransport(chainTransport{proc})
	if proc.chain, err = escrow.Dial(proc.ctx, w.srv.RPCURL, through); err != nil {
		w.t.Fatal(err)
	}
	proc.session, err = client.New(client.Config{
		FundAsNeeded: true,
		Signer:       signer{w.k, proc}, Payer: signer{w.k, proc}, Chain: proc.chain,
		Base: transport{proc}, Store: faultyStore{proc}, Limits: w.lim,
		Bootstrap: true, Stall: 20 * time.Second, Policy: proc.policy(), Approve: proc.approve,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// crashed is the panic of a process that crashes.
type crashed struct{ proc *process }

func (proc *process) crash() {
	proc.w.logf("process %d crashes", proc.w.index(proc))
	proc.gone = true
	proc.end()
	panic(crashed{proc})
}

var errCrashed = errors.New("model: the process has crashed")

// guard calls do in a process, and restarts the process if it crashes.
func (w *world) guard(proc *process, do func()) (survived bool) {
	proc.depth++
	defer func() {
		proc.depth--
		if survived {
			return
		}
		r := recover()
		if d, ok := r.(crashed); !ok || d.proc != proc || proc.depth > 0 {
			panic(r)
		}
		for i := range w.processes {
			if w.processes[i] == proc {
				w.restart(i)
			}
		}
	}()
	do()
	return true
}

// call returns the innermost unfinished call, or nil.
func (w *world) call() *call {
	if n := len(w.inFlight); n > 0 {
		return w.inFlight[n-1]
	}
	return nil
}

func (w *world) http(proc *process) *http.Client {
	return &http.Client{Transport: &client.Transport{Session: proc.session}}
}
