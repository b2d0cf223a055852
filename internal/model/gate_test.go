package model_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/ledger"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestGate is the ledger alone. See the package comment.
func TestGate(t *testing.T) {
	histories(t, 9000, func(rt *rapid.T) {
		bubbled(t, rt, func() {
			g := newGate(rt)
			for range 5 + g.draw(11, "steps") {
				g.step()
				g.check()
			}
		})
	})
}

// gate is one channel, and two processes that pay from it.
type gate struct {
	base
	disk  *memory
	lim   channel.Limits
	lives [2]*process
	id    common.Hash
	sign  func(*voucher.Domain, voucher.Voucher) []byte
	real  *voucher.KeySigner // nil where signatures are cheap ones
	asks  []*ask

	chain   rule.OnChain // the chain's word, a true one
	made    []voucher.Signed
	highest voucher.Amount
	was     voucher.Amount // authorized, after the step before
	deposit voucher.Amount // on record, likewise
}

// process is one ledger and what is going to happen to it.
type process struct {
	g       *gate
	ledger  *ledger.Ledger
	account *ledger.Account
	dead    bool

	puts, diesAt, failsAt int
	stored                bool   // a Put that fails has written; a death comes behind the write
	atPut, atSign         func() // happens once, in the middle of it
}

// ask is what a caller agreed to, and the claim that stands for it.
type ask struct {
	p        *process
	claim    *ledger.Reservation
	price    voucher.Amount // the highest that it was decided with
	unit     voucher.Amount // of a stream; zero for a request
	mores    uint64
	events   uint64
	last     voucher.Amount // what was presented
	ended    bool
	released bool
}

// terms hold a request to the limits of the history.
func (g *gate) terms() ledger.Terms { return ledger.Terms{Limits: g.lim} }

// agreed is the most that a caller gave away with it.
func (g *gate) agreed(a *ask) voucher.Amount {
	if a.unit.IsZero() {
		return a.price
	}
	most, _ := g.lim.Step.Max(a.unit).Mul(a.mores)
	brought, _ := a.unit.Mul(a.events)
	return a.price.AddCapped(most).AddCapped(brought).Min(g.lim.Stream.Max(a.price))
}

func newGate(t *rapid.T) *gate {
	g := &gate{base: base{t: t}, disk: newMemory()}
	signer := common.Address{7}
	g.sign = func(_ *voucher.Domain, v voucher.Voucher) []byte {
		word := v.Cumulative.Word()
		sum := sha256.Sum256(append(v.ChannelID[:], word[:]...))
		return append(append(sum[:], sum[:]...), 27)
	}
	if g.draw(16, "real") == 15 {
		g.real = realKey
		signer = realKey.Address()
		g.sign = func(d *voucher.Domain, v voucher.Voucher) []byte {
			sig, err := realKey.SignVoucher(context.Background(), d, v)
			if err != nil {
				g.broken("the key does not sign", "%v", err)
			}
			return sig
		}
	}
	g.lim = channel.Limits{Price: u(1000), Deposit: u([]uint64{10_000, 2000}[g.draw(2, "limit")]), Stream: u([]uint64{200, 0, 60}[g.draw(3, "stream")])}
	g.lim.Ahead = u([]uint64{0, 0, 50, 1000}[g.draw(4, "ahead")])
	g.lim.Step = u([]uint64{0, 0, 25}[g.draw(3, "larger steps")])
	deposit := u([]uint64{2000, 300, 1100}[g.draw(3, "deposit")])
	scope := channel.Scope{
		Origin: "https://api.example.com:443", Protocol: voucher.V2, ChainID: 42431, Escrow: common.Address{0x4d},
		Payee: common.Address{1}, Token: common.Address{2}, Payer: signer, Signer: signer,
	}
	d := channel.Descriptor{Payer: scope.Payer, Payee: scope.Payee, Token: scope.Token, Salt: common.Hash{3}, AuthorizedSigner: scope.Signer}
	s, err := rule.New(voucher.V2, scope.ChainID, scope.Escrow, d, scope, rule.Funding{Amount: deposit, Raw: []byte{0x76}, ValidBefore: 100})
	if err != nil {
		t.Fatal(err)
	}
	g.id = s.ID
	g.chain = rule.OnChain{Exists: true, Deposit: deposit, Time: 50}
	g.note("limits %+v, deposit %s", g.lim, deposit)
	for i := range g.lives {
		p := &process{g: g}
		g.lives[i] = p
		p.ledger = ledger.New(plate{p}, quill{p, signer}, g.lim)
		if i == 0 {
			_, _, err = p.ledger.Add(context.Background(), s, nil)
		}
		if err == nil {
			p.account, err = p.ledger.Account(context.Background(), g.id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return g
}

var realKey = func() *voucher.KeySigner {
	k, err := voucher.ParseKey("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d") // a public test key
	if err != nil {
		panic(err)
	}
	return k
}()

// rebirth drops a ledger without a word. What it had in flight is not known to the next.
func (g *gate) rebirth(p *process) {
	g.note("%d begins anew", g.index(p))
	p.dead = true
	for _, a := range g.asks {
		a.ended = a.ended || a.p == p
	}
	next := &process{g: g}
	g.lives[g.index(p)] = next
	next.ledger = ledger.New(plate{next}, quill{next, p.ledger.Signer()}, g.lim)
	var err error
	if next.account, err = next.ledger.Account(context.Background(), g.id); err != nil {
		g.broken("a record cannot be read", "%v", err)
	}
}

func (g *gate) index(p *process) int {
	if g.lives[0] == p {
		return 0
	}
	return 1
}

// lived runs something in a process, which may end in it.
func (g *gate) lived(p *process, do func()) {
	defer func() {
		p.atPut, p.atSign = nil, nil
		switch r := recover().(type) {
		case nil:
		case *process:
			if r != p {
				panic(r)
			}
			g.rebirth(p)
		default:
			panic(r)
		}
	}()
	do()
}

// quill is the key of one process: it signs nothing above what the disk holds.
type quill struct {
	p       *process
	address common.Address
}

func (q quill) Address() common.Address { return q.address }

func (q quill) SignVoucher(_ context.Context, d *voucher.Domain, v voucher.Voucher) ([]byte, error) {
	g := q.p.g
	if q.p.dead {
		return nil, errDead
	}
	if do := q.p.atSign; do != nil {
		q.p.atSign = nil
		do()
	}
	if held := g.disk.authorized(g.id); held.Less(v.Cumulative) {
		g.broken("a signature above what the store holds", "%s above %s", v.Cumulative, held)
	}
	signed := voucher.Signed{Voucher: v, Signature: g.sign(d, v)}
	g.made, g.highest = append(g.made, signed), g.highest.Max(v.Cumulative)
	g.note("    %d signs %s", g.index(q.p), v.Cumulative)
	return signed.Signature, nil
}

// issued checks a voucher that the gate handed out.
func (g *gate) issued(v voucher.Signed) {
	want := g.sign(voucher.NewDomain(voucher.V2, 42431, common.Address{0x4d}), v.Voucher)
	if string(want) != string(v.Signature) {
		g.broken("a signature that is none", "of %s", v.Cumulative)
	}
	if g.highest.Less(v.Cumulative) {
		g.broken("a voucher that nobody signed", "%s", v.Cumulative)
	}
}

// check looks at all that has to hold after each step.
func (g *gate) check() {
	s := g.disk.state(g, g.id)
	most := g.lim.Ahead
	for _, a := range g.asks {
		most = most.AddCapped(g.agreed(a))
	}
	switch authorized := s.Authorized(); {
	case most.Less(authorized):
		g.broken("more is authorized than was asked for", "%s of %s in %d asks", authorized, most, len(g.asks))
	case g.lim.Deposit.Less(authorized):
		g.broken("more is authorized than the limit", "%s", authorized)
	case g.was.Less(authorized) && s.Deposit.Max(g.deposit).Less(authorized):
		g.broken("more is authorized than is deposited", "%s of %s", authorized, s.Deposit)
	case authorized.Less(g.was):
		g.broken("less is authorized than before", "%s after %s", authorized, g.was)
	case authorized.Less(g.highest):
		g.broken("a signature above what the store holds now", "%s above %s", g.highest, authorized)
	case g.highest.Less(s.Signed):
		g.broken("a record of a signature that is not", "%s, and %s exists", s.Signed, g.highest)
	default:
		g.was, g.deposit = authorized, s.Deposit
	}
	if !s.HoldsMoney() && g.chain.Exists {
		g.broken("a record has forgotten its money", "%s", s.Phase())
	}
}

// together issues several asks of one process, the first of which is at the signer when the others come: they wait and are
// decided together. Some give up while they wait.
func (g *gate) together(p *process) {
	n := 2 + g.draw(3, "how many")
	asks, leaves := make([]*ask, n), make([]bool, n)
	for i := range asks {
		asks[i] = &ask{p: p, price: g.price()}
		leaves[i] = g.draw(4, "leaves") == 3
	}
	g.asks = append(g.asks, asks...)
	signed, errs := make([]voucher.Signed, n), make([]error, n)
	panics := make([]any, n)
	var wg sync.WaitGroup
	p.atSign = func() {
		for i, a := range asks[1:] {
			ctx, cancel := context.WithCancel(context.Background())
			wg.Go(func() {
				defer cancel()
				defer func() { panics[i+1] = recover() }()
				a.claim, signed[i+1], errs[i+1] = p.account.Reserve(ctx, g.terms(), rule.Request{Price: a.price})
			})
			synctest.Wait()
			if leaves[i+1] {
				cancel()
				synctest.Wait()
			}
		}
	}
	func() {
		defer func() { panics[0] = recover() }()
		asks[0].claim, signed[0], errs[0] = p.account.Reserve(context.Background(), g.terms(), rule.Request{Price: asks[0].price})
	}()
	wg.Wait()
	for _, r := range panics {
		if r != nil {
			panic(r)
		}
	}
	for i, a := range asks {
		g.note("  of %s: %s, %v", a.price, signed[i].Cumulative, errs[i])
		a.ended = errs[i] != nil || a.claim == nil
		if errs[i] == nil && a.claim != nil {
			a.last = signed[i].Cumulative
			g.issued(signed[i])
		}
	}
}
