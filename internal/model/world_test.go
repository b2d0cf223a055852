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

// world is everything that a history happens to.
type world struct {
	base
	srv     *clienttest.Server
	k       *voucher.KeySigner
	disk    *store.Mem // what survives a process
	lim     channel.Limits
	hostile bool // the server may lie
	sound   bool // nothing breaks but by the server

	lives [2]*life // processes on the one store
	born  int      // how many there were

	calls []*call // all that the caller asked for
	under []*call // those under way, the innermost last

	made     map[voucher.Voucher]bool       // signatures that exist
	highest  map[common.Hash]voucher.Signed // of a channel
	openings map[common.Hash]bool           // channels whose opening left
	deposits map[common.Hash]voucher.Amount // the most that the chain had of each
	offered  voucher.Amount                 // the highest price that was ever named, within Limits.Price
	left     map[common.Hash]voucher.Amount // the highest voucher that left
	samples  []sample
	trusting bool                      // the policy accepts all terms of the server
	forged   map[string]wire.Challenge // by id: what the server really asked
	fresh    int                       // challenges that were asked for by the test
}

// life is one process: a session, and what is going to go wrong with it.
type life struct {
	w       *world
	ctx     context.Context
	end     context.CancelFunc
	chain   *escrow.Client
	session *client.Session
	dead    bool
	depth   int // calls under way

	puts, sends, signatures int
	proof                   time.Time // when the last one left
	diesAtPut, diesAtSend   int       // counted from 1; zero never
	afterwards              bool      // it dies when that was done, not before
	failsAtPut, failsAtGet  int
	stored                  bool // a Put that fails has written all the same
	failsAtSignature        int
	gets                    int

	accepted []channel.Offer // by the policy
	run      context.Context // with a budget; nil before its first call
	spent    voucher.Amount  // of that budget
}

// call is one thing that the caller asked for, and what the model knows of it.
type call struct {
	price                    voucher.Amount // the highest that it answered a challenge for
	named                    voucher.Amount // the highest that it was asked for, within Limits.Price
	channels                 map[common.Hash]bool
	clean                    bool // it ended with an answer
	stream, redirected, paid bool
	events                   uint64
	sends                    int
	approved                 []channel.Offer // by the owner
	run                      bool            // it is a call of the life's run
	risen                    map[common.Hash]voucher.Amount
	nested                   time.Duration // of calls inside this one
}

// agreed is the most that a caller gave away with the call, on one channel.
func (w *world) agreed(c *call) voucher.Amount {
	price := c.price
	switch {
	case c.redirected:
		price = w.lim.Price // whatever its redirects cost
	case !c.paid:
		price = w.offered
	case !c.clean:
		price = price.Max(c.named) // it may have died between the decision and the answer
	}
	if !c.stream {
		return price
	}
	// A stream may ask a few times before it brings an event.
	most, err := price.Mul(1 + 4*(c.events+2))
	if err != nil {
		most = voucher.MaxAmount
	}
	return most.Min(w.lim.Stream.Max(price))
}

// newWorld draws the fixed part of a history.
func newWorld(t *rapid.T) *world {
	w := &world{
		base: base{t: t}, disk: store.NewMem(), made: map[voucher.Voucher]bool{}, highest: map[common.Hash]voucher.Signed{},
		openings: map[common.Hash]bool{}, deposits: map[common.Hash]voucher.Amount{}, forged: map[string]wire.Challenge{},
		left: map[common.Hash]voucher.Amount{},
	}
	cfg := clienttest.Config{NoSockets: true, Funds: u(1_000_000_000)}
	odd := w.draw(64, "config")
	cfg.EqualVouchers, cfg.Receipts = clienttest.EqualRule(odd&1), clienttest.ReceiptStyle(odd>>1&3%3)
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
	w.lim.Ahead = u([]uint64{0, 0, 50, 1000}[w.draw(4, "ahead")])
	w.lim.Fund = u([]uint64{0, 0, 0, 700}[w.draw(4, "fund")])
	w.lim.Ask = u([]uint64{0, 0, 50, 150}[w.draw(4, "ask")])
	if w.draw(4, "hour") == 3 {
		w.lim.All = channel.Windows{Hour: u(700), Day: u(1500), Month: u(4000)}
	}
	w.trusting = w.draw(2, "policy") == 1
	kind := w.draw(4, "kind")
	w.hostile, w.sound = kind >= 2, kind == 2
	w.note("%+v, limits %+v, hostile %t, sound %t, trusting %t", cfg, w.lim, w.hostile, w.sound, w.trusting)
	for i := range w.lives {
		w.rebirth(i)
	}
	return w
}

func (w *world) close() {
	for _, l := range w.lives {
		l.end()
		l.chain.Close()
	}
	w.srv.Close()
}

// rebirth drops a session without a word and starts another on the same store.
func (w *world) rebirth(i int) {
	if old := w.lives[i]; old != nil {
		old.dead = true
		old.end()
		old.chain.Close()
	}
	w.note("life %d begins", i)
	l := &life{w: w}
	w.lives[i] = l
	w.born++
	l.ctx, l.end = context.WithCancel(context.Background())
	var err error
	if l.chain, err = escrow.Dial(l.ctx, w.srv.RPCURL, escrow.WithTransport(node{l})); err != nil {
		w.t.Fatal(err)
	}
	l.session, err = client.New(client.Config{
		Signer: pen{w.k, l}, Payer: pen{w.k, l}, Chain: l.chain, Base: line{l}, Store: disk{l}, Limits: w.lim,
		Bootstrap: true, Stall: 20 * time.Second, Policy: l.policy(), Approve: l.approve,
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// death is what a process dies of.
type death struct{ l *life }

func (l *life) die() {
	l.w.note("life %d dies", l.w.index(l))
	l.dead = true
	l.end()
	panic(death{l})
}

var errDead = errors.New("model: the process is dead")

// lived runs something that the life does. Where it dies of it, another begins.
func (w *world) lived(l *life, do func()) (survived bool) {
	l.depth++
	defer func() {
		l.depth--
		if survived {
			return
		}
		r := recover()
		if d, ok := r.(death); !ok || d.l != l || l.depth > 0 {
			panic(r)
		}
		for i := range w.lives {
			if w.lives[i] == l {
				w.rebirth(i)
			}
		}
	}()
	do()
	return true
}

// call is the innermost call under way, nil where there is none.
func (w *world) call() *call {
	if n := len(w.under); n > 0 {
		return w.under[n-1]
	}
	return nil
}

func (w *world) http(l *life) *http.Client {
	return &http.Client{Transport: &client.Transport{Session: l.session}}
}
