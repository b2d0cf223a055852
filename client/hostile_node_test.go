package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/nodefaults"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
	"github.com/seed-5fe1f529/tallystick/internal/rule"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// faulty is a payer whose node fails while it lives through a fixed story.
type faulty struct {
	*payer
	fault nodefaults.Fault
	asked voucher.Amount
	did   []string // what happened, for the reader of a failure
}

// TestFaultyNode lives through the same story with each fault of package nodefaults: a payment, a top-up
// and an opening whose answers are lost, sweeps, a search, a close. While the node fails everything ends,
// and nothing is forgotten, paid twice or deposited a second time. When the node is right again, the
// next requests are served, and every base unit comes back.
func TestFaultyNode(t *testing.T) {
	for i, f := range append([]nodefaults.Fault{""}, nodefaults.All()...) {
		if raceDetector && i%24 != 0 {
			continue // without the detector each fault is tried
		}
		t.Run(string(f), func(t *testing.T) {
			bubble.Run(t, func(t *testing.T) { liveThrough(t, f) })
		})
	}
}

// far takes a while for each request, so that one who asks without end runs into its time.
type far struct{ base http.RoundTripper }

func (f far) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(100 * time.Millisecond)
	return f.base.RoundTrip(r)
}

func liveThrough(t *testing.T, f nodefaults.Fault) {
	srv := clienttest.New(t, clienttest.Config{NoSockets: true, WallClock: true})
	p := &faulty{fault: f, payer: newPayer(t, srv, func(c *client.Config) {
		c.Limits.Fund, c.Limits.Deposit = u(500), u(1000)
	})}
	p.base, p.cfg.Base = srv.Transport(), srv.Transport()
	p.reconnect()
	p.pass(time.Minute)
	require.NoError(t, p.pay("/data"))
	first := p.only().ID

	switch f {
	case "":
	case nodefaults.Endless, nodefaults.Huge, nodefaults.HugeHeader: // megabytes each time
		srv.Node.FailTimes(12, f)
	default:
		srv.Node.Fail(f)
	}
	lose := ""
	srv.OnRequest(func(r clienttest.Request) clienttest.Fault {
		if lose == "" || r.Action != lose {
			return clienttest.Fault{}
		}
		lose = ""
		return clienttest.Fault{LoseAnswer: true}
	})
	for range 4 {
		p.try("pay", func(context.Context) error { return p.pay("/data") })
	}
	lose = "topUp"
	for range 2 {
		p.try("top up", func(context.Context) error { return p.pay("/data") })
	}
	lose = "open"
	for range 2 {
		p.try("open", func(context.Context) error { return p.pay("/v1/data") })
	}
	p.sweeps(2)
	p.try("find", p.find)
	p.pass(time.Minute)
	p.reconnect()
	p.sweeps(2)
	for _, path := range []string{"/data", "/v1/data"} {
		p.try("pay later", func(context.Context) error { return p.pay(path) })
	}
	p.nothingLost(2)
	p.try("request the close", func(ctx context.Context) error {
		return p.session.Channels().RequestClose(ctx, first)
	})
	p.sweeps(2)
	p.pass(escrow.GracePeriod + time.Minute)
	p.sweeps(3)
	_ = p.try("keep", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
		defer cancel()
		err := p.session.Channels().SweepForever(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the keeper gives up")
		return err
	})
	p.nothingLost(2)
	cold := p.cold()
	switch {
	case f == "" || f == nodefaults.NullTransaction: // only receipts are asked for
	case f == nodefaults.SomeChannels && !p.someAreHidden():
	default:
		assert.NotZero(t, srv.Node.Failed(f), "the story does not try %s", f)
	}

	srv.Node.Fail()
	lose = ""
	p.pass(time.Minute)
	p.sweeps(2)
	assert.NoError(t, p.try("find", p.find))
	for _, path := range []string{"/data", "/v1/data"} {
		assert.NoError(t, p.try("pay when it is right again", func(context.Context) error { return p.pay(path) }))
	}
	p.nothingLost(3)
	cold()
	for _, c := range p.channels() {
		if srv.Chain.Channel(c.ID).Exists && c.CloseRequestedAt == 0 {
			assert.NoError(t, p.try("request the close", func(ctx context.Context) error {
				return p.session.Channels().RequestClose(ctx, c.ID)
			}))
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
	defer cancel()
	assert.NoError(t, p.session.Channels().SweepUntilDone(ctx))
	for id := range p.opened() {
		assert.False(t, srv.Chain.Channel(id).Exists, "channel %s is still open on the chain", id)
	}
	if t.Failed() {
		for _, line := range p.did {
			t.Log(line)
		}
	}
}

// pass lets time pass. The chain mines a block every five seconds.
func (p *faulty) pass(d time.Duration) {
	for ; d > 0; d -= 5 * time.Second {
		time.Sleep(5 * time.Second)
		p.srv.Chain.Now()
	}
}

// reconnect restarts with a new client of the node, which knows nothing of it.
func (p *faulty) reconnect() {
	p.t.Helper()
	chain, err := escrow.Dial(p.t.Context(), p.srv.RPCURL, escrow.WithTransport(far{p.srv.Transport()}))
	require.NoError(p.t, err)
	p.t.Cleanup(chain.Close)
	p.cfg.Chain = chain
	p.restart()
}

// pay sends a request for 100 and reads what is served.
func (p *faulty) pay(path string) error {
	p.asked = p.asked.AddCapped(u(100))
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Minute)
	defer cancel()
	resp, err := p.send(p.request(ctx, http.MethodGet, p.srv.URL+path, nil))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s (%w)", resp.StatusCode, body, client.PaymentOf(resp).Err)
	}
	return err
}

// try does a thing that may fail, but must end.
func (p *faulty) try(name string, do func(context.Context) error) error {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	began := time.Now()
	err := do(ctx)
	took := time.Since(began)
	p.did = append(p.did, fmt.Sprintf("%s: %.300v (after %v)", name, err, took))
	assert.Less(p.t, took, 5*time.Minute, "%s does not end", name)
	return err
}

func (p *faulty) sweeps(n int) {
	p.t.Helper()
	for range n {
		_ = p.try("sweep", func(ctx context.Context) error {
			_, _, err := p.session.Channels().Sweep(ctx)
			return err
		})
		p.pass(20 * time.Second)
	}
}

// find searches all of the chain.
func (p *faulty) find(ctx context.Context) error {
	for _, err := range p.session.Channels().Find(ctx, true) {
		if err != nil {
			return err
		}
	}
	return nil
}

// cold searches with an empty store while the node fails. What it returns searches on when the node is
// right again, and from the beginning if the node may have left logs out, which nobody can see.
func (p *faulty) cold() (again func()) {
	warm, cfg, old := p.store, p.cfg, p.session
	p.store = store.NewMem()
	p.cfg.Store = p.store
	p.restart()
	_ = p.try("find in an empty store", p.find)
	other, empty := p.session, p.store
	p.store, p.cfg, p.session = warm, cfg, old
	return func() {
		p.t.Helper()
		found := map[common.Hash]bool{}
		for _, repeat := range []bool{false, true} {
			for f, err := range other.Channels().Find(p.t.Context(), repeat) {
				assert.NoError(p.t, err)
				found[f.Channel.ID] = true
			}
			for e, err := range empty.List(p.t.Context(), "channel/") {
				require.NoError(p.t, err)
				s, err := rule.Decode(e.Data)
				require.NoError(p.t, err)
				found[s.ID] = true
			}
			if !repeat && leavesLogsOut[p.fault] {
				continue
			}
			for id := range p.opened() {
				if p.srv.Chain.Channel(id).Exists {
					assert.True(p.t, found[id], "channel %s is not found", id)
				}
			}
		}
	}
}

// leavesLogsOut are the faults with which a search is answered without some logs.
var leavesLogsOut = map[nodefaults.Fault]bool{
	nodefaults.EmptyLogs: true, nodefaults.SomeLogs: true, nodefaults.LateLogs: true,
	nodefaults.LateSecondCall: true, nodefaults.LateSecondRequest: true, nodefaults.BranchOfTen: true,
	nodefaults.BranchOfOne: true, nodefaults.BranchPool: true,
}

// opened are the channels that the server has ever seen.
func (p *faulty) opened() map[common.Hash]clienttest.Account {
	out := map[common.Hash]clienttest.Account{}
	for _, a := range p.srv.Accounts() {
		out[a.ChannelID] = a
	}
	return out
}

// nothingLost checks what holds at every moment, with at most so many channels.
func (p *faulty) nothingLost(most int) {
	t := p.t
	t.Helper()
	records := map[common.Hash]channel.Info{}
	var authorized voucher.Amount
	for _, c := range p.channels() {
		records[c.ID] = c
		authorized = authorized.AddCapped(c.Authorized)
	}
	opened := p.opened()
	assert.LessOrEqual(t, len(opened), most, "a second deposit")
	assert.False(t, p.asked.Less(authorized), "%s is authorized, %s was asked for", authorized, p.asked)
	var spent voucher.Amount
	for id, a := range opened {
		onChain := p.srv.Chain.Channel(id)
		c, ok := records[id]
		if !assert.True(t, ok, "channel %s is not on record", id) {
			continue
		}
		if onChain.Exists {
			assert.True(t, c.HoldsMoney(), "channel %s holds %s and is %s on record", id, onChain.Deposit, c.Phase)
		}
		assert.False(t, u(1000).Less(onChain.Deposit), "%s were deposited in %s", onChain.Deposit, id)
		assert.False(t, c.Authorized.Less(a.Accepted), "the server has a voucher of %s", a.Accepted)
		spent = spent.AddCapped(a.Spent)
	}
	assert.False(t, p.asked.Less(spent), "paid twice: %s charged, %s asked for", spent, p.asked)
}
