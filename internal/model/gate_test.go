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
	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// TestGate runs the ledger alone. See the package comment.
func TestGate(t *testing.T) {
	histories(t, testrun.Size(2000, 9000), func(rt *rapid.T) {
		bubbled(t, rt, func() {
			g := newGate(rt)
			for range 5 + g.draw(11, "steps") {
				g.step()
				g.check()
			}
		})
	})
}

// gate is a channel and two processes that pay from it.
type gate struct {
	base
	disk      *memoryStore
	lim       channel.Limits
	processes [2]*gateProcess
	id        common.Hash
	sign      func(*voucher.Domain, voucher.Voucher) []byte
	real      *voucher.KeySigner // nil if signatures are fake, which is faster
	requests  []*gateRequest

	chain    rule.OnChain // the state on chain
	vouchers []voucher.Signed
	highest  voucher.Amount
	was      voucher.Amount // authorized after the last step
	deposit  voucher.Amount // deposit on record after the last step
}

// gateProcess is one ledger and the faults planned for it.
type gateProcess struct {
	g       *gate
	ledger  *ledger.Ledger
	account *ledger.Account
	crashed bool

	puts, crashesAt, failsAt int
	stored                   bool   // a Put that fails or crashes has written
	atPut, atSign            func() // run once, in the middle of a Put or a signature
}

// gateRequest is a sum that a caller agreed to, and its reservation.
type gateRequest struct {
	p           *gateProcess
	reservation *ledger.Reservation
	price       voucher.Amount // the highest price that was reserved
	unit        voucher.Amount // price of a unit of a stream; zero for a request
	mores       uint64
	events      uint64
	contents    uint64         // events that are not empty
	last        voucher.Amount // the voucher that was sent last
	ended       bool
	released    bool
}

// terms returns the limits of the history.
func (g *gate) terms() ledger.Terms { return ledger.Terms{Limits: g.lim} }

// agreed returns the most that the caller agreed to pay for the request.
func (g *gate) agreed(a *gateRequest) voucher.Amount {
	if a.unit.IsZero() {
		return a.price
	}
	most, _ := g.lim.Step.Max(a.unit).Mul(a.mores)
	brought, _ := a.unit.Mul(a.events + a.contents/4)
	return a.price.AddCapped(most).AddCapped(brought).Min(g.lim.Stream.Max(a.price))
}

func newGate(t *rapid.T) *gate {
	g := &gate{base: base{t: t}, disk: newMemoryStore()}
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
				g.fail("the key does not sign", "%v", err)
			}
			return sig
		}
	}
	g.lim = channel.Limits{
		Price:   u(1000),
		Deposit: u([]uint64{10_000, 2000}[g.draw(2, "limit")]),
		Stream:  u([]uint64{200, 0, 60}[g.draw(3, "stream")]),
	}
	g.lim.Ahead = u([]uint64{0, 0, 50, 1000}[g.draw(4, "ahead")])
	g.lim.Step = u([]uint64{0, 0, 25}[g.draw(3, "larger steps")])
	deposit := u([]uint64{2000, 300, 1100}[g.draw(3, "deposit")])
	scope := channel.Scope{
		Origin: "https://api.example.com:443", Protocol: voucher.V2, ChainID: 42431,
		Escrow: common.Address{0x4d},
		Payee:  common.Address{1}, Token: common.HexToAddress("0x20c0000000000000000000000000000000000000"), Payer: signer, Signer: signer,
	}
	d := channel.Descriptor{
		Payer:            scope.Payer,
		Payee:            scope.Payee,
		Token:            scope.Token,
		Salt:             common.Hash{3},
		AuthorizedSigner: scope.Signer,
	}
	s, err := rule.New(
		voucher.V2, scope.ChainID, scope.Escrow, d, scope,
		rule.Funding{Amount: deposit, Raw: []byte{0x76}, ValidBefore: 100},
	)
	if err != nil {
		t.Fatal(err)
	}
	g.id = s.ID
	g.chain = rule.OnChain{Exists: true, Deposit: deposit, Time: 50}
	g.logf("limits %+v, deposit %s", g.lim, deposit)
	for i := range g.processes {
		p := &gateProcess{g: g}
		g.processes[i] = p
		p.ledger = ledger.New(gateStore{p}, gateSigner{p, signer}, g.lim)
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
	// The key is a public test key.
	k, err := voucher.ParseKey("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
	if err != nil {
		panic(err)
	}
	return k
}()

// restart replaces a ledger without closing it. The new one does not know what was in flight.
func (g *gate) restart(p *gateProcess) {
	g.logf("%d restarts", g.index(p))
	p.crashed = true
	for _, a := range g.requests {
		a.ended = a.ended || a.p == p
	}
	next := &gateProcess{g: g}
	g.processes[g.index(p)] = next
	next.ledger = ledger.New(gateStore{next}, gateSigner{next, p.ledger.Signer()}, g.lim)
	var err error
	if next.account, err = next.ledger.Account(context.Background(), g.id); err != nil {
		g.fail("a record cannot be read", "%v", err)
	}
}

func (g *gate) index(p *gateProcess) int {
	if g.processes[0] == p {
		return 0
	}
	return 1
}

// guard calls do in a process, and restarts the process if it crashes.
func (g *gate) guard(p *gateProcess, do func()) {
	defer func() {
		p.atPut, p.atSign = nil, nil
		switch r := recover().(type) {
		case nil:
		case *gateProcess:
			if r != p {
				panic(r)
			}
			g.restart(p)
		default:
			panic(r)
		}
	}()
	do()
}

// gateSigner is the key of one process. It fails the test if asked to sign more than the store
// holds.
type gateSigner struct {
	p       *gateProcess
	address common.Address
}

func (q gateSigner) Address() common.Address { return q.address }

func (q gateSigner) SignVoucher(
	_ context.Context,
	d *voucher.Domain,
	v voucher.Voucher,
) ([]byte, error) {
	g := q.p.g
	if q.p.crashed {
		return nil, errCrashed
	}
	if do := q.p.atSign; do != nil {
		q.p.atSign = nil
		do()
	}
	if held := g.disk.authorized(g.id); held.Less(v.Cumulative) {
		g.fail("a signature above the stored sum", "%s above %s", v.Cumulative, held)
	}
	signed := voucher.Signed{Voucher: v, Signature: g.sign(d, v)}
	g.vouchers, g.highest = append(g.vouchers, signed), g.highest.Max(v.Cumulative)
	g.logf("    %d signs %s", g.index(q.p), v.Cumulative)
	return signed.Signature, nil
}

// checkSigned checks a voucher that the ledger returned.
func (g *gate) checkSigned(v voucher.Signed) {
	want := g.sign(voucher.NewDomain(voucher.V2, 42431, common.Address{0x4d}), v.Voucher)
	if string(want) != string(v.Signature) {
		g.fail("an invalid signature", "of %s", v.Cumulative)
	}
	if g.highest.Less(v.Cumulative) {
		g.fail("a voucher that was never signed", "%s", v.Cumulative)
	}
}

// check checks what must hold after each step.
func (g *gate) check() {
	s := g.disk.state(g, g.id)
	most := g.lim.Ahead
	for _, a := range g.requests {
		most = most.AddCapped(g.agreed(a))
	}
	switch authorized := s.Authorized(); {
	case most.Less(authorized):
		g.fail(
			"more is authorized than the callers requested", "%s of %s in %d requests", authorized,
			most, len(g.requests),
		)
	case g.lim.Deposit.Less(authorized):
		g.fail("more is authorized than the limit", "%s", authorized)
	case g.was.Less(authorized) && s.Deposit.Max(g.deposit).Less(authorized):
		g.fail("more is authorized than deposited", "%s of %s", authorized, s.Deposit)
	case authorized.Less(g.was):
		g.fail("less is authorized than before", "%s after %s", authorized, g.was)
	case authorized.Less(g.highest):
		g.fail("a signature above the stored sum", "%s above %s", g.highest, authorized)
	case g.highest.Less(s.Signed):
		g.fail(
			"the record claims a signature that does not exist", "%s, highest %s", s.Signed,
			g.highest,
		)
	default:
		g.was, g.deposit = authorized, s.Deposit
	}
	if !s.HoldsMoney() && g.chain.Exists {
		g.fail("the record of a channel with money reports none", "%s", s.Phase())
	}
}

// concurrent makes several reservations in one process. The others arrive while the first is at the
// signer, so they wait and are written together. Some are canceled while they wait.
func (g *gate) concurrent(p *gateProcess) {
	n := 2 + g.draw(3, "how many")
	requests, leaves := make([]*gateRequest, n), make([]bool, n)
	for i := range requests {
		requests[i] = &gateRequest{p: p, price: g.price()}
		leaves[i] = g.draw(4, "leaves") == 3
	}
	g.requests = append(g.requests, requests...)
	signed, errs := make([]voucher.Signed, n), make([]error, n)
	panics := make([]any, n)
	var wg sync.WaitGroup
	p.atSign = func() {
		for i, a := range requests[1:] {
			ctx, cancel := context.WithCancel(context.Background())
			wg.Go(func() {
				defer cancel()
				defer func() { panics[i+1] = recover() }()
				a.reservation, signed[i+1], errs[i+1] = p.account.Reserve(
					ctx, g.terms(), rule.Request{Price: a.price},
				)
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
		requests[0].reservation, signed[0], errs[0] = p.account.Reserve(
			context.Background(), g.terms(), rule.Request{Price: requests[0].price},
		)
	}()
	wg.Wait()
	for _, r := range panics {
		if r != nil {
			panic(r)
		}
	}
	for i, a := range requests {
		g.logf("  of %s: %s, %v", a.price, signed[i].Cumulative, errs[i])
		a.ended = errs[i] != nil || a.reservation == nil
		if errs[i] == nil && a.reservation != nil {
			a.last = signed[i].Cumulative
			g.checkSigned(signed[i])
		}
	}
}
