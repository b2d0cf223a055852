package outlay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func u(n uint64) voucher.Amount { return voucher.Units(n) }

// world is the state of a sequence.
type world struct {
	t     *testing.T
	r     *rand.Rand
	seed  uint64
	steps int

	notes   sync.Mutex // guards what follows
	history strings.Builder
	reached map[string]int

	srv      *clienttest.Server
	key      *voucher.KeySigner
	disk     store.Store
	limits   map[common.Address]channel.Limits // by token; those of the dollars and those of another one
	sound    bool                              // neither the store nor the node fails
	level    atomic.Uint64                     // what the node says of the price of gas, in quarters of what it is
	dollar   common.Address
	other    common.Address
	*process              // the one whose turn it is
	both     []*process   // one or two
	ways     []*transport // of all sessions
	runs     []*run
	held     map[common.Hash]voucher.Amount    // what each channel has had put in, as was seen last
	began    map[common.Address]voucher.Amount // the balance of the wallet, by token
	redeems  map[common.Address]voucher.Amount // those of the payees together

	mu     sync.Mutex // guards what follows
	failed int        // how many of the next writes fail; those that are odd are stored
	calm   int        // writes before those that do not fail
	dies   int        // the session crashes at that write, counted from now; after it, or before
	after  bool
	broken int // how many of the next calls of the node fail; those that are odd take effect
	lines  []journal.Entry
	signed map[common.Hash]voucher.Amount // the highest voucher of each channel
	sent   map[common.Hash]voucher.Amount // and of those that were sent
	rises  []rise
	txs    map[common.Hash]*transaction
}

// process is a program that pays from the store.
type process struct {
	way     *transport // to everything
	chain   *escrow.Client
	session *client.Session
}

// rise is by how much a signature raised what a payee can take.
type rise struct {
	at    time.Time
	id    common.Hash
	by    voucher.Amount
	token common.Address
	payee common.Address
}

// transaction is one that the funding key signed.
type transaction struct {
	at          time.Time
	kind        string // what it does, as a person is told
	raw         []byte
	amount      voucher.Amount // that it puts into a channel
	credited    bool           // and that is there
	token       common.Address // of the fee
	most        voucher.Amount // that it can be charged
	validBefore uint64
	way         *transport // of its session
	run         *run
	left        bool // it was sent
	charged     voucher.Amount
	mined       bool
}

// run is a group of requests with a budget.
type run struct {
	budget *client.Budget
	token  common.Address
	amount voucher.Amount
	spent  voucher.Amount // by how much its vouchers raised what was sent
}

type runKey struct{}

// newWorld draws a wallet, its limits and a server.
func newWorld(t *testing.T, seed uint64, dir string) *world {
	w := &world{
		t: t, r: rand.New(rand.NewPCG(seed, 1)), seed: seed, reached: map[string]int{}, //nolint:gosec // random tests
		began: map[common.Address]voucher.Amount{}, redeems: map[common.Address]voucher.Amount{},
		held:   map[common.Hash]voucher.Amount{},
		signed: map[common.Hash]voucher.Amount{}, sent: map[common.Hash]voucher.Amount{}, txs: map[common.Hash]*transaction{},
	}
	srv, err := clienttest.Start(clienttest.Config{
		NoSockets: true, WallClock: true, Now: time.Now, BaseFee: pick(w, uint64(0), 1e9, 20e9, 20e9),
		EqualVouchers: clienttest.EqualRule(w.r.IntN(2)), ShortOpens: w.r.IntN(4) == 0,
	})
	w.must(err)
	w.level.Store(4)
	w.srv, w.dollar, w.other = srv, srv.Token, srv.OtherToken
	for path, terms := range map[string]clienttest.Terms{
		"/fee":   {Price: u(100), FeeToken: srv.OtherToken},
		"/other": {Price: u(100), Payee: srv.OtherPayee},
	} {
		srv.Handle(path, srv.Paid(terms, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	}
	w.key, err = voucher.ParseKey(srv.Payer().Hex)
	w.must(err)
	if w.disk = store.NewMem(); w.r.IntN(8) == 0 {
		w.reach("files")
		w.disk, err = filestore.Open(dir)
		w.must(err)
	}
	w.sound = w.r.IntN(2) == 0
	other := w.draw()
	other.Currency = channel.Currency{Asset: channel.Asset{ChainID: srv.ChainID, Token: w.other}, Symbol: "otherUSD", Decimals: 6}
	w.limits = map[common.Address]channel.Limits{w.dollar: w.draw(), w.other: other}
	for token := range w.limits {
		w.began[token] = srv.Chain.BalanceIn(token, w.key.Address())
		w.redeems[token] = w.redeemed(token)
	}
	w.logf("limits %+v", w.limits)
	for range 1 + w.r.IntN(2) {
		w.process = &process{}
		w.both = append(w.both, w.process)
		w.start()
	}
	return w
}

// draw draws limits.
func (w *world) draw() channel.Limits {
	l := channel.Limits{
		Price: u(5_000), Deposit: u(pick(w, uint64(10_000), 100_000, 400_000)), Stream: u(3_000),
		Ahead: u(pick(w, uint64(0), 0, 700)), Fund: u(pick(w, uint64(0), 0, 8_000)),
	}
	l.Total = l.Deposit.AddCapped(u(pick(w, uint64(0), 50_000, 1_000_000)))
	window := func() voucher.Amount { return u(pick(w, uint64(0), 0, 2_000, 20_000, 60_000)) }
	if w.r.IntN(3) > 0 {
		l.All = channel.Windows{Hour: window(), Day: window(), Month: window()}
		l.Payee = channel.Windows{Hour: window()}
		l.Fees = channel.FeeLimits{
			Transaction: u(pick(w, uint64(0), 0, 5_000, 20_000)), Hour: u(pick(w, uint64(0), 0, 9_000)), Day: u(pick(w, uint64(0), 0, 20_000)),
		}
	}
	// A longer window allows at least as much.
	l.All.Day = l.All.Day.Max(l.All.Hour)
	l.All.Month = l.All.Month.Max(l.All.Day)
	if !l.Fees.Day.IsZero() {
		l.Fees.Day = l.Fees.Day.Max(l.Fees.Hour)
	}
	return l
}

// start begins a session on the store, in place of the one that the process had, which ends as in a crash.
func (w *world) start() {
	if w.way != nil {
		w.way.gone.Store(true)
		w.chain.Close()
	}
	way := &transport{w: w, put: map[common.Address]voucher.Amount{}}
	var err error
	w.chain, err = escrow.Dial(w.t.Context(), w.srv.RPCURL, escrow.WithTransport(&node{way}))
	w.must(err)
	key := signer{w.key, way}
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: w.chain, Base: way, Store: &faulty{way},
		Limits: w.limits[w.dollar], Assets: []channel.Limits{w.limits[w.other]},
		Policy:       func(context.Context, client.Proposal) error { return nil },
		FundAsNeeded: w.r.IntN(2) == 0, Journal: w,
	})
	w.must(err)
	w.way, w.session, w.ways = way, session, append(w.ways, way)
}

func (w *world) close() {
	time.Sleep(time.Minute) // what sessions do beside requests ends
	for _, p := range w.both {
		p.chain.Close()
	}
	w.srv.Close()
}

// pick returns one of several values.
func pick[T any](w *world, all ...T) T { return all[w.r.IntN(len(all))] }

func (w *world) reach(what string) {
	w.notes.Lock()
	defer w.notes.Unlock()
	w.reached[what]++
}

func (w *world) logf(format string, args ...any) {
	w.notes.Lock()
	defer w.notes.Unlock()
	fmt.Fprintf(&w.history, "%2d %s ", w.steps, time.Now().UTC().Format("01-02 15:04:05"))
	fmt.Fprintf(&w.history, format+"\n", args...)
}

func (w *world) must(err error) {
	if err != nil {
		w.fail("%v", err)
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("seed %d, step %d: %s\n%s", w.seed, w.steps, fmt.Sprintf(format, args...), w.history.String())
}

// Append keeps a line of the journal.
func (w *world) Append(_ context.Context, e journal.Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, e)
	return nil
}
