package interop

import (
	"maps"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// clientFlows are mppx's client against our test server. Each has a key of its own.
var clientFlows = []struct {
	name string
	rail voucher.Protocol // zero: both
	run  func(*testing.T, *house)
}{
	{"open", 0, theyOpen},
	{"requests", 0, theyRequest},
	{"bodies", 0, theyPost},
	{"stream", 0, theyStream},
	{"stream on an open channel", voucher.V1, theyStreamLater},
	{"top-up", voucher.V2, theyTopUp},
	{"deposit used up", voucher.V1, theyRunDry},
	{"top-up in a stream", voucher.V2, theyTopUpInStream},
	{"sponsored", 0, theyAreSponsored},
	{"snapshot", 0, theyAreTold},
	{"bootstrap", voucher.V2, theyBootstrap},
	{"settled in mid-session", 0, theyAreSettled},
	{"resumed in a fresh process", voucher.V2, theyResume},
	{"least growth of a voucher", 0, theyGrow},
	{"forgotten", 0, theyAreForgotten},
	{"closed together", 0, theyClose},
	{"closed alone", 0, theyLeave}, // moves the clock, so it is last
}

func theirClient(t *testing.T, rail voucher.Protocol) {
	s := clienttest.New(t, clienttest.Config{WallClock: true, BaseFee: 20_000_000_000})
	h := &house{Server: s, chain: dial(t, s.RPCURL), rail: rail, client: startPeer(t, "client.mjs")}
	if rail == voucher.V1 {
		h.prefix = "/v1"
	}
	for _, f := range clientFlows {
		if f.rail == 0 || f.rail == rail {
			t.Run(f.name, func(t *testing.T) { f.run(t, h) })
		}
	}
}

// house is our test server, and where its routes of the rail are.
type house struct {
	*clienttest.Server
	chain  *node
	rail   voucher.Protocol
	prefix string
	client *peer
}

// guest is a client of mppx's.
type guest struct {
	*peer
	t      testing.TB
	h      *house
	key    clienttest.Key
	purses purses // as they were when it began
	asked  int    // how many requests the server had seen before
}

// said is what the client says after a command.
type said struct {
	Status     int
	Body       string
	Chunks     int
	ChannelID  common.Hash
	Cumulative voucher.Amount
	Opened     bool
	Receipt    *struct {
		Accepted, Spent voucher.Amount
		Units           uint64
		TxHash          common.Hash
	}
}

func (h *house) guest(t testing.TB) *guest {
	t.Helper()
	g := &guest{peer: h.client, t: t, h: h, key: h.Payer()}
	g.purses = h.chain.purses(t, g.key.Address, h.Payee, h.Escrow(h.rail))
	g.asked = len(h.Requests())
	g.enter(nil)
	return g
}

// enter begins a session that knows the key, and what more says.
func (g *guest) enter(more args) {
	g.t.Helper()
	a := args{"v1": g.h.rail == voucher.V1, "key": g.key.Hex, "rpcUrl": g.h.RPCURL, "maxDeposit": "0.01"}
	maps.Copy(a, more)
	g.do(g.t, "start", a, nil)
}

// again begins a session in a process of its own.
func (g *guest) again(more args) {
	g.t.Helper()
	g.peer = startPeer(g.t, "client.mjs")
	g.enter(more)
}

// fetch expects a paid 200.
func (g *guest) fetch(path string, more args) said {
	g.t.Helper()
	var s said
	a := args{"url": g.h.URL + g.h.prefix + path}
	maps.Copy(a, more)
	g.do(g.t, "fetch", a, &s)
	require.Equal(g.t, 200, s.Status, s.Body)
	require.NotNil(g.t, s.Receipt)
	return s
}

func (g *guest) get(path string) said { g.t.Helper(); return g.fetch(path, nil) }

func (g *guest) stream(path string) said {
	g.t.Helper()
	var s said
	g.do(g.t, "stream", args{"url": g.h.URL + g.h.prefix + path}, &s)
	return s
}

func (g *guest) close() said {
	g.t.Helper()
	var s said
	g.do(g.t, "close", nil, &s)
	require.NotNil(g.t, s.Receipt)
	return s
}

// agree compares the server's record, the chain and what the client says.
func (g *guest) agree(s said, want books) {
	g.t.Helper()
	a, ok := g.h.Account(s.ChannelID)
	require.True(g.t, ok, "the server has no record")
	n := func(a voucher.Amount) uint64 { return a.Big().Uint64() }
	assert.Equal(g.t, want, books{n(a.Accepted), n(a.Spent), n(a.Deposit), n(a.Settled), a.Units}, "server")
	assert.True(g.t, a.Signed)
	assert.Equal(g.t, g.key.Address, a.Payer)
	c := g.h.Chain.Channel(s.ChannelID)
	assert.Equal(g.t, [2]uint64{want.deposit, want.settled}, [2]uint64{n(c.Deposit), n(c.Settled)}, "chain")
	assert.Equal(g.t, want.accepted, n(s.Cumulative), "client")
	if s.Receipt != nil {
		assert.Equal(g.t, [2]uint64{want.accepted, want.spent}, [2]uint64{n(s.Receipt.Accepted), n(s.Receipt.Spent)}, "receipt")
	}
}

// closed expects that nothing is left of a channel, on record and on the chain.
func (g *guest) closed(s said) {
	g.t.Helper()
	a, ok := g.h.Account(s.ChannelID)
	require.True(g.t, ok, "the server has no record")
	assert.True(g.t, a.Finalized)
	assert.Equal(g.t, onChain{}, g.h.chain.channel(g.t, g.h.rail, s.ChannelID), "chain")
}

// audit explains the balances of the payer, the payee and the escrow by the chain's logs since the guest began.
func (g *guest) audit(want moved, sponsored bool) {
	g.t.Helper()
	g.purses.audit(g.t, want, sponsored)
}

// seen are the credentials that the server has seen of this guest.
func (g *guest) seen() (out []string) {
	for _, r := range g.h.Requests()[g.asked:] {
		if r.Action != "" {
			out = append(out, r.Method+" "+r.Action+" "+units(uint64(r.Status)))
		}
	}
	return out
}
