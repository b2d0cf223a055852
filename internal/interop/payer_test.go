package interop

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// payer is our client with a key of its own, and what it had when it began.
type payer struct {
	t       testing.TB
	w       *world
	key     *ecdsa.PrivateKey
	address common.Address
	cfg     client.Config
	session *client.Session
	purses  purses // as they were when it began

	mu     sync.Mutex // guards events
	events []client.Event
}

// start is what a payer has.
const start = 1_000_000

var limits = channel.Limits{
	Price: voucher.Units(1000), Deposit: voucher.Units(100_000), Total: voucher.Units(1_000_000), Stream: voucher.Units(50_000),
	Fees: channel.FeeLimits{Transaction: voucher.Units(50_000), Month: voucher.Units(1_000_000)},
}

// newPayer gives a new key money, and a session.
func (w *world) newPayer(t testing.TB, change ...func(*client.Config)) *payer {
	t.Helper()
	p := &payer{t: t, w: w, key: newKey(t)}
	p.address = crypto.PubkeyToAddress(p.key.PublicKey)
	w.fund(t, p.address, start)
	p.purses = w.chain.purses(t, p.address, w.payee, w.escrow)
	require.EqualValues(t, start, p.purses.money)
	p.cfg = config(t, p.key, w.chain.url)
	p.cfg.OnEvent = func(e client.Event) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.events = append(p.events, e)
	}
	for _, c := range change {
		c(&p.cfg)
	}
	p.restart()
	return p
}

// config is a payer's, with an empty store.
func config(t testing.TB, key *ecdsa.PrivateKey, rpcURL string) client.Config {
	t.Helper()
	signer, err := voucher.NewKeySigner(key)
	require.NoError(t, err)
	chain, err := escrow.Dial(context.Background(), rpcURL)
	require.NoError(t, err)
	t.Cleanup(chain.Close)
	base := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(base.CloseIdleConnections)
	return client.Config{Signer: signer, Payer: signer, Chain: chain, Store: store.NewMem(), Base: base, Limits: limits, Stall: time.Minute, FundAsNeeded: true}
}

// restart begins a session that knows what is in the store.
func (p *payer) restart() {
	p.t.Helper()
	s, err := client.New(p.cfg)
	require.NoError(p.t, err)
	p.session = s
}

// send makes one request. Headers are pairs.
func (p *payer) send(method, path, body string, headers ...string) (*http.Response, error) {
	p.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.w.url+path, r)
	require.NoError(p.t, err)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return p.session.Client().Do(req)
}

// get expects a paid 200 and returns what was paid, and the body.
func (p *payer) get(path string, headers ...string) (*client.Payment, string) {
	p.t.Helper()
	return p.paid(p.send(http.MethodGet, path, "", headers...))
}

func (p *payer) paid(resp *http.Response, err error) (*client.Payment, string) {
	p.t.Helper()
	require.NoError(p.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err, "after %q", body)
	require.Equal(p.t, http.StatusOK, resp.StatusCode, "%s", body)
	paid := client.PaymentOf(resp)
	require.NotNil(p.t, paid)
	require.Equal(p.t, client.OutcomeAccepted, paid.Outcome)
	return paid, string(body)
}

// stream reads a paid stream to its end and counts its events.
func (p *payer) stream(path string, headers ...string) int {
	p.t.Helper()
	paid, body := p.get(path, headers...)
	n := 0
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			require.JSONEq(p.t, `{"i":`+units(uint64(n))+`}`, data, "in order")
			n++
		}
	}
	require.NotContains(p.t, body, "payment-", "payment frames are not the application's")
	require.NotNil(p.t, paid.Receipt(), "a stream ends with a receipt")
	return n
}

// channels lists what is on record.
func (p *payer) channels() (all []channel.Info) {
	p.t.Helper()
	for s, err := range p.session.Channels().All(p.t.Context()) {
		require.NoError(p.t, err)
		all = append(all, s)
	}
	return all
}

// only is the one channel that takes payments.
func (p *payer) only() channel.Info {
	p.t.Helper()
	var open []channel.Info
	for _, s := range p.channels() {
		if s.Payable() {
			open = append(open, s)
		}
	}
	require.Len(p.t, open, 1)
	return open[0]
}

// by is a channel as the ledger has it.
func (p *payer) by(id common.Hash) (one channel.Info) {
	p.t.Helper()
	for _, s := range p.channels() {
		if s.ID == id {
			one = s
		}
	}
	require.Equal(p.t, id, one.ID, "the ledger has no record")
	return one
}

// books is what three books have to say about a channel, in base units.
type books struct{ accepted, spent, deposit, settled, units uint64 }

// agree compares the server's record, the chain and the ledger.
func (p *payer) agree(id common.Hash, want books) {
	p.t.Helper()
	r := p.w.record(p.t, id)
	require.NotNil(p.t, r, "the server has no record")
	n := func(a voucher.Amount) uint64 { return a.Big().Uint64() }
	assert.Equal(p.t, want, books{n(r.Accepted), n(r.Spent), n(r.Deposit), n(r.Settled), r.Units}, "server")
	c := p.w.chain.channel(p.t, p.w.rail, id)
	assert.Equal(p.t, onChain{deposit: want.deposit, settled: want.settled}, c, "chain")
	held := p.by(id) // before the chain is asked again, which would mend it
	own := want
	own.settled = n(held.Settled)
	assert.Equal(p.t, own, books{n(held.Signed), n(held.Claimed), n(held.Deposit), n(held.Settled), held.Units}, "ledger")
	assert.Equal(p.t, [2]uint64{want.accepted, want.spent}, [2]uint64{n(held.Accepted), n(held.Spent)}, "ledger, the server's word")
	s, err := p.session.Channels().Sync(p.t.Context(), id)
	require.NoError(p.t, err)
	assert.Equal(p.t, want, books{n(s.Signed), n(s.Claimed), n(s.Deposit), n(s.Settled), s.Units}, "ledger, when it has asked the chain")
	assert.False(p.t, s.Untrusted)
	assert.Equal(p.t, s.ID, s.Descriptor.ID(s.Protocol, s.Escrow, s.ChainID))
}

// closed expects that nothing is left of a channel, on the chain and in the ledger, which keeps what was signed.
func (p *payer) closed(id common.Hash, signed uint64) {
	p.t.Helper()
	s, err := p.session.Channels().Sync(p.t.Context(), id)
	require.NoError(p.t, err)
	assert.Equal(p.t, channel.Closed, s.Phase)
	assert.False(p.t, s.HoldsMoney())
	assert.Equal(p.t, voucher.Units(signed), s.Signed)
	assert.Equal(p.t, onChain{}, p.w.chain.channel(p.t, p.w.rail, id), "chain")
}

// audit explains the balances of the payer, the payee and the escrow by the chain's logs since the payer began.
func (p *payer) audit(want moved, sponsored bool) {
	p.t.Helper()
	p.purses.audit(p.t, want, sponsored)
}

// told reports whether an event of the kind came.
func (p *payer) told(kind client.EventKind) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == kind {
			return true
		}
	}
	return false
}

// close closes a channel with the server's help.
func (p *payer) close(id common.Hash) {
	p.t.Helper()
	require.NoError(p.t, p.session.Channels().Close(p.t.Context(), id))
}
